//! The reference, made wrong on purpose from outside: a plan is changed between plan
//! and apply, a running domain between start and stop, a header between file and chain.

pub(crate) mod table;

use std::path::Path;

use qconform::reference::chain::policy::Follow;
use qconform::reference::chain::{Access, Resolver, Role};
use qconform::reference::domain::DeclaredBacking;
use qconform::reference::inspection::probe_path;
use qconform::reference::label::Plan;
use qconform::reference::probe::DataFile;
use qconform::subject::reference::{self, Reference};
use qconform::subject::{Answer, Declined, Description, Facts, Question, Subject};
use qconform_scenarios::case::{Form, LabelConfig, Step, StepAsk};

use crate::careless::Careless;

const READ_ONLY: &str = "system_u:object_r:virt_content_t:s0";

/// One way to be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    DataFileNeverRelabelled,
    DataFileGetsBackingLabel,
    RestoreForgetsDataFile,
    NameHonouredWithoutBit,
    DataFileIgnoresReadonly,
    DataFileOwnerOnly,
    BackingDataFileForgotten,
    RestoresToRoot,
    StopLeavesRecords,
    DataFileLeftToHeader,
    DataFileNodeWritable,
    BackingLeftToHeader,
    CommitForgetsDataFile,
    SnapshotForgetsDataFile,
    AttachForgetsDataFile,
    MessageQuotesInput,
    PersistentShowsDetected,
    RuntimeHidesDetected,
}

impl Mutant {
    /// Whether it can be seen in a graph of block nodes.
    fn is_of_a_graph(self) -> bool {
        use Mutant::{BackingLeftToHeader, DataFileLeftToHeader, DataFileNodeWritable};
        let all = [
            BackingLeftToHeader,
            DataFileLeftToHeader,
            DataFileNodeWritable,
        ];
        all.contains(&self)
    }
}

/// The reference with one mutant.
#[derive(Debug)]
pub(crate) struct Mutated {
    reference: Reference,
    mutant: Mutant,
}

impl Mutated {
    pub(crate) fn new(mutant: Mutant) -> Self {
        let tamper = move |step, config: &LabelConfig, plan: &mut Plan| {
            change_plan(mutant, step, config, plan);
        };
        Mutated {
            reference: Reference::tampered(Box::new(tamper)),
            mutant,
        }
    }

    /// One step, with a header between file and chain that some mutants misread.
    fn step(&mut self, ask: &StepAsk, config: &LabelConfig) -> Result<Facts, Declined> {
        let misreads = self.mutant == Mutant::NameHonouredWithoutBit;
        let probe = |path: &Path, format| {
            let mut header = probe_path(path, format)?;
            if misreads {
                honour_name(&mut header);
            }
            Ok(header)
        };
        let resolver = Resolver::new(&Follow).with_probe(&probe);
        self.reference.step_over(ask, config, &resolver)
    }

    fn graph(&self, xml: &str) -> Result<Facts, Declined> {
        let mut domain = reference::parse(xml)?;
        if self.mutant == Mutant::BackingLeftToHeader {
            for disk in &mut domain.disks {
                disk.image.backing = DeclaredBacking::Open;
            }
        }
        let chain = reference::chain(&domain, &Resolver::new(&Follow))?;
        let mut facts = reference::graph_facts(&domain, &chain)?;
        let Facts::Blockdev { layers } = &mut facts else {
            return Ok(facts);
        };
        for layer in layers {
            match self.mutant {
                Mutant::DataFileLeftToHeader => layer.data_file = None,
                Mutant::DataFileNodeWritable => {
                    let nodes = layer.data_file.iter_mut();
                    nodes.for_each(|node| node.read_only = false);
                }
                _ => {}
            }
        }
        Ok(facts)
    }

    fn change_running(&mut self) {
        let Some(running) = self.reference.running() else {
            return;
        };
        if self.mutant == Mutant::StopLeavesRecords {
            running.files.retain(|file| file.restore);
        }
    }
}

