//! Renders a stored run in every format, to look at the outputs while working on them:
//! `cargo run -p qconform-reports --example render -- run.jsonl OUTPUT-FOLDER`.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use qconform_reports::stream::Run;
use qconform_reports::{flat, html, junit, terminal};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [stream, folder] = arguments.as_slice() else {
        return Err("usage: render RUN.jsonl OUTPUT-FOLDER".into());
    };
    let run = Run::open(Path::new(stream))?;
    let create = |name| File::create(Path::new(folder).join(name)).map(BufWriter::new);
    let mut out = create("report.html")?;
    html::write(&run, &mut out)?;
    out.flush()?;
    let mut out = create("junit.xml")?;
    junit::write(&run, &mut out)?;
    out.flush()?;
    let mut out = create("failures.txt")?;
    flat::write(&run, &mut out)?;
    out.flush()?;
    let options = terminal::Options {
        color: true,
        verbose: false,
        width: 100,
    };
    terminal::summary(&run, options, &mut io::stdout().lock())?;
    Ok(())
}
