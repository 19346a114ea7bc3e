//! A scenario file: parsed once, then each of its cases typed when it is needed.

use std::sync::Arc;

use toml::{Table, Value};

use crate::axis::{self, Axes, Choices};
use crate::case::Case;
use crate::error::{DataError, Fault};
use crate::expect;
use crate::file::{self, CaseFiles, FileSystem};
use crate::locate;
use crate::verdict::Level;

mod config;
mod content;
mod define;
mod depends;
mod steps;
mod when;

use content::Body;
use define::Define;
use when::When;

/// A scenario with its axes. Cases are numbered by combination of choices.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The path of the scenario in ids, such as `label/data-file/follows-image`.
    pub id: String,
    /// What its cases ask.
    pub level: Level,
    /// Ids of the requirements that it tests.
    pub requirements: Vec<String>,
    file: String,
    text: String,
    /// What stands under `files`.
    files: Table,
    /// Everything else that is neither an axis nor one of the lists below.
    body: Table,
    axes: Axes,
    defines: Vec<Define>,
    expects: Vec<(When, Table)>,
    impossible: Vec<(When, String)>,
    /// The axes that the files depend on.
    fixture_axes: Vec<String>,
}

/// What a combination of choices is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Combination {
    /// A case with this id.
    Case(String),
    /// Ruled out by the scenario, with its reason.
    Impossible(String),
}

impl Scenario {
    /// Reads a scenario. `file` is how errors call it, `id` its path in case ids.
    pub fn parse(file: &str, id: &str, text: &str) -> Result<Self, DataError> {
        let body: Table = text
            .parse()
            .map_err(|error| locate::syntax(file, text, &error))?;
        Self::read(file, id, text, body).map_err(|fault| locate::error(file, text, fault))
    }

    fn read(file: &str, id: &str, text: &str, mut body: Table) -> Result<Self, Fault> {
        let axes = match body.remove("axes") {
            Some(Value::Table(table)) => Axes::parse(&table)?,
            Some(_) => return Err(Fault::at(["axes"], "`axes` is a table")),
            None => Axes::default(),
        };
        let mut defines = Vec::new();
        for (index, table) in tables(&mut body, "define")?.into_iter().enumerate() {
            let define = Define::take(table, &axes);
            defines.push(define.map_err(|fault| fault.inside(["define", &index.to_string()]))?);
        }
        let mut expects = Vec::new();
        for (index, mut table) in tables(&mut body, "expect")?.into_iter().enumerate() {
            let when = When::take(&mut table, &axes)
                .map_err(|fault| fault.inside(["expect", &index.to_string()]))?;
            expects.push((when, table));
        }
        if expects.is_empty() {
            return Err(Fault::at([], "a scenario needs at least one [[expect]]"));
        }
        let mut impossible = Vec::new();
        for (index, mut table) in tables(&mut body, "impossible")?.into_iter().enumerate() {
            let inside = |fault: Fault| fault.inside(["impossible", &index.to_string()]);
            let when = When::take(&mut table, &axes).map_err(inside)?;
            impossible.push((when, when::reason(table).map_err(inside)?));
        }
        let level = typed_key(&body, "level")?;
        let requirements: Vec<String> = typed_key(&body, "requirements")?;
        if requirements.is_empty() {
            return Err(Fault::at(
                ["requirements"],
                "a scenario cites at least one requirement",
            ));
        }
        let fixture_axes = depends::axes_of(&["files", "filesystem"], &body, &defines, &axes);
        let files = match body.remove("files") {
            Some(Value::Table(files)) => files,
            Some(_) => return Err(Fault::at(["files"], "`files` is a table")),
            None => return Err(Fault::at([], "`files` is missing")),
        };
        Ok(Scenario {
            id: id.to_owned(),
            level,
            requirements,
            file: file.to_owned(),
            text: text.to_owned(),
            files,
            body,
            axes,
            defines,
            expects,
            impossible,
            fixture_axes,
        })
    }

    /// The file's text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// How many combinations of choices there are, impossible ones included.
    #[must_use]
    pub fn combinations(&self) -> usize {
        self.axes.count()
    }

    /// How many cases it gives.
    #[must_use]
    pub fn cases(&self) -> usize {
        let is_case = |number: &usize| matches!(self.combination(*number), Combination::Case(_));
        (0..self.combinations()).filter(is_case).count()
    }

    /// What the combination with this number is.
    #[must_use]
    pub fn combination(&self, number: usize) -> Combination {
        let choices = self.axes.combination(number);
        let ruled_out = self
            .impossible
            .iter()
            .find(|(when, _)| when.matches(&choices));
        match ruled_out {
            Some((_, reason)) => Combination::Impossible(reason.clone()),
            None => Combination::Case(self.case_id(&choices)),
        }
    }

    /// What the fixture of the combination with this number depends on: equal for combinations of
    /// this scenario whose files are the same.
    #[must_use]
    pub fn fixture_key(&self, number: usize) -> String {
        let mut choices = self.axes.combination(number);
        choices.retain(|axis, _| self.fixture_axes.iter().any(|name| **name == **axis));
        axis::id_part(&choices)
    }

