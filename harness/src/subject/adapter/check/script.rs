//! What an adapter is asked, in which order.

use qconform_scenarios::case::Step;
use qconform_scenarios::verdict::Level;

use super::expect::{self, Truth, Verdict};
use super::ground::{
    DATA_FILE, MISSING, NO_IMAGE, ODD, ODD_DATA_FILE, ODD_NAME, PLAIN, WITH_DATA_FILE,
};
use super::questions::{about_domain, about_image, about_step, good};
use super::talk::{Came, Expectation, GivenUp, Talk, reply, to_line};
use super::{Line, Outcome};
use crate::sandbox::Lost;
use crate::subject::adapter::OneShot;
use crate::subject::protocol::{Reply, Request, VERSION};

/// A level that no version of the protocol will have.
const NO_LEVEL: &str = "no-such-level";

const FACTS: Expectation = Expectation {
    text: "`result` with what the implementation tells of it, and nothing wrong",
    see: "The protocol, `result`",
    otherwise: Outcome::Failed,
    crash: Outcome::Failed,
    sent_by_a_harness: true,
};

/// Where the implementation may be at fault, and not its adapter.
const FACTS_IF_ABLE: Expectation = Expectation {
    text: "`result` with the right facts, or `unsupported`; `rejected` if `refuses` says so",
    see: "The protocol, `refuses`",
    otherwise: Outcome::Warning,
    crash: Outcome::Warning,
    sent_by_a_harness: true,
};

const REFUSAL: Expectation = Expectation {
    text: "`rejected`, or `unsupported`",
    see: "The protocol, `rejected`",
    otherwise: Outcome::Failed,
    // Many a library panics over a file that isn't there, and its adapter can only say so.
    crash: Outcome::Warning,
    sent_by_a_harness: true,
};

const NOT_SUPPORTED: Expectation = Expectation {
    text: "`unsupported`",
    see: "The protocol, levels",
    otherwise: Outcome::Failed,
    crash: Outcome::Failed,
    sent_by_a_harness: true,
};

const ERROR_OR_END: Expectation = Expectation {
    text: "`error` or `unsupported`, or an end; no silence",
    see: "The protocol, unknown lines",
    otherwise: Outcome::Warning,
    crash: Outcome::Warning,
    sent_by_a_harness: false,
};

const GREETING_OR_END: Expectation = Expectation {
    text: "`hello` with the protocol that it does speak, or an end",
    see: "The protocol, unknown lines",
    otherwise: Outcome::Warning,
    crash: Outcome::Warning,
    sent_by_a_harness: false,
};

const END: Expectation = Expectation {
    text: "an end with exit status 0",
    see: "The protocol, `bye`",
    otherwise: Outcome::Warning,
    crash: Outcome::Warning,
    sent_by_a_harness: false,
};

/// Everything that is asked of a program that speaks the protocol.
pub(super) fn of_protocol(talk: &mut Talk<'_>) -> Result<(), GivenUp> {
    talk.start()?;
    let hello = to_line(&Request::Hello { protocol: VERSION });
    let Some(hello) = talk.greet("handshake", &hello)? else {
        return Err(GivenUp);
    };
    let refuses = |feature: &str| hello.refuses.iter().any(|it| it == feature);
    let claims = |level: &Level| hello.levels.iter().any(|name| name == level.as_str());
    for level in Level::ALL.into_iter().filter(claims) {
        level_of(talk, level, refuses("data-file"))?;
    }
    for level in Level::ALL.into_iter().filter(|level| !claims(level)) {
        not_claimed(talk, level.as_str())?;
    }
    not_claimed(talk, NO_LEVEL)?;
    if let Some(level) = Level::ALL.into_iter().find(claims) {
        more_keys(talk, level)?;
        after_a_kill(talk, level)?;
    }
    strange_lines(talk)
}

/// Everything that is asked of a program that speaks no protocol.
pub(super) fn of_commands(talk: &mut Talk<'_>, one_shot: &OneShot) -> Result<(), GivenUp> {
    for level in Level::ALL {
        if one_shot.levels.contains_key(level.as_str()) {
            level_of(talk, level, false)?;
        }
    }
    Ok(())
}

/// The questions of one level.
fn level_of(talk: &mut Talk<'_>, level: Level, refuses: bool) -> Result<(), GivenUp> {
    match level {
        Level::Header | Level::Open | Level::Read => images(talk, level, refuses),
        Level::Access | Level::Blockdev | Level::Xml => domain(talk, level),
        Level::Label => steps(talk),
    }
}

