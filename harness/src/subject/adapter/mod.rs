//! Adapters: programs that answer for an implementation, confined in a worker.
//!
//! A process is asked case after case. One that dies, hangs or breaks the protocol is replaced,
//! and only the case that it was asked for has that verdict.

pub mod check;
pub mod command;
mod convert;
pub mod find;
pub mod install;
mod launch;
pub mod manifest;
mod one_shot;
mod scratch;
pub mod shipped;

use std::path::Path;

use qconform_scenarios::verdict::Level;

use super::protocol::{HelloReply, Reply, Request, RunRequest, VERSION};
use super::{Answer, Description, Question, Refusals, Subject};
use crate::sandbox::{Companion, Confined, Lost};

pub use launch::{Launch, LaunchLimits, Lives};
pub use one_shot::OneShot;

/// A reader without privileges, as which adapters run that don't label.
const READER: u32 = 1000;

/// Where an adapter may keep what it needs for one case; also in `QCONFORM_STATE`.
const STATE_DIR: &str = "/tmp/adapter-state";

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// An adapter, as its worker sees it.
#[derive(Debug)]
pub struct Adapter {
    launch: Launch,
    process: Option<Companion>,
    case: u64,
    seq: u64,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    /// The program is lost.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// It said something that the protocol doesn't know.
    #[error("{0}")]
    Protocol(String),
    /// The sandbox failed.
    #[error("{0}")]
    Sandbox(String),
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Lost(Lost::TimedOut(_)) => Answer::TimedOut,
            Trouble::Lost(Lost::Sandbox(message)) | Trouble::Sandbox(message) => {
                Answer::Failed { message }
            }
            Trouble::Lost(lost) => Answer::Crashed {
                how: lost.to_string(),
            },
            Trouble::Protocol(how) => Answer::Crashed { how },
        }
    }
}

impl Adapter {
    /// An adapter that isn't started yet.
    #[must_use]
    pub fn new(launch: Launch) -> Self {
        Adapter {
            launch,
            process: None,
            case: 0,
            seq: 0,
        }
    }

    /// How it is started.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Prepares for a case, before its fixture is written.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub fn begin_case(&mut self) -> std::io::Result<()> {
        self.case += 1;
        scratch::clear()?;
        scratch::make(Path::new(STATE_DIR), self.launch.labels)
    }

    /// Ends what lives for a case only.
    pub fn end_case(&mut self) {
        if self.launch.lives == Lives::Case {
            self.process = None;
        }
    }

    fn confined(&self) -> Confined {
        let (program, args) = match self.launch.command.split_first() {
            Some((program, args)) => (program.clone(), args),
            None => (String::new(), [].as_slice()),
        };
        let usual = [
            ("PATH", PATH),
            ("HOME", "/tmp"),
            ("LC_ALL", "C.UTF-8"),
            ("QCONFORM_STATE", STATE_DIR),
        ];
        let mut env: Vec<(String, String)> = usual
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        env.extend(self.launch.env.iter().cloned());
        Confined {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            dir: "/tmp".into(),
            env,
            stdin: Vec::new(),
            uid: READER,
            gid: READER,
            labels: self.launch.labels,
            limits: self.launch.limits.for_sandbox(),
        }
    }

    /// Starts a process where there is none that can be asked.
    fn running(&mut self) -> Result<(), Trouble> {
        if self.process.as_mut().is_some_and(Companion::is_ready) {
            return Ok(());
        }
        self.greet().map(drop)
    }

    /// Starts a process and shakes hands.
    fn greet(&mut self) -> Result<HelloReply, Trouble> {
        // The old one first: with it goes everything that it left running.
        self.process = None;
        let process = Companion::start(&self.confined())
            .map_err(|error| Trouble::Sandbox(error.to_string()))?;
        self.process = Some(process);
        match self.say(&Request::Hello { protocol: VERSION })? {
            Reply::Hello(hello) if hello.protocol == VERSION => Ok(hello),
            Reply::Hello(hello) => Err(Trouble::Protocol(format!(
                "it speaks protocol {}, not {VERSION}",
                hello.protocol
            ))),
            _ => Err(Trouble::Protocol("it doesn't answer `hello`".to_owned())),
        }
    }

    fn say(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let reply = self.converse(request);
        if reply.is_err() {
            self.process = None;
        }
        reply
    }

    fn converse(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let line =
            serde_json::to_vec(request).map_err(|error| Trouble::Sandbox(error.to_string()))?;
        let Some(process) = &mut self.process else {
            return Err(Trouble::Sandbox("the adapter doesn't run".to_owned()));
        };
        let reply = process.ask(&line, self.launch.limits.time())?;
        serde_json::from_slice(&reply).map_err(|error| {
            let start = reply.get(..80).unwrap_or(&reply);
            let start = String::from_utf8_lossy(start).into_owned();
            Trouble::Protocol(format!("a reply that is none: {error}: {start:?}"))
        })
    }

    fn ask(&mut self, question: &Question<'_>, dir: &Path) -> Result<Reply, Trouble> {
        self.seq += 1;
        let request = convert::request(question, dir, self.seq, self.case);
        match &self.launch.one_shot {
            Some(one_shot) => one_shot::ask(&self.confined(), one_shot, &request),
            None => self.put(request),
        }
    }

    /// Puts a question to a process that speaks the protocol.
    fn put(&mut self, request: RunRequest) -> Result<Reply, Trouble> {
        self.running()?;
        let reply = self.say(&Request::Run(Box::new(request)))?;
        if reply.seq() == Some(self.seq) {
            return Ok(reply);
        }
        self.process = None;
        let got = reply
            .seq()
            .map_or_else(|| "hello".to_owned(), |seq| format!("seq {seq}"));
        Err(Trouble::Protocol(format!(
            "an answer out of order: {got} instead of seq {}",
            self.seq
        )))
    }
}

impl Adapter {
    fn describe_one_shot(&self, one_shot: &OneShot) -> Result<Description, String> {
        let version = one_shot::version(&self.confined(), &one_shot.version);
        let levels = Level::ALL.into_iter();
        Ok(Description {
            version: version.map_err(|trouble| trouble.to_string())?,
            levels: levels
                .filter(|level| one_shot.levels.contains_key(level.as_str()))
                .collect(),
            records: Vec::new(),
            refusals: Refusals::default(),
        })
    }
}

impl Subject for Adapter {
    fn describe(&mut self) -> Result<Description, String> {
        if let Some(one_shot) = &self.launch.one_shot {
            return self.describe_one_shot(one_shot);
        }
        let hello = self.greet().map_err(|trouble| trouble.to_string())?;
        let spoken = |level: &Level| hello.levels.iter().any(|name| name == level.as_str());
        Ok(Description {
            version: hello.version,
            levels: Level::ALL.into_iter().filter(spoken).collect(),
            records: self.launch.records.clone(),
            refusals: Refusals {
                role: hello.role,
                refuses: hello.refuses,
            },
        })
    }

    fn answer(&mut self, question: &Question<'_>, dir: &Path) -> Answer {
        match self.ask(question, dir) {
            Ok(reply) => convert::answer(reply, question),
            Err(trouble) => trouble.into(),
        }
    }
}
