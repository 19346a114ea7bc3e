//! Data files in every form that a stored name can take.

use super::{Entry, IMAGE, full_raw, over, recipe};
use crate::file_name;
use crate::recipe::{Bytes, Content, Directory, Fifo, HardLink, Qcow2, Recipe, Symlink};

const SECTION: &str = "Header extensions, external data file name string";

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    let mut entries = Vec::new();
    let mut add = |id: &str, title: &str, recipe: Recipe| {
        entries.push(Entry::new(format!("name/{id}"), title, SECTION, recipe));
    };
    for (id, title, stored, file) in PLAIN {
        add(id, title, recipe(over(*stored), [(*file, full_raw())]));
    }
    for (id, title, stored) in [
        (
            "not-utf8",
            "a name that is not UTF-8",
            b"data\xff\xfe.raw".to_vec(),
        ),
        (
            "every-byte",
            "a name with every byte that a name may hold",
            every_byte(),
        ),
    ] {
        let file = file_name::text(&stored);
        let image = over(Bytes::verbatim(stored));
        add(id, title, recipe(image, [(file.as_str(), full_raw())]));
    }
    add(
        "parent",
        "a name with .. in it",
        recipe(
            over("sub/../data.raw"),
            [
                ("sub", Content::Directory(Directory {})),
                ("data.raw", full_raw()),
            ],
        ),
    );
    let link = |target: &str| {
        let target = target.into();
        Content::Symlink(Symlink { target })
    };
    add(
        "symlink",
        "the name is a symlink to the data file",
        recipe(
            over("link.raw"),
            [("link.raw", link("data.raw")), ("data.raw", full_raw())],
        ),
    );
    add(
        "symlink-chain",
        "the name is a symlink to a symlink",
        recipe(
            over("one"),
            [
                ("one", link("sub/two")),
                ("sub/two", link("../data.raw")),
                ("data.raw", full_raw()),
            ],
        ),
    );
    add(
        "symlinked-folder",
        "the name leads through a symlinked folder",
        recipe(
            over("way/data.raw"),
            [("way", link("sub")), ("sub/data.raw", full_raw())],
        ),
    );
    add(
        "symlink-loop",
        "the name is a symlink to itself",
        recipe(over("loop"), [("loop", link("loop"))]),
    );
    add(
        "hard-link",
        "the data file has two names",
        recipe(
            over("data.raw"),
            [
                ("data.raw", full_raw()),
                (
                    "same.raw",
                    Content::HardLink(HardLink {
                        target: "data.raw".into(),
                    }),
                ),
            ],
        ),
    );
    add(
        "image-in-linked-folder",
        "the image is reached through a symlink",
        through_link(),
    );
    for (id, title, content) in [
        ("fifo", "the data file is a FIFO", Content::Fifo(Fifo {})),
        (
            "directory",
            "the data file is a folder",
            Content::Directory(Directory {}),
        ),
        (
            "dangling",
            "the data file is a symlink to nothing",
            link("nothing"),
        ),
    ] {
        add(id, title, recipe(over("data.raw"), [("data.raw", content)]));
    }
    entries.into_iter()
}

/// Id, title, stored name, and where the file lies.
const PLAIN: &[(&str, &str, &str, &str)] = &[
    ("relative", "a relative name", "data.raw", "data.raw"),
    (
        "dotted",
        "a name that starts with ./",
        "./data.raw",
        "data.raw",
    ),
    (
        "sub-folder",
        "a file in a folder below",
        "sub/data.raw",
        "sub/data.raw",
    ),
    ("absolute", "an absolute name", "{dir}/data.raw", "data.raw"),
    (
        "slashes",
        "a name with more slashes than it needs",
        ".//sub///data.raw",
        "sub/data.raw",
    ),
    (
        "spaces",
        "a name with spaces",
        " data  file.raw ",
        " data  file.raw ",
    ),
    (
        "newline",
        "a name with a line break",
        "data\nfile.raw",
        "data\nfile.raw",
    ),
    (
        "quotes",
        "a name with quotes and backslashes",
        "da\"ta'\\file",
        "da\"ta'\\\\file",
    ),
    (
        "control",
        "a name with control characters",
        "data\u{1b}[31m\u{7}",
        "data\u{1b}[31m\u{7}",
    ),
    (
        "unicode",
        "a name outside ASCII",
        "Größe-数据-\u{202e}.raw",
        "Größe-数据-\u{202e}.raw",
    ),
    (
        "percent",
        "a name with percent signs",
        "%2e%2e/%s%n",
        "%2e%2e/%s%n",
    ),
    ("dash", "a name like an option", "-data", "-data"),
    (
        "comma",
        "a name with commas and equal signs",
        "a,b=c,,d",
        "a,b=c,,d",
    ),
    (
        "colon",
        "a name with a colon, which is no protocol",
        "a:b",
        "a:b",
    ),
    ("tilde", "a name like a home folder", "~root", "~root"),
];

/// All but NUL and the slash: 254 bytes, one fewer than the longest name.
fn every_byte() -> Vec<u8> {
    (1..=u8::MAX).filter(|byte| *byte != b'/').collect()
}

/// The same image under a name in another folder, where a file of the data file's name is a
/// decoy or the right one, depending on the reader.
fn through_link() -> Recipe {
    let mut recipe = Recipe::default();
    let mut add = |name: &str, content: Content| recipe.files.insert(name.to_owned(), content);
    let image = Qcow2 {
        data_file: Some(Bytes::from("data.raw")),
        ..Qcow2::default()
    };
    add("real/image.qcow2", image.into());
    add("real/data.raw", full_raw());
    add("data.raw", full_raw());
    let target = "real/image.qcow2".into();
    add(IMAGE, Content::Symlink(Symlink { target }));
    recipe
}
