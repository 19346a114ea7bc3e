//! What a worker does inside the sandbox: write a case's fixture, ask the subject,
//! observe. It knows the question, never the expectation.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{PermissionsExt, lchown};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use qconform_generators::file_name;
use qconform_generators::recipe::Content;
use qconform_scenarios::FIXTURE_DIR;
use qconform_scenarios::case::{Ask, Step};
use qconform_scenarios::file::{CaseFile, CaseFiles, FileSystem, recipe};
use serde::{Deserialize, Serialize};

pub(crate) mod ground;

use ground::Ground;

use crate::observe::{self, Observer, SELINUX, Snapshot, Touch, Watch};
use crate::subject::adapter::check::{self, Line};
use crate::subject::adapter::{Adapter, Launch};
use crate::subject::{Answer, Description, Question, Registry, Subject};

/// Where a subject may keep what it needs to know of labelled files, empty before each case.
pub const STATE_DIR: &str = "/tmp/state";

/// A request to a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case")]
pub enum Order {
    /// Say what a subject is.
    Describe {
        /// The subject's name.
        subject: String,
        /// How it is started, if it is an adapter.
        launch: Option<Launch>,
    },
    /// Check an adapter.
    Check {
        /// How it is started.
        launch: Launch,
    },
    /// Run one case.
    Case(Box<CaseOrder>),
}

/// One case for one subject.
#[derive(Debug, Serialize, Deserialize)]
pub struct CaseOrder {
    /// The subject's name.
    pub subject: String,
    /// How it is started, if it is an adapter.
    pub launch: Option<Launch>,
    /// Seed of the fixture.
    pub seed: u64,
    /// The fixture.
    pub files: CaseFiles,
    /// What the fixture lies on.
    #[serde(default)]
    pub filesystem: FileSystem,
    /// The question.
    pub ask: Ask,
    /// Beginnings of the names of attributes in which the subject keeps records.
    pub records: Vec<String>,
}

/// A worker's reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// What the subject is.
    Described(Description),
    /// How an adapter did.
    Checked {
        /// Each thing that it was asked.
        lines: Vec<Line>,
    },
    /// What was seen.
    Observed(Box<Observation>),
    /// The harness could not do it.
    Failed {
        /// Why.
        message: String,
    },
}

/// Everything that was seen of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The fixture before the subject saw it.
    pub before: Snapshot,
    /// One stage for each step; a case without steps has one.
    pub stages: Vec<Stage>,
    /// The first bytes of the image whose header is asked about, in hex, for reports.
    #[serde(default)]
    pub head: Option<String>,
}

/// One question, its answer, and the fixture afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// The step; `None` for a case that has none.
    pub step: Option<Step>,
    /// What the subject answered.
    pub answer: Answer,
    /// The fixture afterwards.
    pub after: Snapshot,
    /// Names of the files in the subject's state folder.
    #[serde(default)]
    pub state: Vec<String>,
    /// What happened to decoys, and where an image is opened to every file.
    pub touches: Vec<Touch>,
}

/// Answers requests, one after the other.
pub struct Service<'a> {
    registry: &'a Registry,
    adapter: Option<Adapter>,
    watch: Option<Watch>,
    observer: Observer,
}

impl std::fmt::Debug for Service<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl<'a> Service<'a> {
    /// A service that makes its subjects with `registry`.
    #[must_use]
    pub fn new(registry: &'a Registry) -> Self {
        Service {
            registry,
            adapter: None,
            watch: None,
            observer: Observer::default(),
        }
    }

    /// Answers one request; the request and the reply are JSON.
    pub fn serve(&mut self, request: &[u8]) -> Vec<u8> {
        let reply = match serde_json::from_slice(request) {
            Ok(order) => self.obey(order),
            Err(error) => Err(format!("the worker got a bad request: {error}")),
        };
        let reply = reply.unwrap_or_else(|message| Reply::Failed { message });
        serde_json::to_vec(&reply).unwrap_or_default()
    }

    fn obey(&mut self, order: Order) -> Result<Reply, String> {
        match order {
            Order::Describe {
                launch: Some(launch),
                ..
            } => self.adapter(launch).describe().map(Reply::Described),
            Order::Describe { subject, .. } => {
                self.open(&subject)?.describe().map(Reply::Described)
            }
            Order::Check { launch } => check::check(launch, Path::new(FIXTURE_DIR))
                .map(|lines| Reply::Checked { lines })
                .map_err(|error| format!("the images can't be made: {error}")),
            Order::Case(case) => self
                .case(&case)
                .map(|observation| Reply::Observed(Box::new(observation))),
        }
    }

    fn case(&mut self, case: &CaseOrder) -> Result<Observation, String> {
        let failed = |error| format!("the fixture can't be made or observed: {error}");
        let Some(launch) = &case.launch else {
            let mut subject = self.open(&case.subject)?;
            return self.run(case, subject.as_mut()).map_err(failed);
        };
        self.adapter(launch.clone());
        // Taken out, because the service is needed, too.
        let Some(mut adapter) = self.adapter.take() else {
            return Err("there is no adapter".to_owned());
        };
        let observation = adapter
            .begin_case()
            .and_then(|()| self.run(case, &mut adapter));
        adapter.end_case();
        self.adapter = Some(adapter);
        observation.map_err(failed)
    }

    /// The worker's one adapter, which goes on from case to case.
    fn adapter(&mut self, launch: Launch) -> &mut Adapter {
        let same = self
            .adapter
            .take()
            .filter(|adapter| *adapter.launch() == launch);
        self.adapter
            .insert(same.unwrap_or_else(|| Adapter::new(launch)))
    }

