//! Writes the start of every image of the corpus as a file for the fuzzer to begin with.

use std::fs;
use std::io;
use std::path::Path;

use qconform_generators::corpus::{IMAGE, entries};
use qconform_generators::fixture;

/// More than this makes fuzzing slow; every structure of a small image lies inside.
const LENGTH: usize = 64 << 10;

fn main() -> io::Result<()> {
    for target in ["probe", "mapping"] {
        fs::create_dir_all(Path::new("corpus").join(target))?;
    }
    for entry in entries() {
        let folder = tempfile::tempdir()?;
        fixture::write(&entry.recipe, folder.path()).map_err(io::Error::other)?;
        let mut image = fs::read(folder.path().join(IMAGE))?;
        image.truncate(LENGTH);
        for target in ["probe", "mapping"] {
            let name = entry.id.replace('/', "-");
            fs::write(Path::new("corpus").join(target).join(name), &image)?;
        }
    }
    Ok(())
}
