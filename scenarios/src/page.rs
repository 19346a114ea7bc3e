//! Pages of the documentation that are made from the suite's data. Tests compare them with what
//! is checked in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::bug::{Bug, Shown};
use crate::requirement::Requirement;
use crate::suite::Suite;

const BUGS: &str = "# Bugs that happened

Made from `scenarios/bugs/`; `qconform list --bugs` prints the same. Whoever has a bug report finds
the case that shows it here, or the nearest one to copy. `qconform run PATTERN` runs the cases, and
`qconform show ID` prints one.
";

const REQUIREMENTS: &str = "# Requirements

Made from `scenarios/requirements.toml`; `qconform list --requirements` prints the same. The
strength is in the words of RFC 2119; `info` states what is customary where no rule decides. Where
breaking a requirement can hand a file to a guest, or touch one that is nobody's business, it says
**security**.
";

/// `docs/bugs.md`.
#[must_use]
pub fn bugs(bugs: &[Bug]) -> String {
    let mut page = String::from(BUGS);
    let mut program = "";
    let mut sorted: Vec<&Bug> = bugs.iter().collect();
    sorted.sort_by_key(|bug| &bug.program);
    for bug in sorted {
        if bug.program != program {
            program = &bug.program;
            let _infallible = writeln!(page, "\n## {program}");
        }
        self::bug(bug, &mut page);
    }
    page
}

fn bug(bug: &Bug, page: &mut String) {
    let security = if bug.security { " **Security.**" } else { "" };
    let references = bug.references.join("; ");
    let _infallible = write!(
        page,
        "\n### {}\n\n{}{security}\n\n- References: {references}\n- Affected: {}\n",
        bug.id,
        markdown(&bug.cause),
        bug.affected
    );
    let named = quoted(bug.shown.patterns());
    let _infallible = match &bug.shown {
        Shown::By { .. } => writeln!(page, "- Shown by {named}"),
        Shown::Not { not_shown, .. } => {
            writeln!(page, "- Not shown: {not_shown}. Nearest: {named}")
        }
    };
}

/// `docs/requirements.md`.
#[must_use]
pub fn requirements(suite: &Suite) -> String {
    let mut page = String::from(REQUIREMENTS);
    let cases = cases_by_requirement(suite);
    let mut area = "";
    for requirement in suite.requirements.iter() {
        let own = requirement.id.split('.').next().unwrap_or_default();
        if own != area {
            area = own;
            let _infallible = writeln!(page, "\n## {area}");
        }
        let none = BTreeMap::new();
        let scenarios = cases.get(requirement.id.as_str()).unwrap_or(&none);
        self::requirement(requirement, scenarios, &mut page);
    }
    page
}

fn requirement(requirement: &Requirement, cases: &BTreeMap<&str, usize>, page: &mut String) {
    let security = if requirement.security {
        ", **security**"
    } else {
        ""
    };
    let cases: Vec<String> = cases
        .iter()
        .map(|(scenario, count)| format!("`{scenario}` ({count})"))
        .collect();
    let _infallible = write!(
        page,
        "\n### {}\n\n{}{security}: {}\n\n{}\n\n- Source: {}\n- Cases: {}\n",
        requirement.id,
        requirement.strength.as_str(),
        markdown(&requirement.text),
        markdown(&requirement.why),
        requirement.source,
        cases.join(", ")
    );
}

/// For each requirement the scenarios that cite it, with the number of their cases.
fn cases_by_requirement(suite: &Suite) -> BTreeMap<&str, BTreeMap<&str, usize>> {
    let mut found: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for scenario in &suite.scenarios {
        for id in &scenario.requirements {
            let scenarios = found.entry(id).or_default();
            scenarios.insert(&scenario.id, scenario.cases());
        }
    }
    found
}

fn quoted(patterns: &[String]) -> String {
    let quoted: Vec<String> = patterns.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(", ")
}

/// XML elements would vanish in Markdown.
fn markdown(text: &str) -> String {
    text.replace('<', "&lt;")
}
