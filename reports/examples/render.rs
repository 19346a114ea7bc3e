//! Writes a stored run in one format, without building the command line:
//! `cargo run -p qconform-reports --example render -- run.jsonl html > report.html`.

use std::error::Error;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use qconform_reports::format::Format;
use qconform_reports::stream::Run;
use qconform_reports::terminal::Options;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [stream, format] = arguments.as_slice() else {
        return Err("usage: render RUN.jsonl FORMAT".into());
    };
    let format = Format::parse(format).ok_or("no such format")?;
    let options = Options {
        color: true,
        verbose: false,
        width: 100,
    };
    let mut out = BufWriter::new(io::stdout().lock());
    format.write(&Run::open(Path::new(stream))?, options, &mut out)?;
    out.flush()?;
    Ok(())
}
