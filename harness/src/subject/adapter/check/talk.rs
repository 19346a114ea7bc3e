//! A talk with an adapter, line by line, and its record.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::expect::{self, Verdict};
use super::{Line, Outcome, shown};
use crate::sandbox::{Companion, Lost};
use crate::subject::adapter::{Adapter, one_shot};
use crate::subject::protocol::{HelloReply, Reply, Request, RunRequest, VERSION};

/// Time-outs after which a check is given up: each costs the whole time that an answer may take.
const PATIENCE: u32 = 2;

/// Lines that nobody sends are waited for no longer than this.
const SHORT: Duration = Duration::from_secs(5);

/// The talk is over: the process can't be talked to.
#[derive(Debug)]
pub(super) struct GivenUp;

/// What is expected of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expectation {
    /// In words.
    pub(super) text: &'static str,
    /// Where the protocol says so.
    pub(super) see: &'static str,
    /// What it is if a reply doesn't meet it.
    pub(super) otherwise: Outcome,
    /// The same of a reply that says that the implementation crashed.
    pub(super) crash: Outcome,
    /// Whether this harness sends such lines; others are waited for shortly, and nothing that comes
    /// back is a failure.
    pub(super) sent_by_a_harness: bool,
}

/// An adapter, and what it has said.
pub(super) struct Talk<'a> {
    adapter: Adapter,
    pub(super) fixture: &'a Path,
    pub(super) lines: Vec<Line>,
    timeouts: u32,
}

/// What came back.
pub(super) enum Came {
    /// A line.
    Line(Vec<u8>),
    /// None.
    Lost(Lost),
}

impl<'a> Talk<'a> {
    pub(super) fn new(adapter: Adapter, fixture: &'a Path) -> io::Result<Self> {
        let mut talk = Talk {
            adapter,
            fixture,
            lines: Vec::new(),
            timeouts: 0,
        };
        talk.next_case()?;
        Ok(talk)
    }

    /// The next question is about another fixture.
    pub(super) fn next_case(&mut self) -> io::Result<()> {
        self.adapter.end_case();
        self.adapter.begin_case()
    }

    /// Starts a process anew.
    pub(super) fn start(&mut self) -> Result<(), GivenUp> {
        self.adapter.process = None;
        match Companion::start(&self.adapter.confined()) {
            Ok(process) => {
                self.adapter.process = Some(process);
                Ok(())
            }
            Err(error) => {
                let command = self.adapter.launch.command.join(" ");
                self.lines.push(Line {
                    check: "start".to_owned(),
                    outcome: Outcome::Failed,
                    asked: command,
                    came: error.to_string(),
                    expected: "a program that starts".to_owned(),
                    problem:
                        "in the sandbox there are the system's folders, the adapter's own and what \
                        `visible` names, and nothing of a home"
                            .to_owned(),
                    see: "The manifest".to_owned(),
                    micros: 0,
                });
                Err(GivenUp)
            }
        }
    }

    /// Greets, and says who it is.
    pub(super) fn greet(&mut self, check: &str, raw: &[u8]) -> Result<Option<HelloReply>, GivenUp> {
        let expectation = Expectation {
            text: "`hello` with protocol 1, a name, a version and levels",
            see: "The protocol, `hello`",
            otherwise: Outcome::Failed,
            crash: Outcome::Failed,
            sent_by_a_harness: true,
        };
        let mut greeting = None;
        self.exchange(check, raw, expectation, |came| match reply(came)? {
            Reply::Hello(hello) => {
                expect::hello(&hello)?;
                greeting = Some(hello);
                Ok(())
            }
            other => Err(format!("it answers `{}`", expect::kind(&other))),
        })?;
        Ok(greeting)
    }

    /// Greets as a harness does that hasn't met it before, without a word in the record unless it
    /// fails.
    fn greet_again(&mut self) -> Result<(), GivenUp> {
        self.start()?;
        let before = self.lines.len();
        let raw = to_line(&Request::Hello { protocol: VERSION });
        let greeting = self.greet("a greeting after a new start", &raw)?;
        if greeting.is_some() {
            self.lines.truncate(before);
        }
        Ok(())
    }

    /// Puts a question; its number and case are filled in.
    pub(super) fn ask(
        &mut self,
        check: &str,
        mut request: RunRequest,
        expectation: Expectation,
        fits: impl FnOnce(Reply) -> Verdict,
    ) -> Result<(), GivenUp> {
        self.adapter.seq += 1;
        request.seq = self.adapter.seq;
        request.case = self.adapter.case;
        if self.adapter.launch.one_shot.is_some() {
            self.run(check, &request, expectation, fits);
            return Ok(());
        }
        let raw = to_line(&Request::Run(Box::new(request.clone())));
        self.ask_raw(check, &raw, request.seq, expectation, fits)
    }

