//! Writes what fuzzing starts from: the start of every image of the corpus, the domains of the
//! suite, and names of every kind.

use std::fs;
use std::io;
use std::path::Path;

use qconform_generators::corpus::{IMAGE, entries};
use qconform_generators::fixture;

/// More than this makes fuzzing slow; every structure of a small image lies inside.
const LENGTH: usize = 64 << 10;

/// One name of each kind that is interpreted.
const NAMES: [&str; 10] = [
    "disk.raw",
    "../a/./b",
    "/images/base.qcow2",
    "file:///images/base",
    "nbd+unix:///export?socket=/run/nbd",
    "https://user:password@host/disk?x#y",
    "rbd:pool/image:id=admin:key=AQ==:conf=/etc/ceph",
    "json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"/x\"}}",
    "json:{\"file.driver\":\"nbd\",\"file.host\":\"h\",\"file.password\":\"p\"}",
    "null-co://",
];

/// One domain with every element that is looked at.
const DOMAIN: &str = include_str!("domain.xml");

fn main() -> io::Result<()> {
    for entry in entries() {
        let folder = tempfile::tempdir()?;
        fixture::write(&entry.recipe, folder.path()).map_err(io::Error::other)?;
        let mut image = fs::read(folder.path().join(IMAGE))?;
        image.truncate(LENGTH);
        let name = entry.id.replace('/', "-");
        seed("probe", &name, &image)?;
        seed("mapping", &name, &image)?;
    }
    for (number, name) in NAMES.iter().enumerate() {
        seed("names", &number.to_string(), name.as_bytes())?;
    }
    seed("domain", "full", DOMAIN.as_bytes())
}

fn seed(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}
