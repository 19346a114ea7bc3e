//! Finds and runs the real programs that some tests compare with.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// QEMU's two programs.
pub(crate) struct Qemu {
    img: PathBuf,
    io: PathBuf,
}

impl Qemu {
    /// `None` if QEMU is not installed and nobody requires it.
    pub(crate) fn find() -> Option<Qemu> {
        Some(Qemu {
            img: find("qemu-img", "qemu")?,
            io: find("qemu-io", "qemu")?,
        })
    }

    pub(crate) fn img_path(&self) -> &Path {
        &self.img
    }

    pub(crate) fn io_path(&self) -> &Path {
        &self.io
    }

    /// Runs `qemu-img` in `folder`, because it looks for data files in its working directory.
    pub(crate) fn img(&self, folder: &Path, arguments: &[&str]) -> Output {
        run(&self.img, folder, arguments)
    }

    /// Runs `qemu-io` in `folder`.
    pub(crate) fn io(&self, folder: &Path, arguments: &[&str]) -> Output {
        run(&self.io, folder, arguments)
    }
}

/// A program on the path. Without it the test says so and is skipped, unless `capability` stands
/// in `QCONFORM_REQUIRE`.
pub(crate) fn find(program: &str, capability: &str) -> Option<PathBuf> {
    if let Ok(path) = which::which(program) {
        return Some(path);
    }
    let required = env::var("QCONFORM_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == capability),
        "{program} is required but not installed"
    );
    println!("skipped: {program} is not installed");
    None
}

pub(crate) fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[track_caller]
pub(crate) fn assert_success(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
