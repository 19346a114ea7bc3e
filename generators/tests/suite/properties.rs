//! Recipes nobody thought of.

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use qconform_generators::fixture;
use qconform_generators::manifest::Manifest;
use qconform_generators::recipe::{Clusters, Content, Qcow2, Raw, Recipe};

use crate::programs::Qemu;
use crate::qemu::assert_clean;

const TOP: &str = "top.qcow2";

/// A chain of one image that QEMU opens: a plain one, or one with a data file.
fn valid() -> impl Strategy<Value = Recipe> {
    let size = (9_u32..=16).prop_flat_map(|bits| (Just(bits), 1_u64..200 << (bits - 9)));
    (any::<u64>(), size)
        .prop_flat_map(|(seed, (cluster_bits, sectors))| {
            let size = sectors * 512;
            let clusters = size.div_ceil(1 << cluster_bits);
            let populated = || btree_set(0..clusters, 0..10).prop_map(Clusters::from_iter);
            let data = option::of((populated(), any::<bool>(), any::<bool>()));
            (
                Just(seed),
                Just(cluster_bits),
                Just(size),
                2_u32..=3,
                populated(),
                data,
            )
        })
        .prop_map(|(seed, cluster_bits, size, version, populated, data)| {
            let mut image = Qcow2 {
                version,
                cluster_bits,
                size,
                populated,
                ..Qcow2::default()
            };
            let mut recipe = Recipe {
                seed,
                ..Recipe::default()
            };
            if let Some((populated, raw, bit)) = data {
                image.data_file = Some("top.raw".into());
                image.data_file_raw = version == 3 && raw;
                // Without the bit, QEMU refuses the raw flag.
                image.data_file_bit = (!image.data_file_raw && !bit).then_some(false);
                let raw = Raw {
                    size,
                    cluster_size: 1 << cluster_bits,
                    populated,
                    start: None,
                };
                recipe.files.insert("top.raw".into(), Content::Raw(raw));
            }
            recipe.files.insert(TOP.into(), Content::from(image));
            recipe
        })
}

/// Any values at all, most of them impossible.
fn wild() -> impl Strategy<Value = Recipe> {
    let number = || prop_oneof![any::<u64>(), 0_u64..100];
    let name = || option::of(".{0,600}");
    let numbers = (
        0_u32..5,
        0_u32..40,
        number(),
        vec(number(), 0..4),
        option::of(100_u32..115),
    );
    let names = (name(), name(), name(), any::<Option<bool>>(), any::<bool>());
    let image = (numbers, names).prop_map(|(numbers, names)| {
        let (version, cluster_bits, size, populated, header_length) = numbers;
        let (backing, backing_format, data_file, data_file_bit, data_file_raw) = names;
        Content::from(Qcow2 {
            version,
            cluster_bits,
            size,
            populated: populated.into(),
            backing: backing.map(Into::into),
            backing_format: backing_format.map(Into::into),
            data_file: data_file.map(Into::into),
            data_file_bit,
            data_file_raw,
            header_length,
            ..Qcow2::default()
        })
    });
    let raw =
        (number(), number(), vec(number(), 0..4)).prop_map(|(size, cluster_size, populated)| {
            Content::Raw(Raw {
                size,
                cluster_size,
                populated: populated.into(),
                start: None,
            })
        });
    let files = vec((".{0,20}", prop_oneof![image, raw]), 1..3);
    files.prop_map(|files| Recipe {
        seed: 0,
        files: files.into_iter().collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn qemu_finds_nothing_wrong_with_any_valid_recipe(recipe in valid()) {
        let Some(qemu) = Qemu::find() else { return Ok(()) };
        let folder = tempfile::tempdir().unwrap();
        fixture::write(&recipe, folder.path()).unwrap();
        assert_clean(&qemu, &recipe, folder.path(), TOP);
    }
}

proptest! {
    #[test]
    fn writing_twice_gives_the_same_bytes(recipe in valid()) {
        let parent = tempfile::tempdir().unwrap();
        let once = fixture::write_staged(&recipe, &parent.path().join("once")).unwrap();
        let twice = parent.path().join("twice");
        std::fs::create_dir(&twice).unwrap();
        fixture::write(&recipe, &twice).unwrap();
        prop_assert_eq!(once, Manifest::of(&twice).unwrap());
    }

    #[test]
    fn another_seed_gives_other_bytes_exactly_where_there_are_markers(recipe in valid()) {
        let parent = tempfile::tempdir().unwrap();
        let other = Recipe { seed: !recipe.seed, ..recipe.clone() };
        let one = fixture::write_staged(&recipe, &parent.path().join("one")).unwrap();
        let two = fixture::write_staged(&other, &parent.path().join("two")).unwrap();
        let marked = recipe.files.values().any(|content| match content {
            Content::Qcow2(image) => !image.uses_data_file() && !image.populated.is_empty(),
            Content::Raw(raw) => !raw.populated.is_empty(),
            _ => false,
        });
        prop_assert_eq!(one != two, marked);
    }

    #[test]
    fn a_recipe_without_sense_is_refused_without_a_panic(recipe in wild()) {
        // Whatever the answer is, it has to name a file of the recipe.
        if let Err(error) = recipe.check() {
            let named = recipe.files.keys().any(|file| error.to_string().contains(&format!("{file:?}")));
            prop_assert!(named, "{}", error);
        }
    }
}
