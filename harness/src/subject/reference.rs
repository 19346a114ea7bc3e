//! The reference system as a subject, in the worker's own process.

use std::path::Path;

use qconform_generators::file_name;
use qconform_scenarios::case::{Driver, Form, ImageAsk, LabelConfig, Step, StepAsk};
use qconform_scenarios::verdict::Level;

use super::{
    AccessFact, Answer, BackingFacts, DataFileFacts, Declined, Description, Facts, HeaderFacts,
    Question, ReadFact, Refusals, Subject,
};
use crate::observe::hex;
use crate::reference::blockdev;
use crate::reference::chain::policy::{Follow, Literal};
use crate::reference::chain::{Chain, Resolver, resolve_image};
use crate::reference::domain::{self, Document, Domain, DomainError};
use crate::reference::file::open_image;
use crate::reference::format::Format;
use crate::reference::inspection::Inspection;
use crate::reference::label::{self, Config, Namespace, Plan, Running};
use crate::reference::read;
use crate::reference::redact;
use crate::reference::report::ErrorReport;
use crate::worker::STATE_DIR;

mod layers;
mod life;

use life::Life;

/// Changes plans between planning and applying, which is how a mutant is made.
pub type Tamper = dyn Fn(Step, &LabelConfig, &mut Plan);

/// The reference system with what it remembers between steps.
#[derive(Default)]
pub struct Reference {
    life: Life,
    tamper: Option<Box<Tamper>>,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Reference")
            .field("life", &self.life)
            .finish_non_exhaustive()
    }
}

impl Subject for Reference {
    fn describe(&mut self) -> Result<Description, String> {
        let namespaces = [Namespace::Trusted, Namespace::Security, Namespace::User];
        Ok(Description {
            refusals: Refusals::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            levels: Level::ALL.to_vec(),
            records: namespaces
                .map(|namespace| namespace.prefix().to_owned())
                .to_vec(),
        })
    }

    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        let answer = match question {
            Question::Header(image) => header(image, dir),
            Question::Open(image) => open(image, dir),
            Question::Read {
                image,
                offsets,
                length,
            } => guest_bytes(image, offsets, *length, dir),
            Question::Access { xml } => access(xml),
            Question::Blockdev { xml } => graph(xml),
            Question::Xml { xml, form } => written(xml, *form),
            Question::Label { config, step } => self.step(step, config),
        };
        answer.into()
    }
}

impl Reference {
    /// The reference with plans that somebody changes.
    #[must_use]
    pub fn tampered(tamper: Box<Tamper>) -> Self {
        Self {
            tamper: Some(tamper),
            ..Self::default()
        }
    }

    /// Takes a domain one step further.
    ///
    /// # Errors
    ///
    /// [`Declined`] where the step is refused.
    pub fn step(&mut self, ask: &StepAsk, config: &LabelConfig) -> Result<Facts, Declined> {
        self.step_over(ask, config, &Resolver::new(&Follow))
    }

    /// The same with chains found otherwise.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step).
    pub fn step_over(
        &mut self,
        ask: &StepAsk,
        config: &LabelConfig,
        resolver: &Resolver<'_>,
    ) -> Result<Facts, Declined> {
        let tamper = self.tamper.as_deref();
        self.life.step(ask, config, resolver, tamper)?;
        Ok(Facts::Done)
    }

    /// The files of the running domain. A mutant takes some away.
    pub fn running(&mut self) -> Option<&mut Running> {
        self.life.running()
    }
}

/// Reads a domain.
pub fn parse(xml: &str) -> Result<Domain, Declined> {
    Domain::parse(xml.as_bytes()).map_err(|error| refused(ErrorReport::from(&error)))
}

/// Finds the files of a domain.
pub fn chain(domain: &Domain, resolver: &Resolver<'_>) -> Result<Chain, Declined> {
    resolver
        .domain(domain)
        .map_err(|error| refused(ErrorReport::from(&error)))
}

/// Plans the start of a domain over a chain.
fn plan_chain(domain: &Domain, chain: &Chain, config: &Config) -> Result<Plan, Declined> {
    label::plan(domain, chain, config).map_err(|error| refused(ErrorReport::from(&error)))
}

fn header(image: &ImageAsk, dir: &Path) -> Result<Facts, Declined> {
    let inspection = Inspection::of(&file_name::join(dir, &image.file), format(image)?)
        .map_err(|error| rejected("unreadable", error.to_string()))?;
    if let Some(error) = inspection.error {
        return Err(rejected(error.class, error.message));
    }
    Ok(Facts::Header(HeaderFacts {
        format: inspection.format.map(|format| format.to_string()),
        version: inspection.version,
        virtual_size: inspection.virtual_size,
        backing: inspection.backing.map(|backing| BackingFacts {
            name: backing.name.name,
            format: backing.format,
        }),
        data_file: inspection.data_file.map(|data_file| DataFileFacts {
            name: data_file.name,
            raw: data_file.raw,
        }),
        untold: Vec::new(),
    }))
}

