//! Version, bits and extension of the data file in every combination.

use super::{Entry, full_raw, recipe};
use crate::recipe::Qcow2;

const SECTION: &str = "Header, incompatible bit 2";

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let bits = [false, true];
    let names = [
        ("absent", None),
        ("empty", Some("")),
        ("named", Some("data.raw")),
    ];
    // The third has the layout of version 3, and says that it is of version 2.
    let versions = [
        ("v3", 3, false),
        ("v2", 2, false),
        ("v3-called-v2", 3, true),
    ];
    let mut entries = Vec::new();
    for (version_name, version, lies) in versions {
        for (bit, raw) in bits.into_iter().flat_map(|bit| bits.map(|raw| (bit, raw))) {
            if version == 2 && (bit || raw) {
                continue;
            }
            for (name, stored) in names {
                let mut image = Qcow2 {
                    version,
                    data_file: stored.map(Into::into),
                    data_file_bit: Some(bit),
                    data_file_raw: raw,
                    ..Qcow2::default()
                };
                if lies {
                    image.defects.extend("version=2".parse());
                }
                let on = |flag| if flag { "on" } else { "off" };
                let id = format!(
                    "contradiction/{version_name}/bit={},raw={},name={name}",
                    on(bit),
                    on(raw)
                );
                let title = format!(
                    "{version_name}, data file bit {}, raw flag {}, name {name}",
                    on(bit),
                    on(raw)
                );
                let recipe = recipe(image, [("data.raw", full_raw())]);
                entries.push(Entry::new(id, title, SECTION, recipe));
            }
        }
    }
    entries.into_iter()
}
