//! The corpus by itself, and what QEMU makes of each entry.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, thread};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use qconform_generators::corpus::{self, Entry, IMAGE};
use qconform_generators::fixture;
use qconform_generators::guest::Disk;
use qconform_generators::recipe::Content;
use qconform_generators::strategies::{TOP, defective};

use crate::programs::{Qemu, find, run};

#[test]
fn every_entry_has_a_name_of_its_own_and_can_be_written() {
    let mut ids = BTreeSet::new();
    for entry in corpus::entries() {
        assert!(ids.insert(entry.id.clone()), "{} twice", entry.id);
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-/=,".contains(letter);
        assert!(entry.id.chars().all(plain), "{}", entry.id);
        assert!(
            !entry.title.is_empty() && !entry.section.is_empty(),
            "{}",
            entry.id
        );
        assert_eq!(entry.recipe.check(), Ok(()), "{}", entry.id);
        let folder = tempfile::tempdir().unwrap();
        fixture::write(&entry.recipe, folder.path()).unwrap();
    }
    assert!(ids.len() > 400, "{}", ids.len());
}

/// `docs/corpus.md` is what QEMU said when it was last written; with `QCONFORM_UPDATE` set, this
/// test writes it. Verdicts of another major version may differ.
#[test]
fn qemu_says_of_each_entry_what_the_table_says() {
    let Some(qemu) = Qemu::find() else { return };
    let Some(timeout) = find("timeout", "coreutils") else {
        return;
    };
    let version = qemu.version();
    if !version.starts_with("10.") {
        println!("skipped: the table is of QEMU 10, here is {version}");
        return;
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/corpus.md");
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    // What is known to hang isn't waited for; everything else gets the time that a busy machine
    // may need.
    let seconds = |entry: &Entry| {
        let start = format!("| {} |", entry.id);
        let row = recorded.lines().find(|line| line.starts_with(&start));
        let hangs = row.is_some_and(|row| row.contains("| hangs |"));
        if hangs { "4" } else { "60" }
    };
    let entries: Vec<Entry> = corpus::entries().collect();
    let rows = thread::scope(|scope| {
        let half = entries.len().div_ceil(2);
        let parts = entries.chunks(half);
        let work = |part: &[Entry]| -> Vec<String> {
            let row = |entry| row(&qemu, &timeout, seconds(entry), entry);
            part.iter().map(row).collect()
        };
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || work(part))).collect();
        let rows = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        rows.collect::<Vec<String>>()
    });
    let mut page = String::from(HEAD);
    for row in &rows {
        writeln!(page, "{row}").unwrap();
    }
    if env::var_os("QCONFORM_UPDATE").is_some() {
        fs::write(&path, page).unwrap();
        return;
    }
    let missing: Vec<&str> = page
        .lines()
        .filter(|line| !recorded.lines().any(|one| one == *line))
        .collect();
    assert!(
        missing.is_empty(),
        "not in docs/corpus.md:\n{}",
        missing.join("\n")
    );
    assert_eq!(recorded.lines().count(), page.lines().count());
}

const HEAD: &str = "\
# The corpus, and what QEMU makes of it

Every entry of the corpus that `qconform generate --pack` writes, and what QEMU 10 says of its
`image.qcow2`. A test compares this table with the installed QEMU; with `QCONFORM_UPDATE=1` it
writes it. Numbers are given as N.

- **info**: `qemu-img info -f qcow2`, which opens neither data file nor backing image
- **open**: a read-only open by `qemu-io`, which opens both
- **check**: `qemu-img check`
- **bytes**: whether every guest byte is what the recipe means, defects aside
- **raw**: with the raw flag, whether the data file equals the guest's disk
- **write**: a writable open; **same** if it says what open says

| entry | what it shows | section | info | open | check | bytes | raw | write |
|---|---|---|---|---|---|---|---|---|
";

/// Everything that a program can say of an entry, each apart from the others.
fn row(qemu: &Qemu, timeout: &Path, seconds: &str, entry: &Entry) -> String {
    // Some names lead out of the folder and back again.
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("fixture");
    fs::create_dir(&folder).unwrap();
    fixture::write(&entry.recipe, &folder).unwrap();
    let ask = |program: &Path, arguments: &[&str]| {
        let program = program.to_str().unwrap();
        run(
            timeout,
            &folder,
            &[&[seconds, program][..], arguments].concat(),
        )
    };
    let img = |arguments: &[&str]| ask(qemu.img_path(), arguments);

    let info = verdict(&img(&["info", "-f", "qcow2", IMAGE]), &folder);
    let open = ask(qemu.io_path(), &["-r", "-f", "qcow2", "-c", "quit", IMAGE]);
    let open = verdict(&open, &folder);
    // Checking writes nothing without -r.
    let check = checked(&img(&["check", "-f", "qcow2", IMAGE]), &folder);
    let (bytes, raw) = if open == "ok" {
        let copy = parent.path().join("copy.raw");
        let read = img(&[
            "convert",
            "-f",
            "qcow2",
            "-O",
            "raw",
            IMAGE,
            copy.to_str().unwrap(),
        ]);
        let read = verdict(&read, &folder);
        (
            bytes(entry, &copy, &read),
            raw(entry, &folder, &copy, &read),
        )
    } else {
        ("-".to_owned(), "-")
    };
    // Last, because it may repair the image.
    let write = ask(qemu.io_path(), &["-f", "qcow2", "-c", "quit", IMAGE]);
    let write = verdict(&write, &folder);
    let write = if write == open { "same" } else { &write };
    let cell = |text: &str| text.replace('|', "\\|");
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {raw} | {} |",
        entry.id,
        cell(&entry.title),
        cell(entry.section),
        cell(&info),
        cell(&open),
        cell(&check),
        cell(&bytes),
        cell(write)
    )
}

