//! A badge, as the JSON that shields' endpoint takes.

use std::io::{self, Write};

use serde::Serialize;

use crate::counts::{Conclusion, Counts, Group};
use crate::json;
use crate::stream::Run;
use crate::tally::Tally;
use crate::text;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Badge {
    schema_version: u32,
    label: String,
    message: String,
    color: &'static str,
    is_error: bool,
}

/// Writes the badge of a run: of its subject if it has one, else of the worst of them.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    json::compact(&badge(run), out)?;
    writeln!(out)
}

fn badge(run: &Run) -> Badge {
    let tally = Tally::of(run);
    let whole = run.gap().is_none();
    let label = match tally.subjects.as_slice() {
        [only] => format!("qconform: {}", text::clipped(only.name, 40)),
        _ => "qconform".to_owned(),
    };
    let worst = tally.subjects.iter().map(|it| it.counts.conclusion(whole));
    let conclusion = worst.min_by_key(|it| *it as u8);
    let conclusion = conclusion.unwrap_or(Conclusion::Nothing);
    let counts: Counts = run.cases.iter().map(|case| case.verdict).collect();
    let counted = |group| format!("{} {}", counts.group(group), Group::as_str(group));
    let (message, color) = match conclusion {
        Conclusion::Fails => (counted(Group::Failed), "red"),
        Conclusion::Unjudged => (counted(Group::HarnessErrors), "orange"),
        Conclusion::Nothing => ("not tested".to_owned(), "lightgrey"),
        Conclusion::Stale => (counted(Group::Fixed), "yellow"),
        Conclusion::Partial => ("incomplete".to_owned(), "orange"),
        Conclusion::Deviates => (
            format!("{}, {}", counted(Group::Passed), counted(Group::Known)),
            "yellowgreen",
        ),
        Conclusion::Conforms => (counted(Group::Passed), "brightgreen"),
    };
    Badge {
        schema_version: 1,
        label,
        message,
        color,
        is_error: !matches!(conclusion, Conclusion::Conforms | Conclusion::Deviates),
    }
}