/// An image, as it is told in a report.
struct Subject {
    what: &'static str,
    file: &'static str,
    truth: Truth,
    expectation: Expectation,
}

fn images(talk: &mut Talk<'_>, level: Level, refuses: bool) -> Result<(), GivenUp> {
    let plain = |file| Truth {
        data_file: None,
        data: file,
    };
    let with_data_file = |name, data| Truth {
        data_file: Some(name),
        data,
    };
    let good = [
        ("a plain image", PLAIN, plain(PLAIN), FACTS),
        ("the same once more", PLAIN, plain(PLAIN), FACTS),
        ("a path that is not UTF-8", ODD, plain(ODD), FACTS_IF_ABLE),
        (
            "an image with a data file",
            WITH_DATA_FILE,
            with_data_file(DATA_FILE.as_bytes(), DATA_FILE),
            FACTS_IF_ABLE,
        ),
        (
            "a data file's name that is not UTF-8",
            ODD_DATA_FILE,
            with_data_file(ODD_NAME, r"data-\xff.raw"),
            FACTS_IF_ABLE,
        ),
    ];
    for (what, file, truth, expectation) in good {
        let subject = Subject {
            what,
            file,
            truth,
            expectation,
        };
        image(talk, level, &subject, refuses)?;
    }
    for (what, file) in [("a file that is no image", NO_IMAGE), ("no file", MISSING)] {
        next_case(talk)?;
        let check = format!("{}: {what}", level.as_str());
        let request = about_image(talk.fixture, level, file);
        talk.ask(&check, request, REFUSAL, |reply| declined(&reply))?;
    }
    Ok(())
}

fn image(
    talk: &mut Talk<'_>,
    level: Level,
    subject: &Subject,
    refuses: bool,
) -> Result<(), GivenUp> {
    next_case(talk)?;
    let name = level.as_str();
    let check = format!("{name}: {}", subject.what);
    let request = about_image(talk.fixture, level, subject.file);
    let has_data_file = subject.truth.data_file.is_some();
    let able = subject.expectation.otherwise == Outcome::Warning;
    talk.ask(&check, request, subject.expectation, |reply| match &reply {
        Reply::Result(result) => expect::facts(name, result, subject.truth),
        Reply::Unsupported { .. } if able => Ok(()),
        Reply::Rejected { .. } if has_data_file && refuses => Ok(()),
        Reply::Rejected { message, .. } if has_data_file => Err(format!(
            "it is refused ({message}); if that is by design, `refuses` has `data-file`"
        )),
        Reply::Rejected { message, .. } => Err(format!("it is refused: {message}")),
        other => Err(kind(other)),
    })
}

fn domain(talk: &mut Talk<'_>, level: Level) -> Result<(), GivenUp> {
    for what in ["a domain with a plain image", "the same once more"] {
        next_case(talk)?;
        let check = format!("{}: {what}", level.as_str());
        let request = about_domain(talk.fixture, level);
        talk.ask(&check, request, FACTS, |reply| match &reply {
            Reply::Result(result) => expect::facts(level.as_str(), result, NOTHING),
            other => Err(kind(other)),
        })?;
    }
    Ok(())
}

const NOTHING: Truth = Truth {
    data_file: None,
    data: PLAIN,
};

/// A start and a stop, which are one case.
fn steps(talk: &mut Talk<'_>) -> Result<(), GivenUp> {
    next_case(talk)?;
    for step in [Step::Start, Step::Stop] {
        let check = format!("label: {} a domain with a plain image", step.as_str());
        let request = about_step(talk.fixture, step);
        talk.ask(&check, request, FACTS, |reply| match &reply {
            Reply::Result(_) => Ok(()),
            other => Err(kind(other)),
        })?;
    }
    Ok(())
}

/// A level that it doesn't have; as for a level that is added later.
fn not_claimed(talk: &mut Talk<'_>, level: &str) -> Result<(), GivenUp> {
    next_case(talk)?;
    let known = Level::ALL.into_iter().find(|it| it.as_str() == level);
    let mut request = good(talk.fixture, known.unwrap_or(Level::Header));
    level.clone_into(&mut request.level);
    let check = format!("level `{level}`, which it doesn't claim");
    talk.ask(&check, request, NOT_SUPPORTED, |reply| match reply {
        Reply::Unsupported { .. } => Ok(()),
        other => Err(kind(&other)),
    })
}

