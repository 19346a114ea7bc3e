//! What the adapters in Rust share: the protocol, line by line.

use std::ffi::OsString;
use std::io::{self, BufRead, Write};
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

    /// Guest offsets, with a buffer for each.
    pub fn buffers(&self) -> impl Iterator<Item = (u64, Vec<u8>)> {
        let length = self.0["length"].as_u64().unwrap_or_default();
        let length = usize::try_from(length).unwrap_or_default();
        let offsets = self.0["offsets"].as_array().into_iter().flatten();
        offsets.filter_map(move |offset| Some((offset.as_u64()?, vec![0; length])))
    }
}

/// A buffer that was read, as the protocol has it.
#[must_use]
pub fn read(offset: u64, bytes: &[u8]) -> Value {
    json!({ "offset": offset, "bytes": hex(bytes) })
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
        let mut out = io::stdout().lock();
        if writeln!(out, "{reply}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
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
