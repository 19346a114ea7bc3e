//! Where a guest cluster's bytes are (qcow2 specification, Cluster mapping).
//!
//! A guest offset picks an entry of the active L1 table, that the offset of an L2 table, and
//! its entry says where the cluster is. Entries have 64 bits, L2 tables are one cluster long.
//!
//! | bits | L1 entry | L2 entry |
//! |---|---|---|
//! | 0 | | the cluster reads as zeros, in version 3 without subclusters |
//! | 9-55 | offset of the L2 table, 0 if there is none | offset of the cluster, 0 if there is none |
//! | 62 | | the cluster is compressed |
//! | 63 | the table belongs to this image alone | the cluster does |
//!
//! A data file has each cluster at the guest's own offset; guest cluster 0 is at offset 0
//! there, and bit 63 tells it from no cluster.
//!
//! The entry of a compressed cluster has, below bit 62, the offset of the stream and how many
//! sectors of 512 bytes follow the one in which it starts. The offset takes the lower
//! 62 - (N - 8) bits, where a cluster has 2^N bytes.
//!
//! Extended L2 entries have 64 bits more. Of the cluster's 32 subclusters bit N says that
//! subcluster N is in the host cluster, bit 32 + N that it reads as zeros; never both.

use crate::reference::layout;
use crate::reference::probe::header::Fields;

/// Bits 9 to 55 of an L1 or L2 entry: an offset.
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;
/// Bit 63 of an L2 entry: the cluster belongs to this image alone.
const COPIED: u64 = 1 << 63;
/// Bit 62 of an L2 entry: the cluster is compressed.
const COMPRESSED: u64 = 1 << 62;
/// Bit 0 of an L2 entry: the cluster reads as zeros.
const ZERO: u64 = 1;

/// Where the bytes from one guest offset on are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// In the image or its data file, at this offset.
    Host(u64),
    /// In a compressed cluster, this many bytes after its start.
    Compressed(Stream, u64),
    /// Nowhere; they are zeros.
    Zeros,
    /// In the layer below.
    Below,
}

/// Where a compressed cluster is in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stream {
    /// First byte.
    pub(super) offset: u64,
    /// The most bytes that it takes; the stream itself may end earlier.
    pub(super) length: u64,
}

/// An L2 entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) first: u64,
    /// The second half of an extended entry, 0 of another.
    pub(super) subclusters: u64,
}

impl Stream {
    fn of_entry(entry: u64, cluster_bits: u32) -> Self {
        let count_bits = cluster_bits - 8;
        let offset_bits = 62 - count_bits;
        let offset = entry & ((1 << offset_bits) - 1);
        let sectors = (entry >> offset_bits & ((1 << count_bits) - 1)) + 1;
        Self {
            offset,
            length: sectors * layout::SECTOR - offset % layout::SECTOR,
        }
    }
}

/// The offset of the L2 table that an L1 entry names, 0 if it names none.
pub(super) fn l2_table(fields: &Fields, l1_entry: u64) -> Result<u64, String> {
    let table = l1_entry & OFFSET_MASK;
    if table.is_multiple_of(fields.cluster_size()) {
        Ok(table)
    } else {
        Err(format!("l2 table at byte {table} is not aligned"))
    }
}

impl Entry {
    /// Where the bytes at a guest offset of this entry's cluster are, and how many from there
    /// on are in one piece.
    pub(super) fn locate(self, fields: &Fields, guest: u64) -> Result<(Source, u64), String> {
        let within = guest % fields.cluster_size();
        let rest = fields.cluster_size() - within;
        if self.first & COMPRESSED != 0 {
            if fields.uses_data_file() {
                return Err("compressed cluster in an image with a data file".to_owned());
            }
            let stream = Stream::of_entry(self.first, fields.cluster_bits);
            return Ok((Source::Compressed(stream, within), rest));
        }
        if fields.extended_l2() {
            return self.locate_subcluster(fields, guest);
        }
        let zero = self.first & ZERO != 0;
        if zero && fields.version < 3 {
            return Err("zero cluster in a version 2 image".to_owned());
        }
        // A zero flag needs no cluster, but one that is there must be in its place.
        let host = self.host(fields, guest)?;
        let source = match (zero, host) {
            (true, _) => Source::Zeros,
            (false, Some(host)) => Source::Host(host),
            (false, None) => Source::Below,
        };
        Ok((source, rest))
    }

    fn locate_subcluster(self, fields: &Fields, guest: u64) -> Result<(Source, u64), String> {
        let size = fields.cluster_size() / layout::SUBCLUSTERS;
        let index = guest % fields.cluster_size() / size;
        let (zeros, allocated) = (self.subclusters >> 32, self.subclusters & 0xffff_ffff);
        let host = self.host(fields, guest)?;
        if zeros & allocated != 0 {
            return Err("subcluster that is allocated and zero".to_owned());
        }
        if host.is_none() && allocated != 0 {
            return Err("allocated subclusters without a cluster".to_owned());
        }
        let source = match host {
            _ if zeros >> index & 1 == 1 => Source::Zeros,
            Some(host) if allocated >> index & 1 == 1 => Source::Host(host),
            _ => Source::Below,
        };
        Ok((source, size - guest % size))
    }

    /// Where the byte of a guest offset is, if a host cluster belongs to the entry.
    fn host(self, fields: &Fields, guest: u64) -> Result<Option<u64>, String> {
        let cluster = self.first & OFFSET_MASK;
        let zero_flag = !fields.extended_l2() && self.first & ZERO != 0;
        let at_start = fields.uses_data_file() && self.first & COPIED != 0 && !zero_flag;
        if cluster == 0 && !at_start {
            return Ok(None);
        }
        if !cluster.is_multiple_of(fields.cluster_size()) {
            return Err(format!("cluster at byte {cluster} is not aligned"));
        }
        let within = guest % fields.cluster_size();
        if fields.uses_data_file() && cluster + within != guest {
            let start = guest - within;
            return Err(format!(
                "cluster {start} is at byte {cluster} of the data file"
            ));
        }
        Ok(Some(cluster + within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    // Clusters of 64 KiB: 54 bits of offset, 8 bits of further sectors.
    #[rstest]
    #[case::in_one_sector(COMPRESSED | 0x1_0000, 0x1_0000, 512)]
    #[case::from_inside_a_sector(COMPRESSED | 0x1_0100, 0x1_0100, 256)]
    #[case::over_sectors(COMPRESSED | 3 << 54 | 0x1_01ff, 0x1_01ff, 1537)]
    #[case::greatest(COMPRESSED | 0xff << 54, 0, 131_072)]
    fn a_compressed_entry_has_an_offset_and_a_number_of_sectors(
        #[case] entry: u64,
        #[case] offset: u64,
        #[case] length: u64,
    ) {
        assert_eq!(Stream::of_entry(entry, 16), Stream { offset, length });
    }
}