/// Keys may be added to a question.
fn more_keys(talk: &mut Talk<'_>, level: Level) -> Result<(), GivenUp> {
    next_case(talk)?;
    let mut request = good(talk.fixture, level);
    request.seq = talk.next_seq();
    let mut value = serde_json::to_value(Request::Run(Box::new(request.clone())))
        .unwrap_or(serde_json::Value::Null);
    if let Some(keys) = value.as_object_mut() {
        keys.insert("added-later".to_owned(), serde_json::json!({ "a": [1] }));
    }
    let check = format!("{}: a question with a key that is new", level.as_str());
    let raw = to_line(&value);
    talk.ask_raw(&check, &raw, request.seq, FACTS, |reply| match &reply {
        Reply::Result(_) => Ok(()),
        other => Err(kind(other)),
    })
}

/// A kill is how this harness ends an adapter.
fn after_a_kill(talk: &mut Talk<'_>, level: Level) -> Result<(), GivenUp> {
    talk.kill();
    next_case(talk)?;
    let check = format!("{}: after a kill and a new start", level.as_str());
    let request = good(talk.fixture, level);
    talk.ask(&check, request, FACTS, |reply| match &reply {
        Reply::Result(_) => Ok(()),
        other => Err(kind(other)),
    })
}

/// Lines that only a broken or a newer harness sends.
fn strange_lines(talk: &mut Talk<'_>) -> Result<(), GivenUp> {
    let seq = talk.next_seq();
    let unknown = format!("{{\"type\":\"no-such-type\",\"seq\":{seq}}}");
    let lines = [
        ("a type that is unknown", unknown.as_str()),
        ("a line that is no JSON", "?"),
    ];
    for (check, line) in lines {
        talk.exchange(check, line.as_bytes(), ERROR_OR_END, |came| match came {
            Came::Lost(Lost::TimedOut(_)) => Err("silence".to_owned()),
            Came::Lost(_) => Ok(()),
            Came::Line(_) => match reply(came)? {
                Reply::Error { .. } | Reply::Unsupported { .. } => Ok(()),
                other => Err(kind(&other)),
            },
        })?;
    }
    talk.kill();
    talk.start()?;
    let later = to_line(&Request::Hello {
        protocol: VERSION + 1,
    });
    talk.exchange(
        "a protocol that is newer",
        &later,
        GREETING_OR_END,
        |came| match came {
            Came::Lost(Lost::TimedOut(_)) => Err("silence".to_owned()),
            Came::Lost(_) => Ok(()),
            Came::Line(_) => match reply(came)? {
                Reply::Hello(hello) if hello.protocol == VERSION => Ok(()),
                Reply::Hello(hello) => Err(format!("it claims to speak {}", hello.protocol)),
                other => Err(kind(&other)),
            },
        },
    )?;
    talk.kill();
    talk.exchange("`bye`", &to_line(&Request::Bye), END, |came| match came {
        Came::Lost(Lost::Ended { how, .. }) if how == "exit status 0" => Ok(()),
        Came::Lost(lost) => Err(lost.to_string()),
        Came::Line(_) => Err("a line, and it goes on".to_owned()),
    })
}

/// A reply to something bad.
fn declined(reply: &Reply) -> Verdict {
    match reply {
        Reply::Rejected { .. } | Reply::Unsupported { .. } => Ok(()),
        other => Err(kind(other)),
    }
}

fn kind(reply: &Reply) -> String {
    let kind = expect::kind(reply);
    match reply {
        Reply::Crashed { message, .. } | Reply::Error { message, .. } => {
            format!("it answers `{kind}`: {message}")
        }
        _ => format!("it answers `{kind}`"),
    }
}

/// The fixture stays; what lives for a case ends.
fn next_case(talk: &mut Talk<'_>) -> Result<(), GivenUp> {
    talk.next_case().map_err(|error| {
        talk.lines.push(Line {
            check: "between cases".to_owned(),
            outcome: Outcome::Failed,
            asked: String::new(),
            came: error.to_string(),
            expected: "that what it left can be removed".to_owned(),
            problem: "the worker can't go on".to_owned(),
            see: "The protocol".to_owned(),
            micros: 0,
        });
        GivenUp
    })
}
