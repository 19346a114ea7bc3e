//! Writes a long stream, to measure with: `many CASES SUBJECTS > run.jsonl`. The cases are
//! those of the stored run over and over; most pass, each subject fails others.

use std::error::Error;
use std::io::{self, BufWriter};
use std::path::Path;

use qconform_reports::event::{Event, SubjectInfo};
use qconform_reports::stream::{Run, Writer};
use qconform_scenarios::verdict::Verdict;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().skip(1).map(|text| text.parse());
    let arguments: Vec<usize> = arguments.collect::<Result<_, _>>()?;
    let [cases, subjects] = arguments.as_slice() else {
        return Err("usage: many CASES SUBJECTS > run.jsonl".into());
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/every-verdict.jsonl");
    let stored = Run::open(&path)?;
    let out = BufWriter::new(io::stdout().lock());
    write(&stored, *cases, *subjects, &mut Writer::new(out))?;
    Ok(())
}

fn write(
    stored: &Run,
    cases: usize,
    subjects: usize,
    out: &mut Writer<impl io::Write>,
) -> io::Result<()> {
    let mut header = stored.header.clone();
    header.selected = cases as u64;
    let names: Vec<_> = (1..=subjects).map(|it| format!("subject-{it}")).collect();
    header.subjects = names
        .iter()
        .map(|name| SubjectInfo {
            name: name.clone(),
            ..stored.header.subjects[0].clone()
        })
        .collect();
    out.write(&Event::Header(Box::new(header)))?;
    let setups: Vec<_> = stored.setups.values().collect();
    let mut footer = stored.footer.clone().unwrap_or_else(|| unreachable!());
    footer.counts.clear();
    for number in 0..cases {
        let mut setup = setups[number % setups.len()].clone();
        let id = format!("label/area-{}/topic/case={number}", number % 40);
        setup.case = id.as_str().into();
        out.write(&Event::Setup(Box::new(setup)))?;
        for (index, subject) in names.iter().enumerate() {
            let mut case = stored.cases[number % stored.cases.len()].clone();
            case.case = id.as_str().into();
            case.subject = subject.as_str().into();
            case.repeat = format!("qconform run --subject {subject} --exact '{id}'");
            let fails = (number * 7 + index * 13) % 50 == 0;
            if !fails {
                case.verdict = Verdict::Pass;
                case.message.clear();
                case.differences.clear();
                case.cells.clear();
                case.known_reason = None;
            }
            let counts = footer.counts.entry(subject.clone()).or_default();
            *counts.entry(case.verdict).or_default() += 1;
            out.write(&Event::Case(Box::new(case)))?;
        }
    }
    out.write(&Event::Footer(footer))
}
