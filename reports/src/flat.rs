//! `failures.txt`: one line a case that a person must look at, for `grep` and `cut`.

use std::io::{self, Write};

use crate::stream::Run;
use crate::tally::{self, Tally};
use crate::text;

/// Writes unexpected failures, harness errors and unexpected passes, worst first:
/// verdict, subject, id and message, with a tab between them. Hidden characters and
/// backslashes are escaped, so that each case is one line of four fields.
///
/// # Errors
/// What `out` returns.
pub fn write(run: &Run, out: &mut impl Write) -> io::Result<()> {
    for case in tally::unexpected(run, &Tally::of(run)) {
        writeln!(
            out,
            "{}\t{}\t{}\t{}",
            case.verdict.as_str(),
            text::field(&case.subject),
            text::field(&case.case),
            text::field(&case.message),
        )?;
    }
    Ok(())
}
