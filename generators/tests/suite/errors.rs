//! Recipes that cannot be written, and texts that are no recipe.

use qconform_generators::recipe::{Content, Fifo, Qcow2, Raw, Recipe, RecipeError, Symlink};
use rstest::rstest;

fn one(name: &str, content: Content) -> Recipe {
    let mut recipe = Recipe::default();
    recipe.files.insert(name.to_owned(), content);
    recipe
}

fn message(recipe: &Recipe) -> String {
    recipe.check().unwrap_err().to_string()
}

#[rstest]
#[case::empty("", "is empty")]
#[case::absolute("/etc/passwd", "is absolute")]
#[case::parent("../a", "has an empty, '.' or '..' component")]
#[case::hidden_parent("a/../../b", "has an empty, '.' or '..' component")]
#[case::this_folder("./a", "has an empty, '.' or '..' component")]
#[case::trailing_slash("a/", "has an empty, '.' or '..' component")]
#[case::nul("a\0b", "has a NUL byte")]
#[case::manifest("MANIFEST.sha256", "is the manifest's")]
#[case::below_the_manifest("MANIFEST.sha256/a", "is the manifest's")]
#[case::standard_input("-", "means standard input to sha256sum")]
fn a_name_that_leaves_the_folder_or_clashes_is_refused(#[case] name: &str, #[case] problem: &str) {
    let error = one(name, Content::Fifo(Fifo {})).check().unwrap_err();
    let RecipeError::FileName {
        file,
        problem: found,
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((file.as_str(), found), (name, problem));
}

#[rstest]
#[case::symlink(Content::Symlink(Symlink { target: "/tmp".into() }))]
#[case::file(Content::Raw(Raw::default()))]
fn a_name_below_something_that_is_no_directory_is_refused(#[case] parent: Content) {
    let mut recipe = one("a/b/c", Content::Fifo(Fifo {}));
    recipe.files.insert("a".into(), parent);
    assert_eq!(
        message(&recipe),
        r#"file "a/b/c": "a" is in the same recipe and not a directory"#
    );
}

#[rstest]
#[case::version(Qcow2 { version: 4, ..Qcow2::default() }, "version is 4, allowed is 2 or 3")]
#[case::small_clusters(
    Qcow2 { cluster_bits: 8, ..Qcow2::default() },
    "cluster-bits is 8, allowed is 9 to 21"
)]
#[case::large_clusters(
    Qcow2 { cluster_bits: 22, ..Qcow2::default() },
    "cluster-bits is 22, allowed is 9 to 21"
)]
#[case::header_length(
    Qcow2 { header_length: Some(108), ..Qcow2::default() },
    "header-length is 108, allowed is 104, or 112 to the cluster size"
)]
#[case::no_header_length(
    Qcow2 { header_length: Some(0), ..Qcow2::default() },
    "header-length is 0, allowed is 104, or 112 to the cluster size"
)]
#[case::bit_in_version_2(
    Qcow2 { version: 2, data_file_bit: Some(true), ..Qcow2::default() },
    "data-file-bit needs version 3"
)]
#[case::raw_in_version_2(
    Qcow2 { version: 2, data_file_raw: true, ..Qcow2::default() },
    "data-file-raw needs version 3"
)]
#[case::header_length_in_version_2(
    Qcow2 { version: 2, header_length: Some(104), ..Qcow2::default() },
    "header-length needs version 3"
)]
#[case::populated_beyond_the_size(
    Qcow2 { size: 4097, populated: [1, 2].into(), ..Qcow2::default() },
    "populated has index 2, but there are 2"
)]
// 32 MiB of L1 entries, 64 clusters of 512 bytes each, and one byte more.
#[case::l1_table(
    Qcow2 { cluster_bits: 9, size: (4 << 20) * 64 * 512 + 1, ..Qcow2::default() },
    "size needs 4194305 L1 entries, the limit is 4194304"
)]
#[case::the_largest_size(
    Qcow2 { size: u64::MAX, ..Qcow2::default() },
    "size needs 8796093022208 L1 entries, the limit is 4194304"
)]
#[case::too_many_mapped_clusters(
    Qcow2 {
        cluster_bits: 16,
        size: (8 << 40) + 1,
        data_file: Some("d".into()),
        data_file_raw: true,
        ..Qcow2::default()
    },
    "populated needs 134217729 mapped clusters, the limit is 134217728"
)]
fn an_impossible_image_is_refused_by_the_name_of_the_field(
    #[case] image: Qcow2,
    #[case] expected: &str,
) {
    let found = message(&one("a.qcow2", Content::from(image)));
    assert_eq!(found, format!("file \"a.qcow2\": {expected}"));
}

