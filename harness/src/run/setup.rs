//! What a report shows of a case beside its verdicts.

use qconform_generators::recipe::Content;
use qconform_reports::event::{CellSeen, Head, Setup, SetupFile, State, Wanted};
use qconform_scenarios::case::{Ask, Case, LabelAsk};
use qconform_scenarios::expect::{Expectation, Matrix, StateWanted};
use qconform_scenarios::file::{CaseFile, Owner};
use qconform_scenarios::secret::Secrets;
use serde_json::Value;

use super::{chain, words};
use crate::observe::hex;
use crate::worker::Observation;

/// How many bytes of a text are kept. A captured image's recipe can be as large as its tables,
/// and an event has to fit into a line whatever has to be escaped in it.
const LIMIT: usize = 128 << 10;

/// The setup of a case with this recipe; `head` is the beginning of the image that it asks about,
/// in hex.
pub(super) fn of(case: &Case, recipe: &str, head: Option<String>) -> Setup {
    let mut setup = Setup {
        case: case.id.as_str().into(),
        recipe: bounded(recipe.to_owned()),
        expected: words::expected(case),
        ..Setup::default()
    };
    let chain = chain::of(case);
    setup.files = case
        .files
        .iter()
        .map(|(name, file)| SetupFile {
            roles: roles(&chain, name),
            ..self::file(name, file)
        })
        .collect();
    setup.links = chain.links;
    ask(case, &mut setup);
    if let Ask::Header(image) = &case.ask {
        setup.head = head.map(|bytes| Head {
            file: image.file.clone(),
            bytes,
        });
    }
    if let (Ask::Label(label), Expectation::Label(matrix)) = (&case.ask, &case.expectation) {
        setup.steps = label
            .steps
            .iter()
            .map(|ask| ask.step.as_str().to_owned())
            .collect();
        setup.matrix = self::matrix(case, label, matrix);
    }
    without_secrets(case, setup)
}

/// A setup is passed on with reports, so it tells where a credential stands and not which.
fn without_secrets(case: &Case, setup: Setup) -> Setup {
    if case.secrets.is_empty() {
        return setup;
    }
    let hidden = serde_json::to_value(&setup).map(|mut value| {
        hide(&case.secrets, &mut value);
        value
    });
    // A setup that can't be read again is left out rather than shown.
    hidden.and_then(serde_json::from_value).unwrap_or_default()
}

