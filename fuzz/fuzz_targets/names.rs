//! Any bytes as the name of a file in a header: what it means, and how it is shown.

#![no_main]

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use qconform::reference::bytes::Name;
use qconform::reference::chain::names::{Reading, interpret, is_ambiguous};
use qconform::reference::redact;

const IMAGE: &str = "/images/disk.qcow2";

fuzz_target!(|bytes: &[u8]| {
    let raw = bytes.to_vec();
    let name = Name { raw };
    match interpret(Path::new(IMAGE), name.bytes()) {
        Reading::Local { path, .. } => {
            // A relative name stays with the image, and no path ends early.
            assert!(path.is_absolute(), "{path:?}");
            assert!(!path.as_os_str().as_bytes().contains(&0), "{path:?}");
        }
        Reading::Network(protocol) => {
            assert!(is_ambiguous(name.bytes()));
            assert!(protocol.bytes().all(|byte| byte.is_ascii_lowercase()));
        }
        Reading::Unknown(_) => assert!(is_ambiguous(name.bytes())),
    }
    // What is shown has nothing left to hide.
    let shown = name.text();
    assert_eq!(redact::text(&shown), shown);
    let _ = name.hex();
});
