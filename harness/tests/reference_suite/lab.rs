//! A folder with small images, and domains that use them.

use std::path::{Path, PathBuf};

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::{Chain, ChainError, resolve};
use qconform::reference::domain::Domain;
use tempfile::TempDir;

use crate::sample::Sample;

pub(crate) struct Lab {
    folder: TempDir,
}

impl Lab {
    /// On a tmpfs where there is one: it has every extended attribute.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            folder: folder.unwrap(),
        }
    }

    /// In a folder of a file system of its own.
    pub(crate) fn on(place: &Path) -> Self {
        let folder = tempfile::tempdir_in(place).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        // The plan has canonical paths, so the folder is made canonical here.
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub(crate) fn image(&self, name: &str, sample: Sample) -> &Self {
        sample.write(self.folder.path(), name);
        self
    }

    pub(crate) fn data(&self, name: &str) -> &Self {
        std::fs::write(self.path(name), b"data").unwrap();
        self
    }

    /// A writable image with a data file: `disk.qcow2` and `disk.raw`.
    pub(crate) fn pair(&self) -> &Self {
        self.image("disk.qcow2", Sample::new().data_file("disk.raw"))
            .data("disk.raw")
    }

    /// `overlay.qcow2` over `base.qcow2`, each with a data file.
    pub(crate) fn two_layers(&self) -> &Self {
        let overlay = Sample::new()
            .backing("base.qcow2")
            .backing_format("qcow2")
            .data_file("overlay.raw");
        self.image("overlay.qcow2", overlay)
            .data("overlay.raw")
            .image("base.qcow2", Sample::new().data_file("base.raw"))
            .data("base.raw")
    }

    /// A domain with these elements in it; `$D` is this folder.
    pub(crate) fn domain_with(&self, extra: &str, disks: &str) -> Domain {
        let xml = format!(
            "<domain type='kvm'><name>guest</name>\
             <uuid>11111111-2222-3333-4444-555555555555</uuid>{extra}\
             <devices>{disks}</devices></domain>"
        );
        let folder = self
            .path("")
            .to_str()
            .unwrap()
            .trim_end_matches('/')
            .to_owned();
        Domain::parse(xml.replace("$D", &folder).as_bytes()).unwrap()
    }

    pub(crate) fn chain(&self, disks: &str) -> Result<Chain, ChainError> {
        resolve(&self.domain_with("", disks), &Follow)
    }

    /// The chain's files as `disk role name access depth source`.
    pub(crate) fn rows(&self, chain: &Chain) -> Vec<String> {
        let folder = self.path("");
        let row = |file: &qconform::reference::chain::ChainFile| {
            let json = |value: serde_json::Value| value.as_str().unwrap().to_owned();
            format!(
                "{} {} {} {} {} {}",
                file.disk.as_deref().unwrap_or("-"),
                file.role.as_str(),
                relative(&file.path, &folder),
                json(serde_json::to_value(file.access).unwrap()),
                file.depth,
                json(serde_json::to_value(file.source).unwrap()),
            )
        };
        chain.files.iter().map(row).collect()
    }
}

fn relative(path: &Path, folder: &Path) -> String {
    path.strip_prefix(folder)
        .unwrap_or(path)
        .to_str()
        .unwrap()
        .to_owned()
}

/// A disk of that image; `extra` goes beside the source, `inner` inside.
pub(crate) fn disk_with(image: &str, inner: &str, extra: &str) -> String {
    format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/>\
         <source file='$D/{image}'>{inner}</source>{extra}<target dev='vda'/></disk>"
    )
}

pub(crate) fn disk(image: &str) -> String {
    disk_with(image, "", "")
}

/// A declared data store; `inner` goes inside its source.
pub(crate) fn store_with(file: &str, inner: &str) -> String {
    format!(
        "<dataStore type='file'><format type='raw'/>\
         <source file='$D/{file}'>{inner}</source></dataStore>"
    )
}

pub(crate) fn store(file: &str) -> String {
    store_with(file, "")
}

/// A declared backing image; `inner` goes inside its source, `below` after it.
pub(crate) fn backing_store(format: &str, file: &str, inner: &str, below: &str) -> String {
    format!(
        "<backingStore type='file'><format type='{format}'/>\
         <source file='$D/{file}'>{inner}</source>{below}</backingStore>"
    )
}