/// In 512 bytes: header, 8 bytes of head for each extension, 8 bytes of end marker.
#[rstest]
#[case::version_3(Qcow2::default(), 384)]
#[case::short_header(Qcow2 { header_length: Some(104), ..Qcow2::default() }, 392)]
#[case::version_2(Qcow2 { version: 2, ..Qcow2::default() }, 424)]
#[case::with_a_backing_format(
    Qcow2 { backing_format: Some("raw".into()), ..Qcow2::default() },
    368
)]
fn a_data_file_name_fits_up_to_the_last_byte(#[case] image: Qcow2, #[case] longest: usize) {
    let named = |length| {
        let data_file = Some("n".repeat(length).into());
        one(
            "a",
            Content::from(Qcow2 {
                cluster_bits: 9,
                data_file,
                ..image.clone()
            }),
        )
    };
    assert_eq!(named(longest).check(), Ok(()));
    let error = named(longest + 1).check().unwrap_err();
    let RecipeError::DoesNotFit {
        field, end, limit, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!((field, end, limit), ("data-file", 520, 512));
}

#[test]
fn a_backing_name_fits_up_to_the_last_byte() {
    // 112 bytes of header and 8 of end marker.
    let named = |length| {
        let backing = Some("n".repeat(length).into());
        one(
            "a",
            Content::from(Qcow2 {
                cluster_bits: 9,
                backing,
                ..Qcow2::default()
            }),
        )
    };
    assert_eq!(named(392).check(), Ok(()));
    assert_eq!(
        message(&named(393)),
        r#"file "a": backing ends at byte 513, the first cluster at byte 512"#
    );
}

#[test]
fn a_recipe_is_not_refused_for_the_length_of_a_placeholder() {
    // Five letters in the recipe, one byte if the folder is "/".
    let data_file = Some("{dir}".repeat(100).into());
    let image = Qcow2 {
        cluster_bits: 9,
        data_file,
        ..Qcow2::default()
    };
    assert_eq!(one("a", Content::from(image)).check(), Ok(()));
}

#[rstest]
#[case::cluster_size(
    Content::Raw(Raw { cluster_size: 0, ..Raw::default() }),
    "cluster-size is 0, allowed is 1 or more"
)]
#[case::populated(
    Content::Raw(Raw { size: 4096, ..Raw::default() }),
    "populated has index 5, but there are 1"
)]
#[case::no_target(Content::Symlink(Symlink { target: "".into() }), "target is empty, too long or has a NUL byte")]
#[case::nul_in_the_target(
    Content::Symlink(Symlink { target: "a\0".into() }),
    "target is empty, too long or has a NUL byte"
)]
fn an_impossible_file_is_refused_by_the_name_of_the_field(
    #[case] content: Content,
    #[case] expected: &str,
) {
    assert_eq!(
        message(&one("a", content)),
        format!("file \"a\": {expected}")
    );
}

#[test]
fn options_are_written_with_hyphens_and_have_defaults() {
    let text = r#"{ "seed": 4, "files": {
        "a": { "qcow2": { "cluster-bits": 16, "data-file": "b", "data-file-raw": true } },
        "b": { "raw": { "cluster-size": 65536 } },
        "c": { "symlink": { "target": "b" } },
        "d": { "directory": {} },
        "e": { "fifo": {} } } }"#;
    let recipe: Recipe = serde_json::from_str(text).unwrap();
    assert_eq!(recipe.seed, 4);
    assert_eq!(
        recipe.files["a"],
        Content::from(Qcow2 {
            version: 3,
            cluster_bits: 16,
            size: 32_768,
            populated: [0, 5].into(),
            data_file: Some("b".into()),
            data_file_raw: true,
            ..Qcow2::default()
        })
    );
    let raw = Raw {
        size: 32_768,
        cluster_size: 65_536,
        populated: [0, 5].into(),
        start: None,
    };
    assert_eq!(recipe.files["b"], Content::Raw(raw));
    assert_eq!(
        recipe.files["c"],
        Content::Symlink(Symlink { target: "b".into() })
    );
    let again: Recipe = serde_json::from_value(serde_json::to_value(&recipe).unwrap()).unwrap();
    assert_eq!(again, recipe);
}

#[rstest]
#[case::in_the_recipe(r#"{ "sede": 1 }"#, "sede")]
#[case::in_an_image(
    r#"{ "files": { "a": { "qcow2": { "clusterbits": 9 } } } }"#,
    "clusterbits"
)]
#[case::in_an_image_with_an_underscore(
    r#"{ "files": { "a": { "qcow2": { "data_file": "b" } } } }"#,
    "data_file"
)]
#[case::in_a_raw_file(r#"{ "files": { "a": { "raw": { "length": 9 } } } }"#, "length")]
#[case::in_a_fifo(r#"{ "files": { "a": { "fifo": { "mode": 9 } } } }"#, "mode")]
#[case::a_kind_of_file(r#"{ "files": { "a": { "vmdk": {} } } }"#, "vmdk")]
fn an_unknown_word_is_named(#[case] text: &str, #[case] word: &str) {
    let error = serde_json::from_str::<Recipe>(text)
        .unwrap_err()
        .to_string();
    assert!(error.contains(&format!("`{word}`")), "{error}");
}