fn hide(secrets: &Secrets, value: &mut Value) {
    match value {
        Value::String(text) => *text = in_bytes(secrets, &secrets.hide(text)),
        Value::Array(values) => values.iter_mut().for_each(|value| hide(secrets, value)),
        Value::Object(members) => members.values_mut().for_each(|value| hide(secrets, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Asterisks for credentials in hexadecimal, as many as there were bytes.
fn in_bytes(secrets: &Secrets, text: &str) -> String {
    let replace = |text: String, secret: &String| {
        let bytes = secret.as_bytes();
        text.replace(&hex(bytes), &hex(&vec![b'*'; bytes.len()]))
    };
    secrets.texts.iter().fold(text.to_owned(), replace)
}

/// The text, cut with a note where it is too long.
fn bounded(text: String) -> String {
    if text.len() <= LIMIT {
        return text;
    }
    let is_end = |at: &usize| text.is_char_boundary(*at);
    let end = (0..=LIMIT).rev().find(is_end).unwrap_or_default();
    let missing = text.len() - end;
    format!("{}\n... cut: {missing} more bytes", &text[..end])
}

fn roles(chain: &chain::Chain, name: &str) -> Vec<String> {
    let roles = chain.roles.get(name).into_iter().flatten();
    roles.map(ToString::to_string).collect()
}

fn file(name: &str, file: &CaseFile) -> SetupFile {
    SetupFile {
        name: name.to_owned(),
        kind: kind(&file.content).to_owned(),
        roles: Vec::new(),
        owner: file.owner.to_string(),
        mode: format!("{:04o}", file.mode),
        label: file.label.clone(),
        decoy: file.decoy,
    }
}

fn kind(content: &Content) -> &'static str {
    match content {
        Content::Qcow2(_) => "qcow2",
        Content::Raw(_) => "raw",
        Content::Symlink(_) => "symlink",
        Content::Directory(_) => "directory",
        Content::Fifo(_) => "fifo",
        Content::Socket(_) => "socket",
        Content::HardLink(_) => "hard-link",
        Content::Given(_) => "given",
    }
}

fn ask(case: &Case, setup: &mut Setup) {
    match &case.ask {
        Ask::Header(image) | Ask::Open(image) => {
            setup.ask = vec![words::image(image)];
        }
        Ask::Read {
            image,
            offsets,
            length,
        } => {
            let offsets: Vec<_> = offsets.iter().map(ToString::to_string).collect();
            let offsets = format!("{length} bytes at guest offsets {}", offsets.join(", "));
            setup.ask = vec![words::image(image), offsets];
        }
        Ask::Access(domain) | Ask::Blockdev(domain) => {
            setup.domain = Some(bounded(domain.xml.clone()));
        }
        Ask::Xml(ask) => {
            setup.domain = Some(bounded(ask.xml.clone()));
            setup.ask = vec![words::form(ask.form)];
        }
        Ask::Label(label) => {
            setup.domain = Some(bounded(label.xml.clone()));
            setup.ask = words::config(&label.config);
            setup.ask.push(bounded(words::steps(label).join("\n")));
        }
    }
}

/// Owner and label.
type Pair = (Owner, Option<String>);

fn state((owner, label): Pair) -> State {
    State {
        owner: owner.to_string(),
        label,
    }
}

fn resolve(wanted: &StateWanted, ask: &LabelAsk, original: &Pair, kept: &Pair) -> Pair {
    let config = &ask.config;
    let owner = wanted.owner.resolve(original.0, kept.0, config.user);
    let label = wanted.label.resolve(
        original.1.as_deref(),
        kept.1.as_deref(),
        config.category_pair,
    );
    (owner, label)
}

/// The required state of each file after each step.
fn matrix(case: &Case, ask: &LabelAsk, matrix: &Matrix) -> Vec<Wanted> {
    let mut cells = Vec::new();
    for row in &matrix.rows {
        let Some(file) = case.files.get(&row.file) else {
            continue;
        };
        let original = (file.owner, file.label.clone());
        let mut kept = original.clone();
        for step in ask.steps.iter().map(|ask| ask.step) {
            let Some(cell) = row.cells.get(&step) else {
                continue;
            };
            let Some(required) = cell.0.first() else {
                continue;
            };
            kept = resolve(&required.wanted, ask, &original, &kept);
            cells.push(Wanted {
                step: step.as_str().to_owned(),
                file: row.file.clone(),
                words: words::cell(cell),
                state: state(kept.clone()),
            });
        }
    }
    cells
}

/// The cells of a label case that were not seen in the required state.
pub(super) fn cells(case: &Case, observation: &Observation) -> Vec<CellSeen> {
    let (Ask::Label(ask), Expectation::Label(matrix)) = (&case.ask, &case.expectation) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut previous = &observation.before;
    let steps = ask.steps.iter().map(|ask| ask.step);
    for (step, stage) in steps.zip(&observation.stages) {
        for (name, after) in &stage.after {
            let (Some(before), Some(kept)) = (observation.before.get(name), previous.get(name))
            else {
                continue;
            };
            let pair = |file: &crate::observe::FileState| (file.owner, file.label.clone());
            let (original, kept, seen) = (pair(before), pair(kept), pair(after));
            let row = matrix.rows.iter().find(|row| *row.file == **name);
            // A file without a row must stay as it was.
            let allowed: Vec<Pair> = match row.and_then(|row| row.cells.get(&step)) {
                Some(cell) => cell
                    .0
                    .iter()
                    .map(|graded| resolve(&graded.wanted, ask, &original, &kept))
                    .collect(),
                None => vec![original],
            };
            if let Some(required) = allowed.first().filter(|required| **required != seen) {
                found.push(CellSeen {
                    step: step.as_str().to_owned(),
                    file: name.to_string(),
                    expected: state(required.clone()),
                    allowed: allowed.contains(&seen),
                    observed: state(seen),
                });
            }
        }
        previous = &stage.after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_fits_into_an_event() {
        assert_eq!(bounded("short".to_owned()), "short");
        let long = "ä".repeat(LIMIT);
        let cut = bounded(format!("x{long}"));
        assert!(cut.len() < LIMIT + 100);
        assert!(cut.ends_with("ä\n... cut: 131074 more bytes"));
    }
}