fn bytes(entry: &Entry, copy: &Path, read: &str) -> String {
    if read != "ok" {
        return read.to_owned();
    }
    let found = fs::read(copy).unwrap();
    let Ok(disk) = Disk::new(&entry.recipe, IMAGE) else {
        return "unknown".to_owned();
    };
    let mut meant = vec![0; usize::try_from(disk.size()).unwrap()];
    disk.fill(0, &mut meant);
    let verdict = if found == meant { "as meant" } else { "other" };
    verdict.to_owned()
}

fn raw(entry: &Entry, folder: &Path, copy: &Path, read: &str) -> &'static str {
    let Some(Content::Qcow2(image)) = entry.recipe.files.get(IMAGE) else {
        return "-";
    };
    let flagged = image.data_file_raw || entry.id.contains("defect/raw-");
    let name = image.data_file.as_ref().and_then(|name| name.as_text());
    let name = name.filter(|name| !name.is_empty());
    let (true, Some(name), "ok") = (flagged && image.uses_data_file(), name, read) else {
        return "-";
    };
    match fs::read(folder.join(name)) {
        Ok(data) if data == fs::read(copy).unwrap() => "equal",
        Ok(_) => "differs",
        Err(_) => "-",
    }
}

/// What `check` found, by its exit code; without one of its own, what it said.
fn checked(output: &Output, folder: &Path) -> String {
    match output.status.code() {
        Some(0) => "clean".to_owned(),
        Some(2) => "errors".to_owned(),
        Some(3) => "leaks".to_owned(),
        _ => verdict(output, folder),
    }
}

/// `ok`, or the first line of what the program said without names and numbers. A writable open
/// that fails may have said what it repaired before.
fn verdict(output: &Output, folder: &Path) -> String {
    match output.status.code() {
        Some(0) => return "ok".to_owned(),
        Some(124) => return "hangs".to_owned(),
        Some(code) if code > 128 => return format!("killed by signal {}", code - 128),
        _ => {}
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let folder = folder.to_str().unwrap();
    let failed = |line: &&str| line.contains("can't open device");
    let line = said.lines().find(failed).or(said.lines().next());
    let line = line.unwrap_or_default();
    let line = line.replace(folder, "");
    let line = line
        .replace("qemu-img: ", "")
        .replace("qemu-io: can't open device image.qcow2: ", "")
        .replace("Could not open 'image.qcow2': ", "");
    without_numbers(&line)
}

/// Numbers become N, unless they belong to a word; long runs of one letter, as long names have,
/// are cut, and nothing is left that would break a line of the table.
fn without_numbers(line: &str) -> String {
    let mut out = String::new();
    let mut letters = line.chars().peekable();
    let (mut last, mut run) = (' ', 0);
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() && !last.is_alphanumeric() {
            while letters
                .next_if(|next| next.is_ascii_hexdigit() || *next == 'x')
                .is_some()
            {}
            out.push('N');
            (last, run) = ('N', 1);
            continue;
        }
        run = if letter == last { run + 1 } else { 1 };
        last = letter;
        if run <= 4 {
            out.push(if letter.is_control() { ' ' } else { letter });
        }
    }
    out
}

impl Qemu {
    fn version(&self) -> String {
        let output = Command::new(self.img_path())
            .arg("--version")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.split_whitespace()
            .nth(2)
            .unwrap_or_default()
            .to_owned()
    }
}

/// A fuzzer of which nearly every image dies in the same few header checks finds little.
#[test]
fn a_good_part_of_random_defects_gets_past_the_header() {
    let Some(qemu) = Qemu::find() else { return };
    let Some(timeout) = find("timeout", "coreutils") else {
        return;
    };
    let mut runner = TestRunner::deterministic();
    let strategy = defective(1..=2);
    let (mut opened, mut said) = (0, BTreeSet::new());
    for _ in 0..RANDOM_DEFECTS {
        let recipe = strategy.new_tree(&mut runner).unwrap().current();
        let folder = tempfile::tempdir().unwrap();
        fixture::write(&recipe, folder.path()).unwrap();
        let qemu_io = qemu.io_path().to_str().unwrap();
        // QEMU follows a loop of backing images for a very long time.
        let arguments = ["4", qemu_io, "-r", "-f", "qcow2", "-c", "quit", TOP];
        let open = run(&timeout, folder.path(), &arguments);
        if open.status.success() {
            opened += 1;
        } else {
            said.insert(verdict(&open, folder.path()));
        }
    }
    println!(
        "{opened} of {RANDOM_DEFECTS} opened, {} messages",
        said.len()
    );
    assert!(opened * 4 > RANDOM_DEFECTS, "{opened} of {RANDOM_DEFECTS}");
    assert!(said.len() > 20, "{said:#?}");
}

const RANDOM_DEFECTS: usize = 300;
