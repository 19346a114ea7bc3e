//! The matrix of a label case: the state of each file after each step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Cell;
use crate::case::Step;
use crate::domain::OwnLabels;
use crate::error::Fault;
use crate::locate;

/// Rows for files and cells for steps. A file without a row must stay as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// One row for each file that something happens to.
    pub rows: Vec<Row>,
    /// Whether the subject may or must refuse the first step.
    pub refuse: Refusal,
    /// Later steps that the subject must refuse.
    pub refused: Vec<Step>,
}

/// The cells of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// File name in the fixture.
    pub file: String,
    /// Allowed states after each step.
    pub cells: BTreeMap<Step, Cell>,
}

/// What becomes of a domain that should not start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The step must succeed.
    #[default]
    Never,
    /// The subject may refuse; then every file stays as it was.
    May,
    /// The subject must refuse, and every file stays as it was.
    Must,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MatrixSpec {
    #[serde(default)]
    matrix: Vec<BTreeMap<String, String>>,
    #[serde(default)]
    refuse: Refusal,
    #[serde(default)]
    refused: Vec<Step>,
}

/// Types the matrix of an `[[expect]]` table.
pub(super) fn build(table: toml::Table, own: &OwnLabels) -> Result<Matrix, Fault> {
    let spec: MatrixSpec = locate::typed(table)?;
    if spec.matrix.is_empty() && spec.refuse != Refusal::Must {
        return Err(Fault::at(
            [],
            "a label case expects a `matrix` or `refuse = \"must\"`",
        ));
    }
    let rows = spec.matrix.into_iter().enumerate();
    let rows = rows
        .map(|(index, row)| {
            build_row(row, own).map_err(|fault| fault.inside(["matrix", &index.to_string()]))
        })
        .collect::<Result<_, _>>()?;
    Ok(Matrix {
        rows,
        refuse: spec.refuse,
        refused: spec.refused,
    })
}

fn build_row(mut row: BTreeMap<String, String>, own: &OwnLabels) -> Result<Row, Fault> {
    let file = row
        .remove("file")
        .ok_or_else(|| Fault::at([], "the row names no `file`"))?;
    let mut cells = BTreeMap::new();
    for (step, text) in row {
        let fault = |message: String| Fault::at([&step], message);
        let name = Step::parse(&step).ok_or_else(|| fault(format!("`{step}` is not a step")))?;
        cells.insert(name, Cell::parse(&text, own).map_err(fault)?);
    }
    Ok(Row { file, cells })
}

