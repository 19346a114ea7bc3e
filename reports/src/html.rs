//! One self-contained HTML page: who was tested, with what result, and every case.
//!
//! The first page is plain HTML. The list of cases is drawn by a small script from JSON
//! that is embedded in the page, so that thousands of cases stay quick. Nothing is
//! fetched: the page's own policy forbids it.

mod data;
mod view;

use std::io::{self, Write};

use askama::Template;

use crate::stream::Run;
use crate::text;

/// How many characters of any text are shown; `run.jsonl` has them all.
const CHARACTERS: usize = 4000;

/// Writes the page.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let page = view::Page::of(run).map_err(io::Error::other)?;
    page.write_into(out)
}

fn shown(hostile: &str) -> String {
    text::clipped(hostile, CHARACTERS)
}
