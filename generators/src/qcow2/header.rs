//! Bytes of the first cluster: header, extensions, backing name.

use crate::layout::{MAGIC, autoclear, extension, header as field, incompatible, limit};
use crate::qcow2::Names;
use crate::qcow2::plan::Plan;
use crate::recipe::{Qcow2, RecipeError};

/// The first cluster without the zeros at its end.
pub(super) fn first_cluster(
    file: &str,
    image: &Qcow2,
    names: &Names,
    plan: &Plan,
) -> Result<Vec<u8>, RecipeError> {
    let mut bytes = header(image, plan);
    let cluster_size = plan.cluster_size();
    let fits = |field, end| {
        if end <= cluster_size {
            return Ok(());
        }
        Err(RecipeError::DoesNotFit {
            file: file.to_owned(),
            field,
            end,
            limit: cluster_size,
        })
    };
    let extensions = [
        (
            "backing-format",
            extension::BACKING_FORMAT,
            &names.backing_format,
        ),
        ("data-file", extension::DATA_FILE, &names.data_file),
    ];
    for (field, kind, payload) in extensions {
        let Some(payload) = payload else { continue };
        push_extension(&mut bytes, kind, payload);
        // The end marker has to fit behind it.
        fits(field, bytes.len() + extension::HEAD_LENGTH)?;
    }
    push_extension(&mut bytes, extension::END, &[]);

    if let Some(backing) = &names.backing {
        let start = bytes.len();
        bytes.extend_from_slice(backing);
        fits("backing", bytes.len())?;
        // Both are at most the cluster size by now.
        put_u64(&mut bytes, field::BACKING_OFFSET, start as u64);
        put_u32(&mut bytes, field::BACKING_LENGTH, backing.len() as u32);
    }
    Ok(bytes)
}

/// The header alone, without a backing image. What is not set is zero: no encryption, no
/// snapshots, deflate.
fn header(image: &Qcow2, plan: &Plan) -> Vec<u8> {
    let length = match (image.version, image.header_length) {
        (2, _) => field::LENGTH_V2,
        (_, None) => field::LENGTH_V3,
        (_, Some(length)) => length as usize,
    };
    let mut bytes = vec![0; length];
    put_u32(&mut bytes, field::MAGIC, MAGIC);
    put_u32(&mut bytes, field::VERSION, image.version);
    put_u32(&mut bytes, field::CLUSTER_BITS, image.cluster_bits);
    put_u64(&mut bytes, field::SIZE, image.size);
    put_u32(&mut bytes, field::L1_SIZE, plan.l1_entries);
    put_u64(&mut bytes, field::L1_TABLE_OFFSET, plan.l1_table());
    put_u64(
        &mut bytes,
        field::REFCOUNT_TABLE_OFFSET,
        plan.refcount_table(),
    );
    put_u32(
        &mut bytes,
        field::REFCOUNT_TABLE_CLUSTERS,
        plan.refcount_table_clusters,
    );
    if image.version == 2 {
        return bytes;
    }
    let incompatible = if image.uses_data_file() {
        incompatible::DATA_FILE
    } else {
        0
    };
    let autoclear = if image.data_file_raw {
        autoclear::DATA_FILE_RAW
    } else {
        0
    };
    put_u64(&mut bytes, field::INCOMPATIBLE_FEATURES, incompatible);
    put_u64(&mut bytes, field::AUTOCLEAR_FEATURES, autoclear);
    put_u32(
        &mut bytes,
        field::REFCOUNT_ORDER,
        limit::REFCOUNT_ORDER_DEFAULT,
    );
    // One of two lengths, or the recipe would have been refused.
    put_u32(&mut bytes, field::HEADER_LENGTH, length as u32);
    bytes
}

fn push_extension(bytes: &mut Vec<u8>, kind: u32, payload: &[u8]) {
    bytes.extend_from_slice(&kind.to_be_bytes());
    // A payload of more than 4 GiB ends far behind the first cluster and is refused for that.
    bytes.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len().next_multiple_of(extension::ALIGNMENT), 0);
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_be_bytes());
}
