//! What a guest has to see: computed from a recipe and markers alone, never from written files.

use qconform_generators::marker::Marker;
use qconform_generators::recipe::{Bytes, Clusters, Content, Qcow2, Raw, Recipe};

/// Every byte of the virtual disk `name`. Data file and backing names must be names of the
/// recipe, with or without `{dir}/` in front.
pub(crate) fn bytes(recipe: &Recipe, name: &str) -> Vec<u8> {
    match &recipe.files[name] {
        Content::Raw(raw) => raw_bytes(recipe.seed, name, raw),
        Content::Qcow2(image) => qcow2_bytes(recipe, name, image),
        other => panic!("{name} is no image: {other:?}"),
    }
}

fn raw_bytes(seed: u64, name: &str, raw: &Raw) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(raw.size).unwrap()];
    let whole = Marker::new(seed, name).bytes(0, bytes.len());
    copy_clusters(&mut bytes, &whole, &raw.populated, raw.cluster_size);
    bytes
}

fn qcow2_bytes(recipe: &Recipe, name: &str, image: &Qcow2) -> Vec<u8> {
    let size = usize::try_from(image.size).unwrap();
    let mut bytes = image
        .backing
        .as_ref()
        .map(|name| linked(recipe, name))
        .unwrap_or_default();
    bytes.resize(size, 0);
    let content = match &image.data_file {
        Some(data_file) if has_data_file(image) => linked(recipe, data_file),
        _ => Marker::new(recipe.seed, name).bytes(0, size),
    };
    if has_data_file(image) && image.data_file_raw {
        return content;
    }
    copy_clusters(
        &mut bytes,
        &content,
        &image.populated,
        1 << image.cluster_bits,
    );
    bytes
}

/// Said again here, so that the crate's own answer is checked too.
fn has_data_file(image: &Qcow2) -> bool {
    image.version == 3 && image.data_file_bit.unwrap_or(image.data_file.is_some())
}

fn linked(recipe: &Recipe, name: &Bytes) -> Vec<u8> {
    let name = name.as_text().unwrap();
    bytes(recipe, name.strip_prefix("{dir}/").unwrap_or(name))
}

fn copy_clusters(to: &mut [u8], from: &[u8], clusters: &Clusters, cluster_size: u64) {
    for cluster in clusters.iter() {
        let start = usize::try_from(cluster * cluster_size).unwrap();
        let end = to.len().min(start + usize::try_from(cluster_size).unwrap());
        to[start..end].copy_from_slice(&from[start..end]);
    }
}
