//! Deliberate deviations from a valid image, each with a name.
//!
//! A defect changes the draft of an image: fields of the header, extensions, or bytes of the
//! finished file. So it can be combined with any recipe and with other defects; one that needs
//! something which the image lacks says so. In a recipe it is a name, with a number where it
//! takes one: `defects = ["magic", "version=7"]`.

mod bitmaps;
mod choice;
mod extensions;
mod header;
mod mapping;
mod names;
mod refcounts;
mod snapshots;

pub use choice::{Choice, UnknownDefect};

use crate::qcow2::{Draft, Plan};
use crate::recipe::{Bitmap, Compression, Encryption, Qcow2, Snapshot};

/// A named deviation.
#[derive(Clone, Copy, Debug)]
pub struct Defect {
    /// How a recipe names it.
    pub name: &'static str,
    /// The rule that it breaks, or that readers overlook, in one line.
    pub rule: &'static str,
    /// Where that rule stands: a section of the qcow2 specification unless it says otherwise.
    pub section: &'static str,
    /// An image that has what the defect needs.
    pub base: Base,
    /// The number that it takes.
    pub parameter: Option<Parameter>,
    apply: Apply,
}

/// The number that a defect takes.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// What it is, with its unit.
    pub meaning: &'static str,
    /// The number if none is given.
    pub default: u64,
    /// Numbers at which readers have to decide, the default among them.
    pub values: &'static [u64],
}

/// Changes the draft, or says what the image lacks.
type Apply = fn(&mut Site<'_>, u64) -> Result<(), &'static str>;

/// What a defect works on.
struct Site<'a> {
    /// The image's name in the recipe.
    file: &'a str,
    plan: &'a Plan,
    draft: &'a mut Draft,
}

impl Site<'_> {
    /// Replaces the eight bytes at offset `at` of the finished file.
    fn patch_u64(&mut self, at: u64, value: u64) {
        self.patch(at, value.to_be_bytes().to_vec());
    }

    fn patch_u32(&mut self, at: u64, value: u32) {
        self.patch(at, value.to_be_bytes().to_vec());
    }

    fn patch(&mut self, at: u64, bytes: Vec<u8>) {
        self.draft.patches.push((at, bytes));
    }

    /// An offset in bytes behind the end of the file, aligned to clusters.
    fn past_end(&self) -> u64 {
        self.plan.file_length() + 16 * self.plan.cluster_size() as u64
    }
}

/// A valid image that a defect can be tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Guest data in the image itself.
    Plain,
    /// The same in version 2.
    Version2,
    /// A data file `data.raw`.
    DataFile,
    /// A data file `data.raw` with the raw flag.
    RawDataFile,
    /// A backing image `base.raw` of format raw.
    Backing,
    /// A data file and a backing image.
    DataFileAndBacking,
    /// Clusters of 64 KiB.
    LargeClusters,
    /// A data file, and clusters of 64 KiB.
    LargeDataFile,
    /// Clusters compressed with zstd.
    Zstd,
    /// Clusters compressed with deflate.
    Compressed,
    /// Extended L2 entries.
    ExtendedL2,
    /// Two internal snapshots.
    Snapshots,
    /// Two persistent bitmaps.
    Bitmaps,
    /// A LUKS header.
    Luks,
}

/// The data file that bases name.
pub const BASE_DATA_FILE: &str = "data.raw";
/// The backing image that bases name.
pub const BASE_BACKING: &str = "base.raw";

impl Base {
    /// The image.
    #[must_use]
    pub fn image(self) -> Qcow2 {
        let mut image = Qcow2::default();
        if self.has_data_file() {
            image.data_file = Some(BASE_DATA_FILE.into());
        }
        if self.has_backing() {
            image.backing = Some(BASE_BACKING.into());
            image.backing_format = Some("raw".into());
        }
        match self {
            Base::Version2 => image.version = 2,
            Base::RawDataFile => image.data_file_raw = true,
            Base::LargeClusters | Base::LargeDataFile => image.enlarge(),
            Base::Zstd => image.compression = Compression::Zstd,
            Base::ExtendedL2 => {
                image.enlarge();
                image.extended_l2 = true;
            }
            Base::Luks => image.encryption = Encryption::Luks,
            Base::Snapshots => image.snapshots = ["one", "two"].map(named_snapshot).to_vec(),
            Base::Bitmaps => image.bitmaps = ["one", "two"].map(named_bitmap).to_vec(),
            _ => {}
        }
        if matches!(self, Base::Zstd | Base::Compressed) {
            image.compressed = [1, 2, 3].into();
        }
        image
    }

    /// Whether the image needs [`BASE_DATA_FILE`] beside it.
    #[must_use]
    pub fn has_data_file(self) -> bool {
        matches!(
            self,
            Base::DataFile | Base::RawDataFile | Base::DataFileAndBacking | Base::LargeDataFile
        )
    }

    /// Whether the image needs [`BASE_BACKING`] beside it.
    #[must_use]
    pub fn has_backing(self) -> bool {
        matches!(self, Base::Backing | Base::DataFileAndBacking)
    }
}

impl Qcow2 {
    /// Clusters of 64 KiB and as many of them.
    fn enlarge(&mut self) {
        let clusters = self.size >> self.cluster_bits;
        self.cluster_bits = 16;
        self.size = clusters << self.cluster_bits;
    }
}

fn named_snapshot(name: &str) -> Snapshot {
    Snapshot {
        name: name.into(),
        ..Snapshot::default()
    }
}

fn named_bitmap(name: &str) -> Bitmap {
    Bitmap {
        name: name.into(),
        granularity_bits: 9,
        dirty: [0, 9, 10].into(),
        ..Bitmap::default()
    }
}

/// Every defect there is, by subject.
pub fn catalogue() -> impl Iterator<Item = &'static Defect> {
    [
        header::DEFECTS,
        extensions::DEFECTS,
        names::DEFECTS,
        mapping::DEFECTS,
        refcounts::DEFECTS,
        snapshots::DEFECTS,
        bitmaps::DEFECTS,
    ]
    .into_iter()
    .flatten()
}

impl Defect {
    /// Every choice of the defect that is worth a try: its name alone, or with each number at
    /// which readers have to decide.
    pub fn choices(&self) -> impl Iterator<Item = Choice> {
        let values: Vec<Option<u64>> = match self.parameter {
            None => vec![None],
            Some(parameter) => parameter.values.iter().copied().map(Some).collect(),
        };
        let name = self.name;
        values
            .into_iter()
            .map(move |value| Choice::new(name, value))
    }
}

const fn plain(
    name: &'static str,
    rule: &'static str,
    section: &'static str,
    base: Base,
    apply: Apply,
) -> Defect {
    Defect {
        name,
        rule,
        section,
        base,
        parameter: None,
        apply,
    }
}

impl Defect {
    const fn taking(mut self, meaning: &'static str, values: &'static [u64]) -> Defect {
        self.parameter = Some(Parameter {
            meaning,
            default: values[0],
            values,
        });
        self
    }
}
