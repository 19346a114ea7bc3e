//! What the adapters in Rust share: the protocol, line by line.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use serde_json::{Value, json};

/// Why a question is not answered with facts.
#[derive(Debug)]
pub enum Declined {
    /// The implementation refuses the input cleanly.
    Rejected(String),
    /// The implementation doesn't do what is asked.
    Unsupported(String),
}

impl<E: std::error::Error> From<E> for Declined {
    fn from(error: E) -> Self {
        Declined::Rejected(error.to_string())
    }
}

/// Answers one question of a level.
pub type Level = fn(&Question) -> Result<Value, Declined>;

/// A question about an image.
#[derive(Debug)]
pub struct Question(Value);

impl Question {
    /// Path of the image.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(OsString::from_vec(unhex(&self.0["image"]["path"])))
    }

    /// Declines unless the image is declared to be qcow2: most libraries don't recognise formats.
    pub fn only_qcow2(&self) -> Result<(), Declined> {
        match self.0["image"]["format"].as_str() {
            Some("qcow2") => Ok(()),
            None => Err(Declined::Unsupported("recognising a format".to_owned())),
            Some(format) => Err(Declined::Unsupported(format!("format {format}"))),
        }
    }

    /// The path of an image that is declared to be qcow2.
    pub fn qcow2(&self) -> Result<PathBuf, Declined> {
        self.only_qcow2()?;
        Ok(self.path())
    }

    /// The first bytes of the image, at most as many as `limit`.
    pub fn head(&self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path())?
            .take(limit)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Makes the image's folder the working directory, for an implementation that takes names in
    /// headers relative to that: otherwise no relative name would be found.
    pub fn enter_folder(&self) -> io::Result<()> {
        env::set_current_dir(self.path().parent().unwrap_or(&PathBuf::from("/")))
    }

    /// Guest bytes at each offset, as `read` fills the buffer.
    pub fn reads<E: Into<Declined>>(
        &self,
        mut read: impl FnMut(u64, &mut [u8]) -> Result<(), E>,
    ) -> Result<Value, Declined> {
        let length = self.0["length"].as_u64().unwrap_or_default();
        let length = usize::try_from(length).unwrap_or_default();
        let offsets = self.0["offsets"].as_array().into_iter().flatten();
        let mut reads = Vec::new();
        for offset in offsets.filter_map(Value::as_u64) {
            let mut buffer = vec![0; length];
            read(offset, &mut buffer).map_err(Into::into)?;
            reads.push(json!({ "offset": offset, "bytes": hex(&buffer) }));
        }
        Ok(json!({ "reads": reads }))
    }
}

/// An image that opens, with nothing to tell about it.
pub fn opened<T>(_image: T) -> Result<Value, Declined> {
    Ok(json!({}))
}

/// Bytes as hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap_or_default().as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.filter_map(byte).collect()
}

/// Answers requests until they end. `hello` is the name, the version, what the implementation
/// refuses by design. A panic is a crash of the implementation.
pub fn serve(name: &str, version: &str, refuses: &[&str], levels: &[(&str, Level)]) {
    std::panic::set_hook(Box::new(|_| {}));
    let Ok(mut out) = replies() else {
        return;
    };
    let names: Vec<&str> = levels.iter().map(|(name, _)| *name).collect();
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let Ok(request) = serde_json::from_str::<Value>(&line) else {
            return;
        };
        let reply = match request["type"].as_str() {
            Some("bye") => return,
            Some("hello") => json!({
                "type": "hello", "protocol": 1, "name": name, "version": version,
                "levels": names, "refuses": refuses,
            }),
            _ => answer(request, levels),
        };
        if writeln!(out, "{reply}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// Standard output, for replies alone: what an implementation prints goes to standard error.
fn replies() -> io::Result<File> {
    let out = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(out))
}

fn answer(request: Value, levels: &[(&str, Level)]) -> Value {
    let seq = request["seq"].clone();
    let level = request["level"].as_str().unwrap_or_default().to_owned();
    let Some((_, act)) = levels.iter().find(|(name, _)| *name == level) else {
        return json!({ "type": "unsupported", "seq": seq, "message": format!("level {level}") });
    };
    let question = Question(request);
    let mut reply = match catch_unwind(AssertUnwindSafe(|| act(&question))) {
        Ok(Ok(Value::Object(facts))) => Value::Object(facts),
        Ok(Ok(_)) => json!({}),
        Ok(Err(Declined::Rejected(message))) => {
            return json!({ "type": "rejected", "seq": seq, "class": "error", "message": message });
        }
        Ok(Err(Declined::Unsupported(message))) => {
            return json!({ "type": "unsupported", "seq": seq, "message": message });
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            let message = format!("panic: {}", text.unwrap_or_default());
            return json!({ "type": "crashed", "seq": seq, "message": message });
        }
    };
    reply["type"] = "result".into();
    reply["seq"] = seq;
    reply
}