fn change_plan(mutant: Mutant, step: Step, config: &LabelConfig, plan: &mut Plan) {
    let is_data_file = |role: Role| role.is_data_file();
    let (low, high) = config.category_pair;
    let rows = plan.rows.iter_mut();
    match mutant {
        Mutant::DataFileNeverRelabelled => plan.rows.retain(|row| !is_data_file(row.role)),
        Mutant::BackingDataFileForgotten => {
            plan.rows.retain(|row| row.role != Role::BackingDataFile);
        }
        Mutant::DataFileGetsBackingLabel => rows
            .filter(|row| row.role == Role::DataFile)
            .filter_map(|row| row.label.as_mut())
            .for_each(|label| READ_ONLY.clone_into(label)),
        Mutant::DataFileIgnoresReadonly => rows
            .filter(|row| is_data_file(row.role))
            .filter_map(|row| row.label.as_mut())
            .for_each(|label| {
                *label = format!("system_u:object_r:svirt_image_t:s0:c{low},c{high}");
            }),
        Mutant::DataFileOwnerOnly => rows
            .filter(|row| is_data_file(row.role))
            .for_each(|row| row.label = None),
        Mutant::RestoreForgetsDataFile => rows
            .filter(|row| is_data_file(row.role))
            .for_each(|row| row.restore = false),
        Mutant::CommitForgetsDataFile if step == Step::Commit => rows
            .filter(|row| row.role == Role::BackingDataFile)
            .for_each(|row| {
                row.label = Some(READ_ONLY.to_owned());
                row.access = Access::ReadOnly;
            }),
        Mutant::SnapshotForgetsDataFile if step == Step::Snapshot => {
            plan.rows.retain(|row| row.role != Role::BackingDataFile);
        }
        Mutant::AttachForgetsDataFile if step == Step::Attach => {
            plan.rows.retain(|row| row.role != Role::DataFile);
        }
        _ => {}
    }
}

/// Treats a name that the image doesn't use as if the feature bit were set.
fn honour_name(header: &mut qconform::reference::probe::Header) {
    if let Some(name) = header.unused_data_file_name.take() {
        header.data_file = Some(DataFile {
            name: Some(name),
            raw: false,
        });
    }
}

/// The owner that libvirt falls back to without a record.
fn give_to_root(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        // On a read-only file system not even this mutant gets far.
        let _ = std::os::unix::fs::chown(entry.path(), Some(0), Some(0));
    }
}

impl Subject for Mutated {
    fn describe(&mut self) -> Result<Description, String> {
        self.reference.describe()
    }

    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        let answer = self.changed(question, dir);
        match (self.mutant, answer) {
            (Mutant::MessageQuotesInput, Answer::Rejected { class, message }) => Answer::Rejected {
                class,
                message: format!("{message}: {}", quoted(question, dir)),
            },
            (_, answer) => answer,
        }
    }
}

impl Mutated {
    fn changed(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        match question {
            Question::Label { config, step } => {
                if step.step == Step::Stop {
                    self.change_running();
                }
                let answer = self.step(step, config).into();
                if step.step == Step::Stop && self.mutant == Mutant::RestoresToRoot {
                    give_to_root(dir);
                }
                answer
            }
            Question::Access { xml } if self.mutant == Mutant::NameHonouredWithoutBit => {
                access_with_unused_names(xml).into()
            }
            Question::Blockdev { xml } if self.mutant.is_of_a_graph() => self.graph(xml).into(),
            Question::Xml { xml, form } => {
                let form = self.written_as(*form);
                self.reference.answer(&Question::Xml { xml, form }, dir)
            }
            _ => self.reference.answer(question, dir),
        }
    }

    /// The form that a domain is written in when this one is asked for.
    fn written_as(&self, form: Form) -> Form {
        match (self.mutant, form) {
            (Mutant::PersistentShowsDetected, Form::Persistent) => Form::Runtime,
            (Mutant::RuntimeHidesDetected, Form::Runtime) => Form::Persistent,
            _ => form,
        }
    }
}

fn access_with_unused_names(xml: &str) -> Result<Facts, Declined> {
    let probe = |path: &Path, format| {
        let mut header = probe_path(path, format)?;
        honour_name(&mut header);
        Ok(header)
    };
    let resolver = Resolver::new(&Follow).with_probe(&probe);
    let chain = reference::chain(&reference::parse(xml)?, &resolver)?;
    Ok(reference::access_facts(&chain))
}

/// The domain and the names in its image's header, as whoever looks for a mistake wants them.
fn quoted(question: &Question<'_>, dir: &Path) -> String {
    let xml = match question {
        Question::Access { xml } | Question::Blockdev { xml } => xml,
        Question::Label { step, .. } => step.xml.as_str(),
        _ => "",
    };
    let bytes = std::fs::read(dir.join("disk.qcow2")).unwrap_or_default();
    let header = Careless::new(&bytes);
    let names = [header.data_file_name(), header.backing_name()];
    let names: Vec<String> = names.into_iter().flatten().collect();
    format!("{} in {xml}", names.join(", "))
}