    /// Puts a question as it stands.
    pub(super) fn ask_raw(
        &mut self,
        check: &str,
        raw: &[u8],
        seq: u64,
        expectation: Expectation,
        fits: impl FnOnce(Reply) -> Verdict,
    ) -> Result<(), GivenUp> {
        self.exchange(check, raw, expectation, |came| {
            let reply = reply(came)?;
            match reply.seq() {
                Some(got) if got == seq => fits(reply),
                Some(got) => Err(format!("it answers question {got}, not {seq}")),
                None => Err(format!("it answers `{}`", expect::kind(&reply))),
            }
        })
    }

    /// Sends one line and looks at what comes back.
    pub(super) fn exchange(
        &mut self,
        check: &str,
        raw: &[u8],
        expectation: Expectation,
        judge: impl FnOnce(&Came) -> Verdict,
    ) -> Result<(), GivenUp> {
        self.ready(check)?;
        let time = self.adapter.launch.limits.time();
        let time = match expectation.sent_by_a_harness {
            true => time,
            false => time.min(SHORT),
        };
        let began = Instant::now();
        let came = match &mut self.adapter.process {
            Some(process) => process.ask(raw, time),
            None => return Err(GivenUp),
        };
        let came = match came {
            Ok(line) => Came::Line(line),
            Err(lost) => {
                self.adapter.process = None;
                Came::Lost(lost)
            }
        };
        let verdict = judge(&came);
        self.record(check, &shown(raw), &came, expectation, verdict, began);
        self.count_timeouts(check, &came)
    }

    /// Runs a program that speaks no protocol.
    fn run(
        &mut self,
        check: &str,
        request: &RunRequest,
        expectation: Expectation,
        fits: impl FnOnce(Reply) -> Verdict,
    ) {
        let Some(one_shot) = &self.adapter.launch.one_shot else {
            return;
        };
        let began = Instant::now();
        let words = one_shot.levels.get(&request.level);
        let asked = words.map(|words| words.join(" ")).unwrap_or_default();
        let (came, verdict) = match one_shot::ask(&self.adapter.confined(), one_shot, request) {
            Ok(reply) => (to_line(&reply), fits(reply)),
            Err(trouble) => {
                let text = trouble.to_string();
                (text.clone().into_bytes(), Err(text))
            }
        };
        self.record(
            check,
            &asked,
            &Came::Line(came),
            expectation,
            verdict,
            began,
        );
    }

    /// Makes sure that there is a process that can be asked.
    fn ready(&mut self, check: &str) -> Result<(), GivenUp> {
        let Some(process) = &mut self.adapter.process else {
            return self.greet_again();
        };
        if process.is_ready() {
            return Ok(());
        }
        self.lines.push(Line {
            check: format!("before: {check}"),
            outcome: Outcome::Failed,
            asked: String::new(),
            came: "it had ended, or written a line that nobody asked for".to_owned(),
            expected: "one process for one question after the other, one line for each".to_owned(),
            problem: "the process can't be asked again".to_owned(),
            see: "The protocol".to_owned(),
            micros: 0,
        });
        self.greet_again()
    }

    fn record(
        &mut self,
        check: &str,
        asked: &str,
        came: &Came,
        expectation: Expectation,
        verdict: Verdict,
        began: Instant,
    ) {
        let problem = verdict.err();
        self.lines.push(Line {
            check: check.to_owned(),
            outcome: match (&problem, reply(came)) {
                (None, _) => Outcome::Ok,
                (_, Err(_)) if expectation.sent_by_a_harness => Outcome::Failed,
                (_, Ok(Reply::Crashed { .. })) => expectation.crash,
                _ => expectation.otherwise,
            },
            asked: asked.to_owned(),
            came: match came {
                Came::Line(line) => shown(line),
                Came::Lost(lost) => lost.to_string(),
            },
            expected: expectation.text.to_owned(),
            problem: problem.unwrap_or_default(),
            see: expectation.see.to_owned(),
            micros: u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX),
        });
    }

    fn count_timeouts(&mut self, check: &str, came: &Came) -> Result<(), GivenUp> {
        if !matches!(came, Came::Lost(Lost::TimedOut(_))) {
            return Ok(());
        }
        self.timeouts += 1;
        if self.timeouts <= PATIENCE {
            return Ok(());
        }
        self.lines.push(Line {
            check: format!("after: {check}"),
            outcome: Outcome::Failed,
            asked: String::new(),
            came: format!("no answer in time, {} times", self.timeouts),
            expected: "answers in time: `[limits] seconds` in the manifest says what that is"
                .to_owned(),
            problem: "nothing further was asked".to_owned(),
            see: "The manifest".to_owned(),
            micros: 0,
        });
        Err(GivenUp)
    }

    /// Kills the process, as this harness does instead of `bye`.
    pub(super) fn kill(&mut self) {
        self.adapter.process = None;
    }

    /// Number of the last question.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.adapter.seq += 1;
        self.adapter.seq
    }
}

/// The reply in a line.
pub(super) fn reply(came: &Came) -> Result<Reply, String> {
    match came {
        Came::Line(line) => serde_json::from_slice(line)
            .map_err(|error| format!("this is no reply of the protocol: {error}")),
        Came::Lost(lost) => Err(format!("there is no answer: {lost}")),
    }
}

/// A message as a line.
pub(super) fn to_line(message: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}
