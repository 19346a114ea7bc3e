//! `failures.txt` and `passes.txt`: one line a case, for `grep`, `cut` and `comm`.

use std::io::{self, Write};

use qconform_scenarios::verdict::Verdict;

use crate::event::CaseEvent;
use crate::stream::Run;
use crate::tally::{self, Tally};
use crate::text;

/// Writes unexpected failures, harness errors and unexpected passes, worst first:
/// verdict, subject, id and message, with a tab between them. Hidden characters and
/// backslashes are escaped, so that each case is one line of four fields.
///
/// # Errors
/// What `out` returns.
pub fn failures(run: &Run, out: &mut impl Write) -> io::Result<()> {
    for case in tally::unexpected(run, &Tally::of(run)) {
        let message = text::field(&case.message);
        line(case, out)?;
        writeln!(out, "\t{message}")?;
    }
    Ok(())
}

/// Writes the cases that passed, in the order of subjects, then by id: verdict, subject
/// and id, as in [`failures`].
///
/// # Errors
/// What `out` returns.
pub fn passes(run: &Run, out: &mut impl Write) -> io::Result<()> {
    let tally = Tally::of(run);
    let passed = |case: &&CaseEvent| case.verdict == Verdict::Pass;
    let mut cases: Vec<_> = run.cases.iter().filter(passed).collect();
    cases.sort_by_cached_key(|case| (tally.position(&case.subject), &*case.case));
    for case in cases {
        line(case, out)?;
        writeln!(out)?;
    }
    Ok(())
}

fn line(case: &CaseEvent, out: &mut impl Write) -> io::Result<()> {
    let (subject, id) = (text::field(&case.subject), text::field(&case.case));
    write!(out, "{}\t{subject}\t{id}", case.verdict.as_str())
}
