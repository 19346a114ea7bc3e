//! Why a machine refuses user namespaces, found by looking at its switches.

use std::fs;
use std::path::Path;

use rustix::process::geteuid;

use super::SandboxError;

/// What can be seen of the machine; apart, so that the conclusion can be tested.
#[derive(Clone, Debug, Default)]
struct Seen {
    root: bool,
    container: bool,
    seccomp: bool,
    max_user_namespaces: Option<u64>,
    unprivileged_userns_clone: Option<u64>,
    apparmor_restricts: Option<u64>,
}

impl Seen {
    fn look() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self {
            root: geteuid().is_root(),
            container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|path| Path::new(path).exists()),
            seccomp: status
                .lines()
                .any(|line| line.split_whitespace().eq(["Seccomp:", "2"])),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        }
    }

    /// The most likely cause and its cure; `None` when nothing seen explains it.
    fn cause(&self) -> Option<(&'static str, &'static str)> {
        if self.max_user_namespaces == Some(0) {
            return Some((
                "user.max_user_namespaces is 0",
                "sysctl user.max_user_namespaces=10000",
            ));
        }
        if !self.root && self.unprivileged_userns_clone == Some(0) {
            return Some((
                "kernel.unprivileged_userns_clone is 0",
                "sysctl kernel.unprivileged_userns_clone=1",
            ));
        }
        if !self.root && self.apparmor_restricts == Some(1) {
            return Some((
                "AppArmor restricts unprivileged user namespaces",
                "give this program an AppArmor profile with `userns,`, or run \
                 sysctl kernel.apparmor_restrict_unprivileged_userns=0",
            ));
        }
        if self.container || self.seccomp {
            return Some((
                "a container's seccomp profile or missing capabilities forbid it",
                "start the container with --security-opt seccomp=unconfined and, if it is not enough, \
                 --cap-add SYS_ADMIN or --privileged",
            ));
        }
        None
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Turns a refused set-up step into the reason behind it, where one can be seen.
pub(super) fn explain(error: SandboxError) -> SandboxError {
    let SandboxError::SetUp { step, source } = error else {
        return error;
    };
    let refused = [
        libc::EPERM,
        libc::EACCES,
        libc::ENOSPC,
        libc::EUSERS,
        libc::EINVAL,
        libc::ENOSYS,
    ]
    .map(Some)
    .contains(&source.raw_os_error());
    let seen = Seen::look();
    match seen.cause() {
        Some((cause, hint))
            if refused && (step == "unshare" || seen.apparmor_restricts == Some(1)) =>
        {
            SandboxError::Unavailable {
                reason: format!("{step}: {source}; {cause}"),
                hint: hint.to_owned(),
            }
        }
        None if refused && step == "unshare" => SandboxError::Unavailable {
            reason: format!("{step}: {source}"),
            hint: "the kernel needs CONFIG_USER_NS, and a process in a chroot can't make one"
                .to_owned(),
        },
        _ => SandboxError::SetUp { step, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::limit(Seen { root: true, max_user_namespaces: Some(0), container: true, ..Seen::default() }, "max_user")]
    #[case::debian(Seen { unprivileged_userns_clone: Some(0), ..Seen::default() }, "userns_clone")]
    #[case::ubuntu(Seen { apparmor_restricts: Some(1), container: true, ..Seen::default() }, "AppArmor")]
    #[case::container(Seen { root: true, apparmor_restricts: Some(1), container: true, ..Seen::default() }, "seccomp")]
    #[case::filtered(Seen { seccomp: true, ..Seen::default() }, "seccomp")]
    fn the_cause_is_the_switch_that_binds_this_user(#[case] seen: Seen, #[case] word: &str) {
        let (cause, _) = seen.cause().unwrap();
        assert!(cause.contains(word), "{cause}");
    }

    #[test]
    fn a_machine_with_every_switch_open_gives_no_cause() {
        let open = Seen {
            max_user_namespaces: Some(10_000),
            unprivileged_userns_clone: Some(1),
            ..Seen::default()
        };
        assert_eq!(open.cause(), None);
    }
}
