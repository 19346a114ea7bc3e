//! What a forked child gives up before it becomes a subject: ids, privilege, and most of what it could use up.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Gid, Resource, Rlimit, Uid, WaitOptions, setrlimit};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags,
    move_into_link_name_space,
};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

use super::confined::Confined;
use super::id_map::write_proc;
use super::inside::Abilities;
use super::{SandboxError, sys};

/// Open files that a subject may have.
const FILES: u64 = 1024;

/// Everything that a forked child gives up before it becomes the subject. Made before the fork: afterwards only
/// system calls are allowed.
pub(super) struct Fence {
    /// The narrower user namespace; none where `/proc` is missing, which is needed to write its maps.
    namespace: Option<OwnedFd>,
    /// None where the worker's only id is kept.
    ids: Option<(Uid, Gid)>,
    /// What a labeller may not call; absent for everybody else.
    mounts: Option<BpfProgram>,
    limits: [(Resource, u64); 6],
}

/// Calls that change what is mounted. Setting labels takes a capability that would allow them, too, and what is mounted
/// read-only could be made writable.
const MOUNTING: [i64; 11] = [
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_pivot_root,
    libc::SYS_setns,
];

/// What root needs to be a labeller of files and to run programs as another user: no tracing of its worker, no
/// network, no device.
const LABELLER: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SYS_RESOURCE)
    .union(CapabilitySet::SYS_NICE);

impl Fence {
    pub(super) fn new(subject: &Confined, abilities: Abilities) -> Result<Self, SandboxError> {
        let ids = (Uid::from_raw(subject.uid), Gid::from_raw(subject.gid));
        let namespace = if abilities.proc && !subject.labels {
            Some(narrower(subject, abilities.single)?)
        } else {
            None
        };
        let mounts = subject.labels.then(without_mounting).transpose();
        let limits = [
            (Resource::As, subject.limits.address_space),
            (Resource::Data, subject.limits.memory),
            (Resource::Nproc, subject.limits.processes),
            (Resource::Fsize, subject.limits.file_size),
            (Resource::Core, 0),
            (Resource::Nofile, FILES),
        ];
        let ids = (namespace.is_some() || !abilities.single).then_some(ids);
        Ok(Self {
            namespace,
            ids,
            mounts: mounts.map_err(|error| SandboxError::at("make a filter of calls", error))?,
            limits,
        })
    }

    pub(super) fn close(&mut self) -> io::Result<()> {
        rustix::process::setsid()?;
        match &self.mounts {
            Some(_) => become_labeller()?,
            None => self.lose_privilege()?,
        }
        rustix::thread::set_no_new_privs(true)?;
        if let Some(mounts) = &self.mounts {
            seccompiler::apply_filter(mounts).map_err(io::Error::other)?;
        }
        for (resource, limit) in self.limits {
            setrlimit(
                resource,
                Rlimit {
                    current: Some(limit),
                    maximum: Some(limit),
                },
            )?;
        }
        Ok(())
    }

    fn lose_privilege(&self) -> io::Result<()> {
        if let Some(namespace) = &self.namespace {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::User))?;
        }
        // While the privilege for it is still there: exec must not give root, if it is that, anything back.
        rustix::thread::set_capabilities_secure_bits(
            CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED,
        )?;
        if let Some((uid, gid)) = self.ids {
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        }
        keep_capabilities(CapabilitySet::empty())
    }
}

/// A filter that refuses [`MOUNTING`], and kills whoever calls with another machine's numbers.
fn without_mounting() -> io::Result<BpfProgram> {
    let rules = MOUNTING.map(|call| (call, Vec::new())).into();
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    let machine = std::env::consts::ARCH
        .try_into()
        .map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, machine);
    let filter = filter.map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

/// A mount namespace of its own keeps a labeller from covering what its worker looks at.
fn become_labeller() -> io::Result<()> {
    sys::unshare(UnshareFlags::NEWNS)?;
    for capability in CapabilitySet::all() - LABELLER {
        // The kernel may know fewer of them.
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    keep_capabilities(LABELLER)
}

fn keep_capabilities(kept: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

/// Makes a user namespace that maps nothing but the subject's ids.
///
/// A process of its own has to make it, because only one outside may write the maps.
fn narrower(subject: &Confined, single: bool) -> Result<OwnedFd, SandboxError> {
    let failed = |error: io::Error| SandboxError::at("make the subject's namespace", error);
    let (mut told, mut tell) = io::pipe().map_err(failed)?;
    let (mut wait, release) = io::pipe().map_err(failed)?;
    let Some(maker) = sys::fork().map_err(failed)? else {
        drop(release);
        let errno = sys::unshare(UnshareFlags::NEWUSER)
            .map_or_else(|error| error.raw_os_error(), |()| Some(0));
        let _ = tell.write_all(&errno.unwrap_or(libc::EIO).to_ne_bytes());
        let _ = wait.read(&mut [0]);
        sys::exit_now();
    };
    drop((tell, wait));
    let namespace = read_errno(&mut told).map_err(failed).and_then(|()| {
        let pid = maker.as_raw_nonzero().get().unsigned_abs();
        let outer = |id: u32| if single { 0 } else { id };
        write_proc(
            pid,
            "uid_map",
            &format!("{} {} 1", subject.uid, outer(subject.uid)),
        )?;
        write_proc(
            pid,
            "gid_map",
            &format!("{} {} 1", subject.gid, outer(subject.gid)),
        )?;
        File::open(format!("/proc/{pid}/ns/user")).map_err(failed)
    });
    drop(release);
    rustix::process::waitpid(Some(maker), WaitOptions::empty())
        .map_err(|error| failed(error.into()))?;
    namespace.map(OwnedFd::from)
}

fn read_errno(told: &mut io::PipeReader) -> io::Result<()> {
    let mut errno = [0; 4];
    told.read_exact(&mut errno)?;
    match i32::from_ne_bytes(errno) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}
