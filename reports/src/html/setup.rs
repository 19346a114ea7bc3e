//! What cases consist of, as one JSON value a line, so that the page parses only the cases
//! that somebody opens. Text that many cases share stands in the page once.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;

use super::data::Group;
use super::header::{self, Field};
use super::{Shown, lines};
use crate::event::Setup;
use crate::json;
use crate::stream::Run;

/// A case's setup. Numbers stand for lines of the shared texts.
#[derive(Serialize)]
struct Row<'run> {
    files: Vec<File<'run>>,
    /// From, to, kind, by.
    links: Vec<[Shown<'run>; 4]>,
    recipe: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ask: Option<usize>,
    steps: Vec<Shown<'run>>,
    matrix: Vec<Cell<'run>>,
    expected: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<(Shown<'run>, Vec<Field>)>,
}

/// Name, kind, roles, owner, mode, label, whether a decoy.
#[derive(Serialize)]
struct File<'run>(
    Shown<'run>,
    Shown<'run>,
    Vec<Shown<'run>>,
    Shown<'run>,
    Shown<'run>,
    Option<Shown<'run>>,
    bool,
);

/// Step, file, words, owner, label.
#[derive(Serialize)]
struct Cell<'run>(
    Shown<'run>,
    Shown<'run>,
    Shown<'run>,
    Shown<'run>,
    Option<Shown<'run>>,
);

/// Texts that several cases share.
#[derive(Default)]
pub(super) struct Texts<'run> {
    known: HashMap<std::borrow::Cow<'run, str>, usize>,
}

impl<'run> Texts<'run> {
    fn number(&mut self, text: impl Into<std::borrow::Cow<'run, str>>) -> usize {
        let next = self.known.len();
        *self.known.entry(text.into()).or_insert(next)
    }

    /// Writes the texts, one a line, in the order of their numbers.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut texts: Vec<_> = self.known.iter().collect();
        texts.sort_by_key(|(_, number)| **number);
        for (text, _) in texts {
            json::inside_html(&lines(text), out)?;
            writeln!(out)?;
        }
        Ok(())
    }
}

/// The setup of each of these cases on a line, `null` for one that has none, and the texts.
pub(super) fn write<'run>(
    run: &'run Run,
    cases: &[Group<'_>],
) -> io::Result<(Vec<u8>, Texts<'run>)> {
    let mut out = Vec::new();
    let mut texts = Texts::default();
    for events in cases {
        let setup = run.setups.get(&events[0].case);
        let setup = setup.map(|setup| row(setup, &mut texts));
        json::inside_html(&setup, &mut out)?;
        writeln!(out)?;
    }
    Ok((out, texts))
}

fn row<'run>(setup: &'run Setup, texts: &mut Texts<'run>) -> Row<'run> {
    let files = setup.files.iter().map(|file| {
        File(
            Shown(&file.name),
            Shown(&file.kind),
            file.roles.iter().map(|role| Shown(role)).collect(),
            Shown(&file.owner),
            Shown(&file.mode),
            file.label.as_deref().map(Shown),
            file.decoy,
        )
    });
    let links = setup.links.iter().map(|link| {
        let parts = [&link.from, &link.to, &link.kind, &link.by];
        parts.map(|part| Shown(part))
    });
    let matrix = setup.matrix.iter().map(|wanted| {
        Cell(
            Shown(&wanted.step),
            Shown(&wanted.file),
            Shown(&wanted.words),
            Shown(&wanted.state.owner),
            wanted.state.label.as_deref().map(Shown),
        )
    });
    Row {
        files: files.collect(),
        links: links.collect(),
        recipe: texts.number(setup.recipe.as_str()),
        domain: setup.domain.as_deref().map(|xml| texts.number(xml)),
        ask: (!setup.ask.is_empty()).then(|| texts.number(setup.ask.join("\n"))),
        steps: setup.steps.iter().map(|step| Shown(step)).collect(),
        matrix: matrix.collect(),
        expected: texts.number(setup.expected.join("\n")),
        head: setup
            .head
            .as_ref()
            .map(|head| (Shown(&head.file), header::fields(&head.bytes)))
            .filter(|(_, fields)| !fields.is_empty()),
    }
}