    fn open(&self, name: &str) -> Result<Box<dyn Subject>, String> {
        (self.registry)(name).ok_or_else(|| format!("there is no subject `{name}`"))
    }

    fn run(&mut self, case: &CaseOrder, subject: &mut dyn Subject) -> io::Result<Observation> {
        let dir = Path::new(FIXTURE_DIR);
        let watch = match &mut self.watch {
            Some(watch) => watch,
            none => none.insert(Watch::new()?),
        };
        let observer = &mut self.observer;
        let ground = Ground::prepare(case.filesystem, dir)?;
        let observation = make(case, ground.folder())
            .and_then(|()| ground.ready())
            .and_then(|()| ask_all(case, subject, dir, (&mut *watch, observer)));
        watch.turn_away();
        ground.clear()?;
        observation
    }
}

fn make(case: &CaseOrder, dir: &Path) -> io::Result<()> {
    let recipe = recipe(&case.files, case.seed);
    qconform_generators::fixture::write(&recipe, dir).map_err(io::Error::other)?;
    for (name, file) in &case.files {
        dress(&file_name::join(dir, name), file)
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
    }
    Ok(())
}

/// Gives a file the state that the case starts from. The mode comes after the owner,
/// because a change of owner clears set-id bits.
fn dress(path: &Path, file: &CaseFile) -> io::Result<()> {
    if let Some(label) = &file.label {
        observe::set_attribute(path, SELINUX, format!("{label}\0").as_bytes())?;
    }
    for (name, value) in &file.xattrs {
        observe::set_attribute(path, &settable(name), &value.to_bytes())?;
    }
    if (file.owner.uid, file.owner.gid) != (0, 0) {
        lchown(path, Some(file.owner.uid), Some(file.owner.gid))?;
    }
    if path.is_symlink() {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(file.mode))
}

/// Only root of the host can set `trusted.*`. Stand-ins of subjects that keep records there, such
/// as a preloaded library, put `security.` in front, and so does this.
fn settable(name: &str) -> Cow<'_, str> {
    if name.starts_with("trusted.") {
        format!("security.{name}").into()
    } else {
        name.into()
    }
}

/// What a subject has in its state folder.
fn state_files() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(STATE_DIR)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

fn ask_all(
    case: &CaseOrder,
    subject: &mut dyn Subject,
    dir: &Path,
    (watch, observer): (&mut Watch, &mut Observer),
) -> io::Result<Observation> {
    let all = matches!(case.ask, Ask::Open(_));
    let watched = case
        .files
        .iter()
        .filter(|(_, file)| file.decoy || all && is_data(&file.content))
        .map(|(name, _)| name.as_str());
    let head = head(&case.ask, dir);
    let before = observer.snapshot(dir, &case.records)?;
    watch.turn_to(dir, watched)?;
    let mut stages = Vec::new();
    for (step, question) in questions(&case.ask) {
        let answer = ask(subject, &question, dir);
        let touches = watch.drain()?;
        let after = observer.snapshot(dir, &case.records)?;
        // The observer itself opens every file.
        watch.drain()?;
        // A domain goes on after a refused step, unless that was its first.
        let goes_on = match answer {
            Answer::Accepted(_) => true,
            Answer::Rejected { .. } => !stages.is_empty(),
            _ => false,
        };
        stages.push(Stage {
            step,
            answer,
            after,
            state: state_files()?,
            touches,
        });
        if !goes_on {
            break;
        }
    }
    Ok(Observation {
        before,
        stages,
        head,
    })
}

/// Whether a file holds bytes of its own.
fn is_data(content: &Content) -> bool {
    matches!(content, Content::Qcow2(_) | Content::Raw(_))
}

/// How many bytes of an image a report shows: a header with a few extensions and names.
const HEAD: u64 = 1024;

/// The beginning of the image whose header is asked about, without the zeros at its end. A file
/// that can't be shown is no reason for a case to fail.
fn head(ask: &Ask, dir: &Path) -> Option<String> {
    let Ask::Header(image) = ask else {
        return None;
    };
    let mut bytes = Vec::new();
    let path = file_name::join(dir, &image.file);
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let file = fs::File::open(path).ok()?;
    file.take(HEAD).read_to_end(&mut bytes).ok()?;
    let end = bytes.iter().rposition(|byte| *byte != 0)?;
    Some(observe::hex(&bytes[..=end]))
}

/// A panic of an in-process subject is its crash, not the worker's.
fn ask(subject: &mut dyn Subject, question: &Question<'_>, dir: &Path) -> Answer {
    catch_unwind(AssertUnwindSafe(|| subject.answer(question, dir))).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned());
        Answer::Crashed {
            how: format!("panic: {}", text.unwrap_or_default()),
        }
    })
}

fn questions(ask: &Ask) -> Vec<(Option<Step>, Question<'_>)> {
    match ask {
        Ask::Header(image) => vec![(None, Question::Header(image))],
        Ask::Open(image) => vec![(None, Question::Open(image))],
        Ask::Read {
            image,
            offsets,
            length,
        } => {
            vec![(
                None,
                Question::Read {
                    image,
                    offsets,
                    length: *length,
                },
            )]
        }
        Ask::Access(domain) => vec![(None, Question::Access { xml: &domain.xml })],
        Ask::Blockdev(domain) => vec![(None, Question::Blockdev { xml: &domain.xml })],
        Ask::Xml(ask) => {
            let (xml, form) = (ask.xml.as_str(), ask.form);
            vec![(None, Question::Xml { xml, form })]
        }
        Ask::Label(label) => label
            .steps
            .iter()
            .map(|step| {
                let config = &label.config;
                (Some(step.step), Question::Label { config, step })
            })
            .collect(),
    }
}
