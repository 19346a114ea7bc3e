//! Subjects that die or hang on one kind of question: only those cases fail, and the
//! worker is replaced for the others.

use std::path::Path;
use std::time::Duration;

use libtest_mimic::Failed;
use qconform::subject::reference::Reference;
use qconform::subject::{Answer, Description, Question, Subject};
use qconform_scenarios::select::{Patterns, Selection};
use qconform_scenarios::verdict::Verdict;

use crate::run_against;

/// What happens when the subject is asked about a file that is declared raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unruly {
    Panics,
    Aborts,
    Hangs,
}

impl Unruly {
    pub(crate) const ALL: [Unruly; 3] = [Unruly::Panics, Unruly::Aborts, Unruly::Hangs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Unruly::Panics => "panics",
            Unruly::Aborts => "aborts",
            Unruly::Hangs => "hangs",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Unruly::ALL.into_iter().find(|unruly| unruly.name() == name)
    }

    fn verdict(self) -> Verdict {
        match self {
            Unruly::Panics | Unruly::Aborts => Verdict::Crashed,
            Unruly::Hangs => Verdict::TimedOut,
        }
    }

    fn misbehave(self) -> ! {
        match self {
            Unruly::Panics => panic!("on purpose"),
            Unruly::Aborts => std::process::abort(),
            Unruly::Hangs => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
        }
    }
}

/// The reference until it is asked about a raw file.
pub(crate) struct Misbehaving(pub(crate) Unruly, pub(crate) Reference);

impl Subject for Misbehaving {
    fn describe(&mut self) -> Result<Description, String> {
        self.1.describe()
    }

    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        match question {
            Question::Header(image) if image.format.as_deref() == Some("raw") => self.0.misbehave(),
            _ => self.1.answer(question, dir),
        }
    }
}

/// The cases about raw files get the verdict, and all others pass.
pub(crate) fn only_its_case_fails(unruly: Unruly) -> Result<(), Failed> {
    let patterns = Patterns::parse(&["header/plain".to_owned()], false)?;
    let selection = Selection {
        patterns: Some(patterns),
        ..Selection::default()
    };
    let cases = run_against(
        &format!("unruly:{}", unruly.name()),
        selection,
        Duration::from_secs(1),
    );
    let is_raw = |id: &str| id.contains("as=raw") || id.contains("declared-raw");
    for case in &cases {
        let expected = if is_raw(&case.case) {
            unruly.verdict()
        } else {
            Verdict::Pass
        };
        if case.verdict != expected {
            return Err(format!("{}: {:?} {}", case.case, case.verdict, case.message).into());
        }
    }
    assert!(cases.iter().any(|case| is_raw(&case.case)));
    assert!(cases.iter().any(|case| !is_raw(&case.case)));
    Ok(())
}
