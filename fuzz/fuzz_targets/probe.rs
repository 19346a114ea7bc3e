//! Any bytes as an image: both depths, with and without a declared format. What the first
//! cluster decides, both decide alike.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qconform::reference::format::Format;
use qconform::reference::probe::{inspect, probe};

fuzz_target!(|bytes: &[u8]| {
    for format in [None, Some(Format::Qcow2)] {
        let (shallow, deep) = (probe(&bytes, format), inspect(&bytes, format));
        // Whatever opens has a header, with the same facts.
        if let Ok(opened) = deep {
            let header = shallow.expect("an image that opens has a header");
            assert_eq!(header.fields, opened.header.fields);
            assert_eq!(header.data_file, opened.header.data_file);
            assert_eq!(header.backing, opened.header.backing);
        }
    }
});
