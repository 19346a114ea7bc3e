//! The adapters that ship with the tool, embedded in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rust_embed::RustEmbed;

use super::find::FindError;
use super::manifest::{self, Manifest};

#[derive(RustEmbed)]
#[folder = "adapters/"]
#[exclude = "*/target/*"]
#[exclude = "*/__pycache__/*"]
struct Files;

/// Folder of what adapters share.
const COMMON: &str = "common";

/// An adapter that ships.
#[derive(Debug, Clone)]
pub struct Shipped {
    /// Name of its folder.
    pub folder: String,
    /// Its manifest.
    pub manifest: Manifest,
}

impl Shipped {
    /// Its names: one, or one for each variant.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self.manifest.variants.as_slice() {
            [] => vec![self.folder.clone()],
            variants => variants
                .iter()
                .map(|variant| format!("{}@{variant}", self.folder))
                .collect(),
        }
    }
}

/// Every adapter that ships, by name of its folder.
///
/// # Errors
///
/// [`FindError::Manifest`] for a faulty manifest.
pub fn all() -> Result<Vec<Shipped>, FindError> {
    let mut shipped = Vec::new();
    for file in Files::iter() {
        let Some((folder, manifest::FILE)) = file.split_once('/') else {
            continue;
        };
        let text = Files::get(&file).map(|found| found.data.into_owned());
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        shipped.push(Shipped {
            folder: folder.to_owned(),
            manifest: Manifest::parse(Path::new(&*file), &text)?,
        });
    }
    shipped.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(shipped)
}

/// The adapter with this name, variant included.
///
/// # Errors
///
/// [`FindError::Unknown`] with the names that there are.
pub fn named(name: &str) -> Result<Shipped, FindError> {
    let all = all()?;
    let names: Vec<String> = all.iter().flat_map(Shipped::names).collect();
    let found = all
        .into_iter()
        .find(|it| it.names().iter().any(|it| it == name));
    found.ok_or_else(|| FindError::Unknown {
        name: name.to_owned(),
        known: names.join(", "),
    })
}

/// Writes the files of an adapter, and those that adapters share, side by side into `to`.
///
/// # Errors
///
/// [`FindError::File`].
pub fn write(shipped: &Shipped, to: &Path) -> Result<(), FindError> {
    for file in Files::iter() {
        let folder = file.split_once('/').map_or("", |(folder, _)| folder);
        if folder != shipped.folder && folder != COMMON {
            continue;
        }
        let path = to.join(&*file);
        let data = Files::get(&file)
            .map(|found| found.data)
            .unwrap_or_default();
        write_file(&path, &data).map_err(|source| FindError::File { path, source })?;
    }
    Ok(())
}

fn write_file(path: &PathBuf, data: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, data)?;
    // A script is recognised by its first line: an embedded file has no mode.
    let mode = if data.starts_with(b"#!") {
        0o755
    } else {
        0o644
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
