//! Any bytes as an image whose guest bytes are read, at its start and at its end.

#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use qconform::reference::chain::policy::DenyAll;
use qconform::reference::format::Format;
use qconform::reference::probe::probe;
use qconform::reference::read::read;

fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = probe(&bytes, Some(Format::Qcow2)) else {
        return;
    };
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(bytes).expect("a temporary file");
    let size = header.virtual_size.unwrap_or_default();
    for offset in [0, size.saturating_sub(4096)] {
        let length = 4096.min(size);
        let _ = read(file.path(), Some(Format::Qcow2), &DenyAll, offset, length);
    }
});
