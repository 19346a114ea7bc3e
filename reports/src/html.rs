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

/// Why a page could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HtmlError {
    /// The output refused.
    #[error("cannot write the page: {0}")]
    Io(#[from] io::Error),
    /// The cases could not be embedded.
    #[error("cannot embed the cases: {0}")]
    Data(#[from] serde_json::Error),
}

/// Writes the page.
///
/// # Errors
/// [`HtmlError`], in practice what `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> Result<(), HtmlError> {
    let page = view::Page::of(run)?;
    page.write_into(out)?;
    Ok(())
}

fn shown(hostile: &str) -> String {
    text::clipped(hostile, CHARACTERS)
}
