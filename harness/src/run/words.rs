//! A case in the words of its scenario, for `show` and for reports.

use qconform_scenarios::case::{Ask, Case, Form, ImageAsk, LabelAsk, LabelConfig};
use qconform_scenarios::expect::{Allowed, Cell, Expectation, Matrix, Outcome, Refusal};
use qconform_scenarios::file::CaseFiles;
use qconform_scenarios::verdict::Grade;

/// A value as a scenario would write it.
pub(crate) fn inline_toml(value: &impl serde::Serialize) -> String {
    let mut text = String::new();
    match value.serialize(toml::ser::ValueSerializer::new(&mut text)) {
        Ok(_) => text,
        Err(error) => error.to_string(),
    }
}

/// The recipe that writes these files, as `generate` takes it.
pub(crate) fn recipe(files: &CaseFiles, seed: u64) -> String {
    let mut lines = match seed {
        0 => Vec::new(),
        seed => vec![format!("seed = {seed}")],
    };
    lines.push("[files]".to_owned());
    for (name, file) in files {
        let name = toml::Value::String(name.clone());
        lines.push(format!("{name} = {}", inline_toml(&file.content)));
    }
    lines.join("\n")
}

/// An image and how its format is declared.
pub(crate) fn image(image: &ImageAsk) -> String {
    let format = image.format.as_deref().unwrap_or("probed");
    format!("image: {} (format: {format})", image.file)
}

/// How a domain is to be written.
pub(crate) fn form(form: Form) -> String {
    format!("form: {}", form.as_str())
}

/// The configuration of relabelling, a line for each key.
pub(crate) fn config(config: &LabelConfig) -> Vec<String> {
    let on = |flag| if flag { "on" } else { "off" };
    let drivers: Vec<&str> = config
        .drivers
        .iter()
        .map(|driver| driver.as_str())
        .collect();
    let (low, high) = config.category_pair;
    let mut lines = vec![
        format!("user               {}", config.user),
        format!("remember           {}", on(config.remember)),
        format!("dynamic ownership  {}", on(config.dynamic_ownership)),
        format!("drivers            {}", drivers.join(", ")),
        format!("category pair      c{low},c{high}"),
    ];
    if config.state_directory {
        lines.push("state folder       named".to_owned());
    }
    if config.user_records {
        lines.push("user.* records     allowed".to_owned());
    }
    lines
}

/// The steps, with the domain where one changes it.
pub(crate) fn steps(label: &LabelAsk) -> Vec<String> {
    let names: Vec<&str> = label.steps.iter().map(|ask| ask.step.as_str()).collect();
    let mut lines = vec![format!("steps: {}", names.join(", "))];
    for ask in &label.steps {
        let name = ask.step.as_str();
        if let Some(commit) = &ask.commit {
            let top = commit.top.as_deref().unwrap_or("the disk's top image");
            lines.push(format!("\n{name}: from {top} to {}", commit.base));
        } else if ask.step.changes_disks() || ask.step.is_of_second() {
            lines.push(format!("\n{name}:\n{}", ask.xml));
        }
    }
    lines
}

/// What is right, a line for each outcome or cell.
pub(crate) fn expected(case: &Case) -> Vec<String> {
    let mut lines = answers(case);
    if !case.secrets.is_empty() {
        let grade = case.secrets.shown.map_or("fail: ", grade);
        lines.push(format!("{grade}an answer that shows a credential"));
    }
    lines
}

fn answers(case: &Case) -> Vec<String> {
    match &case.expectation {
        Expectation::Header(allowed) => outcomes(allowed),
        Expectation::Open(allowed) => outcomes(allowed),
        Expectation::Read(allowed) => outcomes(allowed),
        Expectation::Access(allowed) => outcomes(allowed),
        Expectation::Blockdev(allowed) => outcomes(allowed),
        Expectation::Xml(allowed) => outcomes(allowed),
        Expectation::Label(matrix) => {
            let mut lines = Vec::new();
            match matrix.refuse {
                Refusal::Never => {}
                Refusal::May => lines.push("the first step may be refused".to_owned()),
                Refusal::Must => lines.push("the first step is refused".to_owned()),
            }
            let refused = matrix.refused.iter();
            lines.extend(refused.map(|step| format!("{} is refused", step.as_str())));
            lines.extend(rows(matrix, &case.ask));
            lines.push("every other file stays as it is".to_owned());
            lines
        }
    }
}

/// The cells in the order of the steps.
fn rows(matrix: &Matrix, ask: &Ask) -> Vec<String> {
    let Ask::Label(label) = ask else {
        return Vec::new();
    };
    let names = label.steps.iter().map(|ask| ask.step.as_str().len());
    let width = names.max().unwrap_or_default();
    let mut lines = Vec::new();
    for row in &matrix.rows {
        for step in label.steps.iter().map(|ask| ask.step) {
            if let Some(cell) = row.cells.get(&step) {
                let (name, file, words) = (step.as_str(), &row.file, self::cell(cell));
                lines.push(format!("{name:<width$}  {file:<16} {words}"));
            }
        }
    }
    lines
}

fn outcomes<F: serde::Serialize>(allowed: &Allowed<F>) -> Vec<String> {
    let lines = allowed.iter().map(|graded| {
        let grade = grade(graded.grade);
        match &graded.wanted {
            Outcome::Accept(facts) => format!("{grade}accepted: {}", inline_toml(facts)),
            Outcome::Reject => format!("{grade}rejected"),
        }
    });
    lines.collect()
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Pass => "",
        Grade::Lenient => "lenient: ",
        Grade::Info => "info: ",
    }
}

/// A cell in the words of the matrix.
pub(crate) fn cell(cell: &Cell) -> String {
    let states = cell.0.iter().map(|graded| {
        let owner = graded.wanted.owner.to_string();
        let label = graded.wanted.label.to_string();
        let grade = grade(graded.grade);
        match owner == label {
            true => format!("{grade}{owner}"),
            false => format!("{grade}{owner}, {label}"),
        }
    });
    states.collect::<Vec<_>>().join(" | ")
}
