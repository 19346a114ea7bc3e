//! Recipes nobody thought of.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use qconform_generators::fixture;
use qconform_generators::manifest::Manifest;
use qconform_generators::recipe::{Content, Qcow2, Raw, Recipe};
use qconform_generators::strategies::{TOP, defective, valid};

use crate::programs::Qemu;
use crate::qemu::assert_clean;

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
    #![proptest_config(ProptestConfig {
        // Each round runs three programs.
        max_shrink_iters: 200,
        ..ProptestConfig::with_cases(500)
    })]

    // Four tests of 500 cases, so that they run beside each other.
    #[test]
    fn qemu_finds_nothing_wrong_with_any_valid_recipe(recipe in valid()) {
        assert_clean_if_possible(&recipe);
    }

    #[test]
    fn qemu_finds_nothing_wrong_with_another_500(recipe in valid()) {
        assert_clean_if_possible(&recipe);
    }

    #[test]
    fn qemu_finds_nothing_wrong_with_a_third_500(recipe in valid()) {
        assert_clean_if_possible(&recipe);
    }

    #[test]
    fn qemu_finds_nothing_wrong_with_a_fourth_500(recipe in valid()) {
        assert_clean_if_possible(&recipe);
    }
}

fn assert_clean_if_possible(recipe: &Recipe) {
    let Some(qemu) = Qemu::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    fixture::write(recipe, folder.path()).unwrap();
    assert_clean(&qemu, recipe, folder.path(), TOP);
}

proptest! {
    #[test]
    fn writing_twice_gives_the_same_bytes(recipe in prop_oneof![valid(), defective(1..=3)]) {
        let parent = tempfile::tempdir().unwrap();
        let once = parent.path().join("once");
        let twice = parent.path().join("twice");
        for folder in [&once, &twice] {
            std::fs::create_dir(folder).unwrap();
            fixture::write(&recipe, folder).unwrap();
        }
        // A name with `{dir}` is the folder's own.
        let text = toml::to_string(&recipe).unwrap();
        if !text.contains("{dir}") {
            prop_assert_eq!(Manifest::of(&once).unwrap(), Manifest::of(&twice).unwrap());
        }
        prop_assert_eq!(toml::from_str::<Recipe>(&text).unwrap(), recipe);
    }

    #[test]
    fn another_seed_gives_other_bytes_exactly_where_there_are_markers(recipe in valid()) {
        let parent = tempfile::tempdir().unwrap();
        let other = Recipe { seed: !recipe.seed, ..recipe.clone() };
        let one = fixture::write_staged(&recipe, &parent.path().join("one")).unwrap();
        let two = fixture::write_staged(&other, &parent.path().join("two")).unwrap();
        for (name, content) in &recipe.files {
            let marked = match content {
                Content::Qcow2(image) => holds_markers(image),
                Content::Raw(raw) => !raw.populated.is_empty(),
                _ => false,
            };
            // Absolute names tell the folders apart, and two seeds may share a byte or two.
            let text = toml::to_string(content).unwrap();
            if !text.contains("{dir}") && !ends_in_its_marker(content) {
                prop_assert_eq!(one.hash(name) != two.hash(name), marked, "{}", name);
            }
        }
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

/// Whether a raw file ends after a few bytes of the only cluster that it may hold.
fn ends_in_its_marker(content: &Content) -> bool {
    let Content::Raw(raw) = content else {
        return false;
    };
    let tail = raw.size % raw.cluster_size;
    (1..16).contains(&tail)
}

fn holds_markers(image: &Qcow2) -> bool {
    let allocated = image
        .subclusters
        .iter()
        .any(|parts| !parts.allocated.is_empty());
    let own = [&image.populated, &image.zero_allocated, &image.compressed];
    let active = allocated || own.iter().any(|clusters| !clusters.is_empty());
    let snapshots = image
        .snapshots
        .iter()
        .filter_map(|one| one.populated.as_ref());
    let in_snapshots = snapshots.into_iter().any(|clusters| !clusters.is_empty());
    !image.uses_data_file() && (active || in_snapshots)
}
