//! A scenario file: parsed once, then each of its cases typed when it is needed.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Table, Value};

use crate::axis::{self, Axes, Choices};
use crate::case::{
    Ask, BLOCK_DEVICE, Case, DomainAsk, Form, ImageAsk, LabelAsk, LabelConfig, Step, XmlAsk,
};
use crate::domain::DomainSpec;
use crate::error::{DataError, Fault};
use crate::expect::{self, Expectation, Outcome, READ_LENGTH};
use crate::file::{self, CaseFiles, FileSpec, FileSystem};
use crate::locate;
use crate::secret::Secrets;
use crate::verdict::Level;

mod config;
mod define;
mod steps;
mod when;

use config::ConfigSpec;
use define::Define;
use steps::AfterSpec;
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
    body: Table,
    axes: Axes,
    defines: Vec<Define>,
    expects: Vec<(When, Table)>,
    impossible: Vec<(When, String)>,
}

/// What a combination of choices is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Combination {
    /// A case with this id.
    Case(String),
    /// Ruled out by the scenario, with its reason.
    Impossible(String),
}

/// A combination's content after its placeholders are replaced.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Body {
    title: String,
    #[serde(rename = "level")]
    _level: Level,
    #[serde(rename = "requirements")]
    _requirements: Vec<String>,
    #[serde(default, rename = "notes")]
    _notes: String,
    files: BTreeMap<String, FileSpec>,
    image: Option<String>,
    #[serde(rename = "as")]
    declared_format: Option<String>,
    domain: Option<DomainSpec>,
    /// How the domain is to be written.
    form: Option<Form>,
    /// What the fixture lies on.
    #[serde(default)]
    filesystem: FileSystem,
    #[serde(default)]
    config: ConfigSpec,
    /// Credentials that no answer may show.
    #[serde(default)]
    secrets: Secrets,
    steps: Option<Vec<Step>>,
    /// What the domain is after a step that changes it.
    #[serde(default)]
    after: BTreeMap<Step, AfterSpec>,
    /// The other domain.
    second: Option<DomainSpec>,
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
        Ok(Scenario {
            id: id.to_owned(),
            level,
            requirements,
            file: file.to_owned(),
            text: text.to_owned(),
            body,
            axes,
            defines,
            expects,
            impossible,
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

    fn case_id(&self, choices: &Choices) -> String {
        if choices.is_empty() {
            return self.id.clone();
        }
        format!("{}/{}", self.id, axis::id_part(choices))
    }

    /// Types the case with this number.
    pub fn case(&self, number: usize) -> Result<Case, DataError> {
        let choices = self.axes.combination(number);
        self.build(&choices).map_err(|mut fault| {
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

    fn build(&self, choices: &Choices) -> Result<Case, Fault> {
        let words = define::with_words(&self.defines, choices)?;
        let body: Body = locate::typed(axis::substitute_table(&self.body, &words)?)?;
        let (index, table) = self.expected(choices)?;
        let in_expect = |fault: Fault| fault.inside(["expect", &index.to_string()]);
        let files = file::build(&body.files, self.level, body.filesystem)?;
        let own = match &body.domain {
            Some(domain) => domain.own_labels()?,
            None => Default::default(),
        };
        let table = axis::substitute_table(table, &words).map_err(in_expect)?;
        let expectation = expect::build(self.level, table, &own).map_err(in_expect)?;
        let title = body.title.clone();
        let filesystem = body.filesystem;
        let secrets = body.secrets.clone();
        let ask = self.ask(body, &files, &expectation)?;
        secrets.check(&files, &ask)?;
        check_names(&files, &ask, &expectation).map_err(in_expect)?;
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

    fn ask(&self, body: Body, files: &CaseFiles, expected: &Expectation) -> Result<Ask, Fault> {
        let needs_image = matches!(self.level, Level::Header | Level::Open | Level::Read);
        if needs_image && (body.domain.is_some() || body.steps.is_some()) {
            return Err(Fault::at(
                [],
                "a header, open or read scenario has an `image`, no domain",
            ));
        }
        if !needs_image && (body.image.is_some() || body.declared_format.is_some()) {
            return Err(Fault::at(["image"], "this level takes a [domain]"));
        }
        if body.form.is_some() != (self.level == Level::Xml) {
            return Err(Fault::at(
                [],
                "a `form` is what an xml scenario has, and no other",
            ));
        }
        let xml = |domain: &Option<DomainSpec>| match domain {
            Some(domain) => domain.to_xml(files),
            None => Err(Fault::at([], "the scenario has no [domain]")),
        };
        Ok(match self.level {
            Level::Header => Ask::Header(image(body.image, body.declared_format, files)?),
            Level::Open => Ask::Open(image(body.image, body.declared_format, files)?),
            Level::Read => Ask::Read {
                image: image(body.image, body.declared_format, files)?,
                offsets: offsets(expected),
                length: READ_LENGTH,
            },
            Level::Access => Ask::Access(DomainAsk {
                xml: xml(&body.domain)?,
            }),
            Level::Blockdev => Ask::Blockdev(DomainAsk {
                xml: xml(&body.domain)?,
            }),
            Level::Xml => Ask::Xml(XmlAsk {
                xml: xml(&body.domain)?,
                form: body.form.unwrap_or_default(),
            }),
            Level::Label => Ask::Label(LabelAsk {
                xml: xml(&body.domain)?,
                steps: steps::build(&body, files)?,
                config: LabelConfig::try_from(body.config).map_err(|f| f.inside(["config"]))?,
            }),
        })
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

fn image(
    file: Option<String>,
    declared: Option<String>,
    files: &CaseFiles,
) -> Result<ImageAsk, Fault> {
    let file = file.ok_or_else(|| Fault::at([], "the scenario names no `image`"))?;
    if !files.contains_key(&file) {
        return Err(Fault::at(
            ["image"],
            format!("the fixture has no file `{file}`"),
        ));
    }
    let format = declared.unwrap_or_else(|| "qcow2".to_owned());
    Ok(ImageAsk {
        file,
        format: (format != "probe").then_some(format),
    })
}

/// Every offset that an allowed answer knows the bytes of; the first sector if none does.
fn offsets(expected: &Expectation) -> Vec<u64> {
    let Expectation::Read(allowed) = expected else {
        return Vec::new();
    };
    let accepted = allowed.iter().filter_map(|graded| match &graded.wanted {
        Outcome::Accept(reads) => Some(reads.iter().map(|read| read.offset)),
        Outcome::Reject => None,
    });
    let mut offsets: Vec<u64> = accepted.flatten().collect();
    offsets.push(0);
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

/// Names in expectations must be files of the fixture, or the host's block device.
fn check_names(files: &CaseFiles, ask: &Ask, expected: &Expectation) -> Result<(), Fault> {
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let unknown = |name: &str| {
        let known = names.contains(&name) || name == BLOCK_DEVICE;
        (!known).then(|| Fault::at(["accept"], format!("the fixture has no file `{name}`")))
    };
    let accepted: Vec<&str> = match (expected, ask) {
        (Expectation::Label(matrix), Ask::Label(ask)) => {
            let steps: Vec<Step> = ask.steps.iter().map(|ask| ask.step).collect();
            return matrix.check(&names, &steps);
        }
        (Expectation::Read(allowed), _) => accepted(allowed)
            .flat_map(|reads| reads.iter().filter_map(|read| read.file.as_deref()))
            .collect(),
        (Expectation::Open(allowed), _) => accepted(allowed)
            .flat_map(|open| open.opened.iter().map(String::as_str))
            .collect(),
        (Expectation::Access(allowed), _) => accepted(allowed)
            .flat_map(|rows| rows.iter().map(|row| row.file.as_str()))
            .collect(),
        (Expectation::Blockdev(allowed), _) => accepted(allowed)
            .flatten()
            .flat_map(expect::LayerWanted::files)
            .collect(),
        (Expectation::Xml(allowed), _) => accepted(allowed)
            .flatten()
            .flat_map(expect::XmlLayer::files)
            .collect(),
        _ => Vec::new(),
    };
    accepted.into_iter().find_map(unknown).map_or(Ok(()), Err)
}

fn accepted<F>(allowed: &expect::Allowed<F>) -> impl Iterator<Item = &F> {
    allowed.iter().filter_map(|graded| match &graded.wanted {
        Outcome::Accept(facts) => Some(facts),
        Outcome::Reject => None,
    })
}
