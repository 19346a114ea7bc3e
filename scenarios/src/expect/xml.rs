//! What stands in the XML of a domain about one layer of a disk.

use serde::{Deserialize, Serialize};

/// What `backing` says where the XML says that the chain ends.
const END: &str = "end";

/// One layer: a disk's own image, or a `<backingStore>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct XmlLayer {
    /// The image, a file name in the fixture.
    pub file: String,
    /// Its format; absent where the XML doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Of a disk's own image: the device, and `readonly`, `shareable` and `transient` behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<String>,
    /// The file of the `<dataStore>`; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_store: Option<String>,
    /// The image of the next layer, or `end`; absent where the XML leaves open what follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backing: Option<String>,
    /// Labels of the image's `<source>` in their short form, sorted; only compared where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seclabels: Option<Vec<String>>,
    /// The same of the data store's `<source>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_store_seclabels: Option<Vec<String>>,
}

impl XmlLayer {
    /// Every file that the layer speaks of.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        let backing = self.backing.as_deref().filter(|backing| *backing != END);
        let others = [self.data_store.as_deref(), backing];
        std::iter::once(self.file.as_str()).chain(others.into_iter().flatten())
    }
}
