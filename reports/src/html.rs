//! One self-contained HTML page: who was tested, with what result, and every case.
//!
//! The first screen is plain HTML. The list of cases is drawn by a small script from JSON
//! that is embedded in the page, so that thousands of cases stay quick. Nothing is
//! fetched: the page's own policy forbids it.

mod data;
mod header;
mod setup;
mod source;
mod view;

use std::io::{self, Write};

use askama::Template;
use serde::{Serialize, Serializer};

use crate::stream::Run;
use crate::tally::Tally;
use crate::text;

/// How many characters of any text are shown; `run.jsonl` has them all.
const CHARACTERS: usize = 4000;
/// How many characters of a text of many lines are shown.
const LONG: usize = 40_000;

/// Where the template leaves room for data. Escaped text can't hold such a comment.
const ROOM: [&str; 3] = ["<!--cases-->", "<!--setups-->", "<!--texts-->"];

/// Writes the page.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let tally = Tally::of(run);
    let page = view::Page::of(run, &tally)
        .render()
        .map_err(io::Error::other)?;
    let groups = data::groups(run);
    std::thread::scope(|scope| {
        // Half of the page, while the other half is written.
        let setups = scope.spawn(|| setup::write(run, &groups));
        let rest = up_to(&page, ROOM[0], out)?;
        data::write(run, &groups, &tally, out)?;
        let rest = up_to(rest, ROOM[1], out)?;
        let setups = setups.join();
        let (setups, texts) = setups.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        out.write_all(&setups)?;
        let rest = up_to(rest, ROOM[2], out)?;
        texts.write(out)?;
        out.write_all(rest.as_bytes())
    })
}

/// Writes the page up to a place that is left free, and gives back what follows it.
fn up_to<'page>(page: &'page str, room: &str, out: &mut impl Write) -> io::Result<&'page str> {
    let (before, rest) = page.split_once(room).unwrap_or((page, ""));
    out.write_all(before.as_bytes())?;
    Ok(rest)
}

fn shown(hostile: &str) -> String {
    text::clipped(hostile, CHARACTERS)
}

/// [`shown`], in JSON: there are a hundred thousand such texts, and nearly all are shown as they are.
struct Shown<'run>(&'run str);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text::cut(self.0, CHARACTERS))
    }
}

/// Text whose line breaks mean something.
fn lines(hostile: &str) -> String {
    let lines: Vec<_> = hostile.split('\n').map(text::printable).collect();
    let whole = lines.join("\n");
    match text::end_of(&whole, LONG) {
        None => whole,
        Some(end) => format!("{}\n... (cut; run.jsonl has all of it)", &whole[..end]),
    }
}
