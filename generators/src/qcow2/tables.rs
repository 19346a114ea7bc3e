//! Streams refcounts, L1 and L2 tables: memory does not grow with the image.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::layout::entry;
use crate::qcow2::plan::{Mapping, Plan};
use crate::qcow2::{CHUNK, copied};

/// Writes every table of the plan. What no entry stands in stays a hole.
pub(super) fn write(file: &File, plan: &Plan) -> io::Result<()> {
    write_refcounts(file, plan)?;
    match &plan.mapping {
        Mapping::Internal(clusters) => {
            let hosts = (plan.first_data()..).step_by(plan.cluster_size());
            write_mapping(file, plan, clusters.iter().copied().zip(hosts))
        }
        Mapping::DataFile(clusters) => {
            write_mapping(file, plan, identity(plan, clusters.iter().copied()))
        }
        Mapping::WholeDataFile => write_mapping(file, plan, identity(plan, 0..plan.guest_clusters)),
    }
}

/// Every cluster of the file is referenced once, so each refcount up to its end is one.
fn write_refcounts(file: &File, plan: &Plan) -> io::Result<()> {
    let mut table = Stream::new(file);
    let blocks = (plan.first_refcount_block()..).step_by(plan.cluster_size());
    for (index, block) in (0..plan.refcount_blocks).zip(blocks) {
        table.put(
            plan.refcount_table() + index * entry::LENGTH,
            &block.to_be_bytes(),
        )?;
    }
    table.finish()?;

    // Blocks follow each other, so together they are one array.
    let mut counts = Stream::new(file);
    for cluster in 0..plan.file_length() >> plan.cluster_bits {
        counts.put(
            plan.first_refcount_block() + cluster * 2,
            &1_u16.to_be_bytes(),
        )?;
    }
    counts.finish()
}

/// A data file holds each guest cluster at its guest offset.
fn identity(plan: &Plan, clusters: impl Iterator<Item = u64>) -> impl Iterator<Item = (u64, u64)> {
    let bits = plan.cluster_bits;
    clusters.map(move |cluster| (cluster, cluster << bits))
}

/// Writes L1 and L2 from pairs of guest cluster and host offset, sorted by cluster.
fn write_mapping(
    file: &File,
    plan: &Plan,
    clusters: impl Iterator<Item = (u64, u64)>,
) -> io::Result<()> {
    let mut l1 = Stream::new(file);
    let mut l2 = Stream::new(file);
    let mut tables = (plan.first_l2_table()..).step_by(plan.cluster_size());
    let mut current = None;
    for (guest, host) in clusters {
        let index = guest / plan.l2_entries();
        let table = match current {
            Some((of, table)) if of == index => table,
            _ => {
                let table = tables.next().unwrap_or_default();
                l1.put(
                    plan.l1_table() + index * entry::LENGTH,
                    &copied(table).to_be_bytes(),
                )?;
                table
            }
        };
        current = Some((index, table));
        let at = table + guest % plan.l2_entries() * entry::LENGTH;
        l2.put(at, &copied(host).to_be_bytes())?;
    }
    l1.finish()?;
    l2.finish()
}

/// Joins entries that follow each other in the file into one write.
struct Stream<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Stream<'a> {
    fn new(file: &'a File) -> Stream<'a> {
        Stream {
            file,
            start: 0,
            bytes: Vec::new(),
        }
    }

    fn put(&mut self, at: u64, value: &[u8]) -> io::Result<()> {
        if at != self.start + self.bytes.len() as u64 || self.bytes.len() + value.len() > CHUNK {
            self.flush()?;
            self.start = at;
        }
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.bytes, self.start)?;
        self.bytes.clear();
        Ok(())
    }

    /// Dropping a stream loses what it holds, so each one ends here.
    fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_holds_one_chunk_at_most_and_keeps_gaps() {
        let file = tempfile::tempfile().unwrap();
        let mut stream = Stream::new(&file);
        let mut expected = Vec::new();
        for index in 0..100_000_u64 {
            // A gap of 8 bytes every 10000 entries.
            let at = index * 8 + index / 10_000 * 8;
            stream.put(at, &index.to_be_bytes()).unwrap();
            assert!(stream.bytes.len() <= CHUNK);
            expected.resize(usize::try_from(at).unwrap(), 0);
            expected.extend_from_slice(&index.to_be_bytes());
        }
        stream.finish().unwrap();
        let mut found = vec![0; expected.len()];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == expected);
        assert_eq!(file.metadata().unwrap().len(), expected.len() as u64);
    }
}
