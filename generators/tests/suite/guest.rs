//! What a guest sees, for recipes that are small enough to be read.

use qconform_generators::guest::{Disk, GuestError, State};
use qconform_generators::marker::Marker;
use qconform_generators::recipe::{Content, HardLink, Qcow2, Raw, Recipe, Subclusters, Symlink};
use rstest::rstest;

/// Every byte of the virtual disk `name`.
pub(crate) fn bytes(recipe: &Recipe, name: &str) -> Vec<u8> {
    let disk = Disk::new(recipe, name).unwrap();
    let mut bytes = vec![0; usize::try_from(disk.size()).unwrap()];
    disk.fill(0, &mut bytes);
    bytes
}

fn recipe(files: &[(&str, Content)]) -> Recipe {
    let files = files.iter().cloned();
    Recipe {
        seed: 5,
        files: files
            .map(|(name, content)| (name.to_owned(), content))
            .collect(),
    }
}

fn backed(by: &str) -> Qcow2 {
    Qcow2 {
        backing: Some(by.into()),
        ..Qcow2::default()
    }
}

fn link(target: &str) -> Content {
    Content::Symlink(Symlink {
        target: target.into(),
    })
}

/// Whose marker stands at a guest offset, of the candidates `names`.
fn whose<'a>(recipe: &Recipe, disk: &str, offset: u64, names: &[&'a str]) -> Option<&'a str> {
    let mut found = [0; 64];
    Disk::new(recipe, disk).unwrap().fill(offset, &mut found);
    let is = |name: &&&str| Marker::new(recipe.seed, name).bytes(offset, 64) == found;
    let owner = names.iter().find(is).copied();
    assert!(owner.is_some() || found == [0; 64], "bytes of nobody");
    owner
}

#[test]
fn every_state_of_a_cluster_has_its_bytes() {
    let image = Qcow2 {
        cluster_bits: 14,
        size: 8 << 14,
        populated: [0].into(),
        zero: [1].into(),
        zero_allocated: [2].into(),
        compressed: [3].into(),
        extended_l2: true,
        subclusters: vec![Subclusters {
            cluster: 4,
            allocated: [0].into(),
            zero: [1].into(),
        }],
        ..backed("base.raw")
    };
    let base = Raw {
        size: 8 << 14,
        cluster_size: 1 << 14,
        populated: (0..8).into(),
        start: None,
    };
    let recipe = recipe(&[("top", image.into()), ("base.raw", base.into())]);
    let names = ["top", "base.raw"];
    let at = |offset| whose(&recipe, "top", offset, &names);
    let cluster = 1 << 14;
    assert_eq!(at(0), Some("top"));
    assert_eq!((at(cluster), at(2 * cluster)), (None, None));
    assert_eq!(at(3 * cluster), Some("top"));
    // Subclusters of 512 bytes.
    assert_eq!(at(4 * cluster), Some("top"));
    assert_eq!(at(4 * cluster + 512), None);
    assert_eq!(at(4 * cluster + 1024), Some("base.raw"));
    assert_eq!(at(5 * cluster), Some("base.raw"));

    let disk = Disk::new(&recipe, "top").unwrap();
    assert_eq!(disk.state(3 * cluster), (0, State::Compressed, cluster));
    assert_eq!(disk.state(4 * cluster + 520), (0, State::Zero, 504));
    assert_eq!(disk.state(5 * cluster), (1, State::Data, cluster));
    assert_eq!(disk.state(8 * cluster), (0, State::Unallocated, u64::MAX));
}

#[rstest]
#[case::relative("sub/top", "base.raw", "sub/base.raw")]
#[case::up("sub/top", "../base.raw", "base.raw")]
#[case::absolute("sub/top", "{dir}/base.raw", "base.raw")]
#[case::through_a_link("link", "base.raw", "base.raw")]
#[case::through_a_linked_folder("folder/top", "base.raw", "sub/base.raw")]
#[case::the_base_is_a_link("sub/top", "../other", "base.raw")]
#[case::the_base_is_a_hard_link("sub/top", "../hard", "base.raw")]
fn names_lead_where_readers_take_them(
    #[case] disk: &str,
    #[case] backing: &str,
    #[case] owner: &str,
) {
    let top = Qcow2 {
        populated: [].into(),
        ..backed(backing)
    };
    let recipe = recipe(&[
        ("sub/top", top.into()),
        ("sub/base.raw", Raw::default().into()),
        ("base.raw", Raw::default().into()),
        ("link", link("sub/top")),
        ("folder", link("{dir}/sub")),
        ("other", link("base.raw")),
        (
            "hard",
            Content::HardLink(HardLink {
                target: "base.raw".into(),
            }),
        ),
    ]);
    let names = ["base.raw", "sub/base.raw"];
    assert_eq!(whose(&recipe, disk, 0, &names), Some(owner));
}

/// The image below a short one is longer, but nobody asks it.
#[test]
fn what_lies_behind_the_end_of_a_backing_image_is_zeros() {
    let image = |size, backing: &str| Qcow2 {
        size,
        populated: [].into(),
        ..backed(backing)
    };
    let base = Raw {
        populated: (0..8).into(),
        ..Raw::default()
    };
    let recipe = recipe(&[
        ("top", image(32_768, "middle").into()),
        ("middle", image(5000, "base.raw").into()),
        ("base.raw", base.into()),
    ]);
    let mut expected = Marker::new(recipe.seed, "base.raw").bytes(0, 5000);
    expected.resize(32_768, 0);
    assert!(bytes(&recipe, "top") == expected);
    let disk = Disk::new(&recipe, "top").unwrap();
    assert_eq!(disk.state(4096), (2, State::Data, 904));
    assert_eq!(disk.state(5000), (0, State::Unallocated, 3192));
}

#[test]
fn a_data_file_shows_what_it_holds_and_nothing_behind_its_end() {
    let image = Qcow2 {
        size: 16_384,
        populated: (0..4).into(),
        data_file: Some("data.raw".into()),
        ..Qcow2::default()
    };
    let raw = Raw {
        size: 9000,
        cluster_size: 4096,
        populated: [2].into(),
        start: Some("start".into()),
    };
    let recipe = recipe(&[("top", image.into()), ("data.raw", raw.into())]);
    let mut expected = vec![0; 16_384];
    expected[..5].copy_from_slice(b"start");
    let marker = Marker::new(recipe.seed, "data.raw").bytes(8192, 9000 - 8192);
    expected[8192..9000].copy_from_slice(&marker);
    assert!(bytes(&recipe, "top") == expected);
}

#[rstest]
#[case::no_such_image("gone", "\"gone\" is no image of the recipe")]
#[case::a_backing_image_that_is_not_there("dangling", "\"nowhere\" is no image of the recipe")]
#[case::an_image_over_itself("loop", "the chain of \"loop\" has more than 255 parts")]
#[case::a_link_to_itself("link", "the chain of \"link\" has more than 255 parts")]
#[case::no_data_file("nameless", "the image \"nameless\" names no data file")]
fn what_the_recipe_does_not_tell_is_an_error(#[case] disk: &str, #[case] message: &str) {
    let nameless = Qcow2 {
        data_file_bit: Some(true),
        ..Qcow2::default()
    };
    let recipe = recipe(&[
        ("dangling", backed("nowhere").into()),
        ("loop", backed("loop").into()),
        ("link", link("link")),
        ("nameless", nameless.into()),
    ]);
    let error: GuestError = Disk::new(&recipe, disk).unwrap_err();
    assert_eq!(error.to_string(), message);
}
