//! Keys and guest data are not captured, wherever a pointer leads.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use qconform_generators::capture::Data;
use qconform_generators::fixture;
use rstest::rstest;

use super::{SECRET, assert_same, capture, capture_folder, made};
use crate::programs::Qemu;

#[test]
fn keys_stay_where_they_are() {
    let Some(qemu) = Qemu::find() else { return };
    let folder = made(
        &qemu,
        "img create -q -f qcow2 --object secret,id=s,data=TOPSECRET \
         -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 a.qcow2 10M",
    );
    let path = folder.path().join("a.qcow2");
    let captured = capture(&path, Data::Markers);
    assert!(captured.left.keys);
    let recipe = capture_folder(folder.path(), Data::Markers);
    let rebuilt = tempfile::tempdir().unwrap();
    fixture::write(&recipe, rebuilt.path()).unwrap();
    assert_same(&qemu, folder.path(), rebuilt.path(), &recipe);
    // The salt of the master key's digest is random, and any 16 bytes of it are enough.
    let original = fs::read(&path).unwrap();
    let luks = original
        .windows(6)
        .position(|bytes| bytes == b"LUKS\xba\xbe")
        .unwrap();
    let salt = &original[luks + 132..luks + 148];
    let new = fs::read(rebuilt.path().join("a.qcow2")).unwrap();
    assert!(!new.windows(16).any(|bytes| bytes == salt));
}

/// Guest data that a broken pointer calls a table is still guest data.
#[rstest]
#[case::an_l1_entry(0x3_0000, 1 << 63 | 0x5_0000)]
#[case::the_l1_table(40, 0x5_0000)]
#[case::the_refcount_table(48, 0x5_0000)]
#[case::a_refcount_block(0x1_0000, 0x5_0000)]
#[case::the_snapshot_table(64, 0x5_0000)]
fn a_pointer_into_guest_data_captures_none(#[case] at: u64, #[case] value: u64) {
    let Some(qemu) = Qemu::find() else { return };
    let folder = made(
        &qemu,
        "img create -q -f qcow2 a.qcow2 10M
        io a.qcow2 write SECRET 0 64k",
    );
    let path = folder.path().join("a.qcow2");
    let file = File::options().write(true).open(&path).unwrap();
    let mut guest = [0; 8];
    File::open(&path)
        .unwrap()
        .read_exact_at(&mut guest, 0x5_0000)
        .unwrap();
    assert_eq!(&guest, &SECRET.as_bytes()[..8]);
    file.write_all_at(&value.to_be_bytes(), at).unwrap();
    // One snapshot.
    file.write_all_at(&[0, 0, 0, 1], 60).unwrap();
    let captured = capture(&path, Data::Markers);
    assert_ne!(captured.left.doubtful_tables, 0);
    capture_folder(folder.path(), Data::Markers);
}

/// Any byte could be narrow refcounts of a file that is long enough.
#[rstest]
fn a_block_of_narrow_refcounts_in_guest_data_captures_none(
    #[values(1, 2, 4, 8)] refcount_bits: u32,
) {
    let Some(qemu) = Qemu::find() else { return };
    let script = format!(
        "img create -q -f qcow2 -o cluster_size=512,refcount_bits={refcount_bits} a.qcow2 8M
        io a.qcow2 write SECRET 0 4M"
    );
    let folder = made(&qemu, &script);
    let path = folder.path().join("a.qcow2");
    let bytes = fs::read(&path).unwrap();
    let guest = bytes
        .chunks(512)
        .rposition(|cluster| cluster.starts_with(&SECRET.as_bytes()[..4]))
        .unwrap();
    let table = u64::from_be_bytes(bytes[48..56].try_into().unwrap());
    let file = File::options().write(true).open(&path).unwrap();
    let offset = guest as u64 * 512;
    file.write_all_at(&offset.to_be_bytes(), table).unwrap();
    let captured = capture(&path, Data::Markers);
    assert_ne!(captured.left.doubtful_tables, 0);
    capture_folder(folder.path(), Data::Markers);
}
