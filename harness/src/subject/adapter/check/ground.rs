//! The images that an adapter is asked about.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use qconform_generators::fixture;
use qconform_generators::marker::Marker;
use qconform_generators::recipe::Recipe;
use walkdir::WalkDir;

/// A plain image of version 3.
pub(super) const PLAIN: &str = "plain.qcow2";
/// The same under a name that is not UTF-8.
pub(super) const ODD: &str = r"name-\xff.qcow2";
/// An image with a data file.
pub(super) const WITH_DATA_FILE: &str = "data-file.qcow2";
/// The data file, as its header names it.
pub(super) const DATA_FILE: &str = "disk.raw";
/// An image whose data file has a name that is not UTF-8.
pub(super) const ODD_DATA_FILE: &str = "odd-data-file.qcow2";
/// Its name.
pub(super) const ODD_NAME: &[u8] = b"data-\xff.raw";
/// No image at all.
pub(super) const NO_IMAGE: &str = "no-image.qcow2";
/// Nothing.
pub(super) const MISSING: &str = "missing.qcow2";

/// Size of each virtual disk.
pub(super) const SIZE: u64 = 32_768;
/// Guest offsets that are read: clusters 0 and 5 hold data, what lies between doesn't.
pub(super) const OFFSETS: [u64; 3] = [0, 8192, 20_480];
/// Bytes that are read at each.
pub(super) const LENGTH: u32 = 512;

const RECIPE: &str = r#"
[files]
"plain.qcow2" = { qcow2 = {} }
'name-\xff.qcow2' = { qcow2 = {} }
"data-file.qcow2" = { qcow2 = { data-file = "disk.raw" } }
"disk.raw" = { raw = {} }
"odd-data-file.qcow2" = { qcow2 = { data-file = { hex = "646174612dff2e726177" } } }
'data-\xff.raw' = { raw = {} }
"no-image.qcow2" = { raw = {} }
"#;

/// Writes the images, for everybody to read.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir(folder)?;
    let recipe: Recipe = toml::from_str(RECIPE).map_err(io::Error::other)?;
    fixture::write(&recipe, folder).map_err(io::Error::other)?;
    for entry in WalkDir::new(folder) {
        let entry = entry?;
        let mode = if entry.file_type().is_dir() {
            0o755
        } else {
            0o644
        };
        fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// What the guest sees of an image whose data lies in `file`.
pub(super) fn guest_bytes(file: &str, offset: u64) -> Vec<u8> {
    let length = LENGTH as usize;
    match offset == OFFSETS[1] {
        true => vec![0; length],
        false => Marker::new(0, file).bytes(offset, length),
    }
}