/// Opens every file of an image's chain for reading.
fn open(image: &ImageAsk, dir: &Path) -> Result<Facts, Declined> {
    let path = file_name::join(dir, &image.file);
    let chain = resolve_image(&path, format(image)?, &Literal)
        .map_err(|error| refused(ErrorReport::from(&error)))?;
    chain
        .check_roles()
        .map_err(|error| refused(ErrorReport::from(&error)))?;
    for file in &chain.files {
        open_image(&file.path).map_err(|error| rejected("unreadable", error.to_string()))?;
    }
    Ok(Facts::Done)
}

fn guest_bytes(
    image: &ImageAsk,
    offsets: &[u64],
    length: u32,
    dir: &Path,
) -> Result<Facts, Declined> {
    let (path, format) = (file_name::join(dir, &image.file), format(image)?);
    let mut reads = Vec::new();
    for offset in offsets {
        let read = read::read(&path, format, &Literal, *offset, u64::from(length))
            .map_err(|error| rejected(error.class(), error.to_string()))?;
        reads.push(ReadFact {
            offset: *offset,
            bytes: hex(&read),
        });
    }
    Ok(Facts::Read { reads })
}

fn access(xml: &str) -> Result<Facts, Declined> {
    let chain = chain(&parse(xml)?, &Resolver::new(&Follow))?;
    Ok(access_facts(&chain))
}

/// A chain as the answer to an access case.
#[must_use]
pub fn access_facts(chain: &Chain) -> Facts {
    let files = chain.files.iter().map(|file| AccessFact {
        path: file_name::path_text(&file.path),
        role: Some(file.role.as_str().to_owned()),
        access: file.access.as_str().to_owned(),
    });
    Facts::Access {
        files: files.collect(),
    }
}

fn graph(xml: &str) -> Result<Facts, Declined> {
    let domain = parse(xml)?;
    let chain = chain(&domain, &Resolver::new(&Follow))?;
    graph_facts(&domain, &chain)
}

/// The graph of a chain as the answer to a blockdev case.
pub fn graph_facts(domain: &Domain, chain: &Chain) -> Result<Facts, Declined> {
    let graph = blockdev::graph(domain, chain).map_err(|error| refused(error.into()))?;
    let layers = graph.disks.iter().flat_map(layers::of_disk).collect();
    Ok(Facts::Blockdev { layers })
}

/// A domain that has run: its chain is found, whatever the form shows of it.
fn written(xml: &str, form: Form) -> Result<Facts, Declined> {
    let unreadable = |error: &DomainError| refused(ErrorReport::from(error));
    let mut document = Document::parse(xml.as_bytes()).map_err(|error| unreadable(&error))?;
    let domain = document.domain().map_err(|error| unreadable(&error))?;
    let chain = chain(&domain, &Resolver::new(&Follow))?;
    let completed = document.add_detected(&chain);
    completed.map_err(|error| unreadable(&error))?;
    let form = match form {
        Form::Runtime => domain::Form::Runtime,
        Form::Persistent => domain::Form::Persistent,
    };
    let xml = document.write(form);
    Ok(Facts::Xml { xml })
}

fn format(image: &ImageAsk) -> Result<Option<Format>, Declined> {
    let Some(name) = &image.format else {
        return Ok(None);
    };
    match Format::parse(name) {
        Some(format) => Ok(Some(format)),
        None => Err(Declined::Unsupported {
            message: format!("format `{name}`"),
        }),
    }
}

fn label_config(config: &LabelConfig) -> Config {
    let mut record_namespaces = Config::default().record_namespaces;
    record_namespaces.extend(config.user_records.then_some(Namespace::User));
    Config {
        record_namespaces,
        state_directory: config.state_directory.then(|| STATE_DIR.into()),
        user: config.user.uid,
        group: config.user.gid,
        category_pair: Some(config.category_pair),
        dynamic_ownership: config.dynamic_ownership,
        remember: config.remember,
        dac: config.drivers.contains(&Driver::Dac),
        selinux: config.drivers.contains(&Driver::Selinux),
        ..Config::default()
    }
}

fn refused(error: ErrorReport) -> Declined {
    rejected(error.class, error.message)
}

/// Messages name files, and names carry credentials.
fn rejected(class: &str, message: impl AsRef<str>) -> Declined {
    Declined::Rejected {
        class: class.to_owned(),
        message: redact::line(message.as_ref()),
    }
}