    fn case_id(&self, choices: &Choices) -> String {
        if choices.is_empty() {
            return self.id.clone();
        }
        format!("{}/{}", self.id, axis::id_part(choices))
    }

    /// Types the case with this number.
    pub fn case(&self, number: usize) -> Result<Case, DataError> {
        self.case_with(number, None)
    }

    /// The same, with files that are typed already: those of a case of this scenario with an equal
    /// [`Self::fixture_key`].
    pub fn case_with(
        &self,
        number: usize,
        files: Option<Arc<CaseFiles>>,
    ) -> Result<Case, DataError> {
        let choices = self.axes.combination(number);
        self.build(&choices, files).map_err(|mut fault| {
            if !choices.is_empty() {
                fault.message = format!("{} (with {})", fault.message, axis::id_part(&choices));
            }
            locate::error(&self.file, &self.text, fault)
        })
    }

    /// Types every case, and checks that each combination is ruled out or else expected
    /// exactly once, and that every `when` matches something.
    pub fn check(&self) -> Result<(), DataError> {
        let located = |fault| locate::error(&self.file, &self.text, fault);
        let all: Vec<Choices> = (0..self.combinations())
            .map(|number| self.axes.combination(number))
            .collect();
        let defines = self.defines.iter().map(|define| &define.when).collect();
        let lists = [
            (self.whens(), "expect"),
            (self.ruled_out(), "impossible"),
            (defines, "define"),
        ];
        for (list, key) in lists {
            for (index, when) in list.into_iter().enumerate() {
                if !all.iter().any(|choices| when.matches(choices)) {
                    let path = [key, &index.to_string(), "when"];
                    return Err(located(Fault::at(
                        path,
                        "no combination of choices matches this",
                    )));
                }
            }
        }
        for number in 0..all.len() {
            if matches!(self.combination(number), Combination::Case(_)) {
                self.case(number)?;
            }
        }
        Ok(())
    }

    fn whens(&self) -> Vec<&When> {
        self.expects.iter().map(|(when, _)| when).collect()
    }

    fn ruled_out(&self) -> Vec<&When> {
        self.impossible.iter().map(|(when, _)| when).collect()
    }

    fn build(&self, choices: &Choices, files: Option<Arc<CaseFiles>>) -> Result<Case, Fault> {
        let words = define::with_words(&self.defines, choices)?;
        let body: Body = locate::typed(axis::substitute_table(&self.body, &words)?)?;
        let files = match files {
            Some(files) => files,
            None => Arc::new(self.build_files(&words, body.filesystem)?),
        };
        let (index, table) = self.expected(choices)?;
        let in_expect = |fault: Fault| fault.inside(["expect", &index.to_string()]);
        let own = match &body.domain {
            Some(domain) => domain.own_labels()?,
            None => Default::default(),
        };
        let table = axis::substitute_table(table, &words).map_err(in_expect)?;
        let expectation = expect::build(self.level, table, &own).map_err(in_expect)?;
        let title = body.title.clone();
        let filesystem = body.filesystem;
        let secrets = body.secrets.clone();
        let ask = content::ask(self.level, body, &files, &expectation)?;
        secrets.check(&files, &ask)?;
        content::check_names(&files, &ask, &expectation).map_err(in_expect)?;
        Ok(Case {
            id: self.case_id(choices),
            title,
            requirements: self.requirements.clone(),
            files,
            filesystem,
            ask,
            secrets,
            expectation,
        })
    }

    fn build_files(&self, words: &Choices, filesystem: FileSystem) -> Result<CaseFiles, Fault> {
        let files = axis::substitute_table(&self.files, words).and_then(locate::typed);
        let files = files.map_err(|fault| fault.inside(["files"]))?;
        file::build(&files, self.level, filesystem)
    }

    fn expected(&self, choices: &Choices) -> Result<(usize, &Table), Fault> {
        let mut matching = self
            .expects
            .iter()
            .enumerate()
            .filter(|(_, (when, _))| when.matches(choices));
        let Some((index, (_, table))) = matching.next() else {
            return Err(Fault::at([], "no [[expect]] and no [[impossible]] matches"));
        };
        match matching.next() {
            None => Ok((index, table)),
            Some((second, _)) => Err(Fault::at(
                ["expect", &second.to_string()],
                format!("matches as well as [[expect]] number {}", index + 1),
            )),
        }
    }
}

/// Takes an array of tables out of a scenario's root.
fn tables(body: &mut Table, key: &str) -> Result<Vec<Table>, Fault> {
    let Some(value) = body.remove(key) else {
        return Ok(Vec::new());
    };
    value
        .try_into()
        .map_err(|_| Fault::at([key], format!("`{key}` is an array of tables")))
}

/// A key that may not depend on axes.
fn typed_key<T: serde::de::DeserializeOwned>(body: &Table, key: &str) -> Result<T, Fault> {
    let value = body
        .get(key)
        .ok_or_else(|| Fault::at([], format!("`{key}` is missing")))?;
    value
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| Fault::at([key], error.message()))
}
