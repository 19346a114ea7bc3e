//! Defects of the header's fields.

use super::{Base, Defect, plain};
use crate::layout::{autoclear, header as field, incompatible};

const HEADER: &str = "Header";
const MANAGEMENT: &str = "Host cluster management";
const MAPPING: &str = "Cluster mapping";

pub(super) const DEFECTS: &[Defect] = &[
    plain(
        "magic",
        "the first four bytes are QFI and 0xfb",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.magic = value as u32;
            Ok(())
        },
    )
    .taking(
        "the four bytes",
        &[0x5146_49fa, 0x5146_4900, 0, 0x5145_4400, 0x4c55_4b53],
    ),
    plain(
        "version",
        "the version is 2 or 3; other layouts have other fields",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.version = value as u32;
            Ok(())
        },
    )
    .taking("the version", &[4, 0, 1, 2, 0xffff_ffff]),
    plain(
        "version-3",
        "a header of version 3 has at least 104 bytes",
        HEADER,
        Base::Version2,
        |site, _| {
            site.draft.version = 3;
            Ok(())
        },
    ),
    plain(
        "cluster-bits",
        "clusters are 512 bytes to 2 MiB long",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.cluster_bits = value as u32;
            Ok(())
        },
    )
    .taking(
        "the cluster size as a power of two",
        &[8, 0, 22, 31, 32, 63, 64, 0xffff_ffff],
    ),
    plain(
        "size",
        "the L1 table maps the whole disk",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.size = value;
            Ok(())
        },
    )
    .taking(
        "the virtual size in bytes",
        &[1 << 40, 1 << 54, 1 << 63, u64::MAX, 511, 0],
    ),
    plain(
        "header-length",
        "the header's length is 104 or more and at most a cluster",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.header_length = value as u32;
            Ok(())
        },
    )
    .taking(
        "the field, in bytes",
        &[103, 0, 72, 104, 4096, 4097, 4104, 0x8000_0000, 0xffff_ffff],
    ),
    plain(
        "header-length-odd",
        "the header's length is a multiple of 8",
        HEADER,
        Base::Plain,
        |site, value| {
            let length = usize::try_from(value).unwrap_or(usize::MAX);
            if !(field::LENGTH_V3_MIN..site.plan.cluster_size()).contains(&length) {
                return Err("room for a header of that length");
            }
            site.draft.header_length = value as u32;
            site.draft.written_length = length;
            Ok(())
        },
    )
    .taking("the header's length in bytes", &[113, 105, 111, 119]),
    plain(
        "crypt-method",
        "the encryption method is none, AES or LUKS",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.crypt_method = value as u32;
            Ok(())
        },
    )
    .taking("the method", &[3, 1, 2, 0xffff_ffff]),
    plain(
        "compression-type",
        "the compression type is deflate or zstd, and bit 3 says which",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.compression_type = value as u8;
            site.draft.written_length = site.draft.written_length.max(field::LENGTH_V3);
            Ok(())
        },
    )
    .taking("the type", &[2, 1, 255]),
    plain(
        "compression-bit",
        "bit 3 is set only if the compression type is not deflate",
        HEADER,
        Base::Compressed,
        |site, _| {
            site.draft.incompatible |= incompatible::COMPRESSION_TYPE;
            site.draft.compression_type = 0;
            Ok(())
        },
    ),
    plain(
        "compression-bit-missing",
        "bit 3 is set if the compression type is not deflate",
        HEADER,
        Base::Zstd,
        |site, _| {
            site.draft.incompatible &= !incompatible::COMPRESSION_TYPE;
            Ok(())
        },
    ),
    plain(
        "unknown-incompatible",
        "a reader refuses incompatible bits that it does not know",
        HEADER,
        Base::Plain,
        |site, value| set_bit(value, &mut site.draft.incompatible),
    )
    .taking("the bit's number", &[5, 31, 32, 63]),
    plain(
        "unknown-compatible",
        "a reader ignores compatible bits that it does not know",
        HEADER,
        Base::Plain,
        |site, value| set_bit(value, &mut site.draft.compatible),
    )
    .taking("the bit's number", &[1, 63]),
    plain(
        "unknown-autoclear",
        "a reader ignores autoclear bits that it does not know",
        HEADER,
        Base::Plain,
        |site, value| set_bit(value, &mut site.draft.autoclear),
    )
    .taking("the bit's number", &[2, 63]),
    plain(
        "dirty",
        "refcounts of a dirty image may be wrong",
        HEADER,
        Base::Plain,
        |site, _| {
            site.draft.incompatible |= incompatible::DIRTY;
            Ok(())
        },
    ),
    plain(
        "corrupt",
        "a corrupt image is not opened for writing",
        HEADER,
        Base::Plain,
        |site, _| {
            site.draft.incompatible |= incompatible::CORRUPT;
            Ok(())
        },
    ),
    plain(
        "extended-l2-bit",
        "subclusters are 512 bytes or more",
        HEADER,
        Base::Plain,
        |site, _| {
            site.draft.incompatible |= incompatible::EXTENDED_L2;
            Ok(())
        },
    ),
    plain(
        "data-file-bit",
        "an image with bit 2 names its data file",
        "Header extensions",
        Base::Plain,
        |site, _| {
            site.draft.incompatible |= incompatible::DATA_FILE;
            Ok(())
        },
    ),
    plain(
        "data-file-bit-missing",
        "a name does not count without bit 2",
        HEADER,
        Base::DataFile,
        |site, _| {
            site.draft.incompatible &= !incompatible::DATA_FILE;
            Ok(())
        },
    ),
    plain(
        "raw-bit",
        "the raw flag needs a data file that equals the guest's disk",
        HEADER,
        Base::Plain,
        |site, _| {
            site.draft.autoclear |= autoclear::DATA_FILE_RAW;
            Ok(())
        },
    ),
    plain(
        "raw-unmapped",
        "with the raw flag every cluster reads from the data file",
        HEADER,
        Base::DataFile,
        |site, _| {
            if !site.plan.external {
                return Err("a data file");
            }
            site.draft.autoclear |= autoclear::DATA_FILE_RAW;
            Ok(())
        },
    ),
    plain(
        "raw-with-backing",
        "the raw flag and a backing image contradict each other",
        HEADER,
        Base::DataFileAndBacking,
        |site, _| {
            if !site.plan.external || site.draft.backing.is_none() {
                return Err("a data file and a backing image");
            }
            site.draft.autoclear |= autoclear::DATA_FILE_RAW;
            Ok(())
        },
    ),
    plain(
        "refcount-order",
        "a refcount has at most 64 bits",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.refcount_order = value as u32;
            Ok(())
        },
    )
    .taking(
        "the width of a refcount as a power of two",
        &[7, 0, 6, 32, 64, 0xffff_ffff],
    ),
    plain(
        "refcount-table-clusters",
        "the refcount table has at least one cluster, and QEMU reads 8 MiB of it at most",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.refcount_table_clusters = value as u32;
            Ok(())
        },
    )
    .taking("the field", &[0, 2049, 0x8000_0000, 0xffff_ffff]),
    plain(
        "refcount-table-offset",
        "the refcount table starts at a cluster of the file",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.refcount_table_offset = value;
            Ok(())
        },
    )
    .taking(
        "the offset in bytes",
        &[4097, 0, 0x7fff_ffff_ffff_f000, 1 << 63, u64::MAX],
    ),
    plain(
        "refcount-table-past-end",
        "the refcount table lies inside the file",
        MANAGEMENT,
        Base::Plain,
        |site, _| {
            site.draft.refcount_table_offset = site.past_end();
            Ok(())
        },
    ),
    plain(
        "l1-size",
        "the L1 table maps the whole disk",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.l1_size = value as u32;
            Ok(())
        },
    )
    .taking(
        "the number of entries",
        &[0, 4_194_304, 4_194_305, 0x8000_0000, 0xffff_ffff],
    ),
    plain(
        "l1-offset",
        "the L1 table starts at a cluster of the file",
        HEADER,
        Base::Plain,
        |site, value| {
            site.draft.l1_table_offset = value;
            Ok(())
        },
    )
    .taking(
        "the offset in bytes",
        &[12_289, 0, 0x7fff_ffff_ffff_f000, 1 << 63, u64::MAX],
    ),
    plain(
        "l1-past-end",
        "the L1 table lies inside the file",
        MAPPING,
        Base::Plain,
        |site, _| {
            site.draft.l1_table_offset = site.past_end();
            Ok(())
        },
    ),
    plain(
        "l1-is-refcount-table",
        "no cluster has two uses",
        MANAGEMENT,
        Base::Plain,
        |site, _| {
            site.draft.l1_table_offset = site.plan.refcount_table.offset;
            Ok(())
        },
    ),
    plain(
        "l1-is-header",
        "no cluster has two uses",
        MANAGEMENT,
        Base::Plain,
        |site, _| {
            site.draft.l1_table_offset = 0;
            Ok(())
        },
    ),
    plain(
        "truncated",
        "the file is as long as its structures say",
        MANAGEMENT,
        Base::Plain,
        |site, value| {
            if value > site.plan.file_length() {
                return Err("a file of that length or more");
            }
            site.draft.file_length = Some(value);
            Ok(())
        },
    )
    .taking(
        "the file's length in bytes",
        &[
            0, 1, 3, 4, 5, 7, 8, 24, 71, 72, 73, 100, 103, 104, 105, 111, 112, 113, 119, 120, 511,
            512, 4095, 4096, 4097, 8192, 12_288, 12_289, 16_384, 20_480, 24_576, 28_671,
        ],
    ),
];

fn set_bit(number: u64, bits: &mut u64) -> Result<(), &'static str> {
    let mask = u32::try_from(number)
        .ok()
        .and_then(|number| 1_u64.checked_shl(number));
    *bits |= mask.ok_or("a bit of that number, 0 to 63")?;
    Ok(())
}