impl Matrix {
    /// Every row names a file of the fixture, once, and has a cell for each step.
    pub(crate) fn check(&self, files: &[&str], steps: &[Step]) -> Result<(), Fault> {
        let later = steps.get(1..).unwrap_or_default();
        if let Some(step) = self.refused.iter().find(|step| !later.contains(step)) {
            let message = format!("{} is not a later step of this case", step.as_str());
            return Err(Fault::at(["refused"], message));
        }
        for (index, row) in self.rows.iter().enumerate() {
            let index = index.to_string();
            let fault = |message: String| Fault::at(["matrix", &index], message);
            if !files.contains(&row.file.as_str()) {
                return Err(fault(format!("the fixture has no file `{}`", row.file)).at_key("file"));
            }
            if self
                .rows
                .iter()
                .filter(|other| other.file == row.file)
                .count()
                > 1
            {
                return Err(fault(format!("`{}` has two rows", row.file)));
            }
            if let Some(step) = steps.iter().find(|step| !row.cells.contains_key(step)) {
                return Err(fault(format!(
                    "`{}` has no cell for {}",
                    row.file,
                    step.as_str()
                )));
            }
            if let Some(step) = row.cells.keys().find(|step| !steps.contains(step)) {
                return Err(fault(format!(
                    "{} is not a step of this case",
                    step.as_str()
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// A matrix that fits the two files and the three steps below.
    const RIGHT: &str = r#"
        refused = ["attach"]
        matrix = [
          { file = "top", start = "vm, rw", attach = "kept", stop = "original" },
          { file = "data", start = "vm, rw", attach = "kept", stop = "original" },
        ]"#;
    const STEPS: [Step; 3] = [Step::Start, Step::Attach, Step::Stop];

    fn read(text: &str) -> Result<Matrix, Fault> {
        build(text.parse().unwrap(), &OwnLabels::default())
    }

    #[test]
    fn a_matrix_has_its_rows_its_cells_and_its_refusals() {
        let matrix = read(RIGHT).unwrap();
        matrix.check(&["top", "data", "other"], &STEPS).unwrap();
        let files: Vec<&str> = matrix.rows.iter().map(|row| row.file.as_str()).collect();
        assert_eq!(files, ["top", "data"]);
        let cell = Cell::parse("kept", &OwnLabels::default()).unwrap();
        assert_eq!(matrix.rows[1].cells[&Step::Attach], cell);
        assert_eq!(matrix.refused, [Step::Attach]);
        assert_eq!(matrix.refuse, Refusal::Never);
    }

    #[rstest]
    #[case::a_first_step_that_is_refused(
        "[\"attach\"]",
        "[\"start\"]",
        "start is not a later step of this case"
    )]
    #[case::a_refused_step_that_there_is_not(
        "[\"attach\"]",
        "[\"detach\"]",
        "detach is not a later step of this case"
    )]
    #[case::a_file_that_there_is_not("\"data\"", "\"date\"", "the fixture has no file `date`")]
    #[case::a_file_twice("\"data\"", "\"top\"", "`top` has two rows")]
    #[case::a_cell_less(
        ", stop = \"original\" },\n        ]",
        "}]",
        "`data` has no cell for stop"
    )]
    #[case::a_cell_more("stop =", "save = \"kept\", stop =", "save is not a step of this case")]
    fn a_matrix_fits_its_case(#[case] from: &str, #[case] to: &str, #[case] message: &str) {
        assert!(RIGHT.contains(from));
        let matrix = read(&RIGHT.replacen(from, to, 1)).unwrap();
        let fault = matrix.check(&["top", "data"], &STEPS).unwrap_err();
        assert_eq!(fault.message, message);
    }

    #[rstest]
    #[case::nothing("", "a label case expects a `matrix` or `refuse = \"must\"`")]
    #[case::nothing_but_a_may(
        "refuse = \"may\"",
        "a label case expects a `matrix` or `refuse = \"must\"`"
    )]
    #[case::no_file("matrix = [{ start = \"kept\" }]", "the row names no `file`")]
    #[case::no_step(
        "matrix = [{ file = \"f\", begin = \"kept\" }]",
        "`begin` is not a step"
    )]
    #[case::no_state(
        "matrix = [{ file = \"f\", start = \"x\" }]",
        "`x` is not original, kept or `OWNER, LABEL`"
    )]
    #[case::no_refusal(
        "refuse = \"never ever\"",
        "unknown variant `never ever`, expected one of `never`, `may`, `must`"
    )]
    fn what_is_no_matrix_is_refused(#[case] text: &str, #[case] message: &str) {
        assert_eq!(read(text).unwrap_err().message, message);
    }

    #[test]
    fn who_must_refuse_needs_no_matrix_and_may_have_one() {
        let alone = read("refuse = \"must\"").unwrap();
        assert_eq!((alone.refuse, alone.rows.len()), (Refusal::Must, 0));
        let both = read(&format!("refuse = \"must\"\n{RIGHT}")).unwrap();
        assert_eq!((both.refuse, both.rows.len()), (Refusal::Must, 2));
        let may = read(&format!("refuse = \"may\"\n{RIGHT}")).unwrap();
        assert_eq!((may.refuse, may.rows.len()), (Refusal::May, 2));
    }
}
