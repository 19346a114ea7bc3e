//! A reader of headers that checks nothing, with knobs for the usual mistakes.

use qconform::subject::{DataFileFacts, HeaderFacts};

/// Type of the extension that names the data file.
pub(crate) const DATA_FILE: u32 = 0x4441_5441;
/// Type of the extension that names the backing format.
const BACKING_FORMAT: u32 = 0xe279_2aca;
/// Further types that there are: bitmaps, encryption, feature names.
const OTHERS: [u32; 3] = [0x2385_2875, 0x0537_be77, 0x6803_f857];

/// Extensions looked at, at most.
const COUNT_MAX: usize = 600;

/// One extension.
#[derive(Clone, Copy)]
pub(crate) struct Extension<'a> {
    kind: u32,
    pub(crate) length: u32,
    data: &'a [u8],
    padding: &'a [u8],
}

impl Extension<'_> {
    pub(crate) fn is_known(&self) -> bool {
        [0, DATA_FILE, BACKING_FORMAT].contains(&self.kind) || OTHERS.contains(&self.kind)
    }
}

/// The reader.
pub(crate) struct Careless<'a> {
    bytes: &'a [u8],
    /// What lengths are rounded up to.
    pub(crate) padding: usize,
    /// The first of two extensions counts.
    pub(crate) first: bool,
    /// The end marker is an extension as any other.
    pub(crate) ignore_end: bool,
    /// Where extensions begin, whatever the header says.
    pub(crate) start: Option<usize>,
    /// Bytes of the file that are looked at.
    pub(crate) limit: usize,
}

impl<'a> Careless<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Careless {
            bytes,
            padding: 8,
            first: false,
            ignore_end: false,
            start: None,
            limit: usize::MAX,
        }
    }

    /// A big-endian number of `length` bytes; what is missing is zero.
    pub(crate) fn number(&self, at: usize, length: usize) -> u64 {
        let byte = |at: usize| u64::from(self.bytes.get(at).copied().unwrap_or(0));
        (at..at + length).fold(0, |number, at| number << 8 | byte(at))
    }

    /// A bit of the 64 at byte `at`.
    pub(crate) fn bit(&self, at: usize, bit: u32) -> bool {
        self.number(at, 8) >> bit & 1 == 1
    }

    fn area(&self) -> &'a [u8] {
        let start = match self.number(4, 4) {
            2 => 72,
            _ => usize::try_from(self.number(100, 4)).unwrap_or(0),
        };
        let cluster = 1 << self.number(20, 4).min(21);
        let backing = usize::try_from(self.number(8, 8)).unwrap_or(0);
        let end = if backing == 0 { cluster } else { backing };
        let end = end.min(self.limit).min(self.bytes.len());
        self.bytes
            .get(self.start.unwrap_or(start)..end)
            .unwrap_or_default()
    }

    pub(crate) fn extensions(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        let (mut area, padding, ignore_end) = (self.area(), self.padding, self.ignore_end);
        let next = move || {
            let (head, rest) = area.split_at_checked(8)?;
            let kind = u32::from_be_bytes(head[..4].try_into().unwrap());
            let length = u32::from_be_bytes(head[4..].try_into().unwrap());
            if kind == 0 && !ignore_end {
                return None;
            }
            let cut = |end: usize| rest.split_at(end.min(rest.len()));
            let end = length as usize;
            let (data, _) = cut(end);
            let (padded, behind) = cut(end.next_multiple_of(padding));
            area = behind;
            let padding = &padded[data.len()..];
            Some(Extension {
                kind,
                length,
                data,
                padding,
            })
        };
        std::iter::from_fn(next).take(COUNT_MAX)
    }

    /// The data of the extension of a type that counts.
    pub(crate) fn last(&self, kind: u32) -> Option<&'a [u8]> {
        let mut found = self.extensions().filter(|one| one.kind == kind);
        let one = if self.first {
            found.next()
        } else {
            found.last()
        };
        one.map(|one| one.data)
    }

    pub(crate) fn padding_is_zero(&self) -> bool {
        self.extensions()
            .all(|one| one.padding.iter().all(|byte| *byte == 0))
    }

    /// Whether something ends the extensions before their area does.
    pub(crate) fn has_end(&self) -> bool {
        let used: usize = self
            .extensions()
            .map(|one| 8 + one.data.len() + one.padding.len())
            .sum();
        self.area().len() - used >= 8
    }

    pub(crate) fn data_file_name(&self) -> Option<String> {
        self.last(DATA_FILE).map(up_to_nul)
    }

    pub(crate) fn backing_format(&self) -> Option<String> {
        self.last(BACKING_FORMAT).map(up_to_nul)
    }

    /// A data file if one is named, whatever the bits say.
    pub(crate) fn named_data_file(&self) -> Option<DataFileFacts> {
        let name = Some(self.data_file_name()?);
        Some(DataFileFacts {
            name,
            raw: self.bit(88, 1),
        })
    }

    /// A data file because a bit says so.
    pub(crate) fn claimed_data_file(&self) -> DataFileFacts {
        DataFileFacts {
            name: self.data_file_name(),
            raw: self.bit(88, 1),
        }
    }

    pub(crate) fn backing_name(&self) -> Option<String> {
        let at = usize::try_from(self.number(8, 8)).ok()?;
        let length = usize::try_from(self.number(16, 4)).ok()?;
        self.bytes.get(at..at.checked_add(length)?).map(up_to_nul)
    }

    /// What it makes of a header that it should refuse.
    pub(crate) fn facts(&self) -> HeaderFacts {
        HeaderFacts {
            format: Some("qcow2".to_owned()),
            version: u32::try_from(self.number(4, 4)).ok(),
            virtual_size: Some(self.number(24, 8)),
            backing: None,
            data_file: self.bit(72, 2).then(|| self.claimed_data_file()),
            untold: Vec::new(),
        }
    }
}

fn up_to_nul(name: &[u8]) -> String {
    let end = name
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(name.len());
    String::from_utf8_lossy(&name[..end]).into_owned()
}
