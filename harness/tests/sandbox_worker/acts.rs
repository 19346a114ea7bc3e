//! What the worker does: one small act for each request.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use crate::SOON;

/// The act that a request names, and what came of it.
pub(super) fn serve(request: &str) -> String {
    let (verb, rest) = request.split_once(' ').unwrap_or((request, ""));
    match verb {
        "echo" => rest.to_owned(),
        "print" => {
            println!("noise");
            "reply".to_owned()
        }
        "two-lines" => "one\ntwo".to_owned(),
        "ids" => format!(
            "{} {}",
            rustix::process::getuid().as_raw(),
            rustix::process::getpid().as_raw_nonzero()
        ),
        "owner" => {
            fs::metadata(rest).map_or_else(told, |found| format!("{}:{}", found.uid(), found.gid()))
        }
        "list" => fs::read_dir(rest).map_or_else(told, names),
        "write" => fs::write(rest, "x").map_or_else(told, |()| "written".to_owned()),
        "read" => fs::read_to_string(rest).map_or_else(told, |text| text.replace('\n', ";")),
        "fill" => fill(rest),
        "environment" => std::env::vars()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
            .join(","),
        "orphan" => orphan(),
        "sleeper" => Command::new("sleep")
            .arg(rest)
            .spawn()
            .map_or_else(told, |_| "started".to_owned()),
        "abort" => std::process::abort(),
        "hang" => {
            std::thread::sleep(SOON);
            String::new()
        }
        _ => "what?".to_owned(),
    }
}

fn told(error: std::io::Error) -> String {
    format!("error {}", error.raw_os_error().unwrap_or_default())
}

fn names(entries: fs::ReadDir) -> String {
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names.join(",")
}

fn fill(mebibytes: &str) -> String {
    let bytes = vec![1; mebibytes.parse::<usize>().unwrap() << 20];
    fs::write("/tmp/fill", bytes).map_or_else(told, |()| "filled".to_owned())
}

/// Leaves a grandchild behind that ends at once.
fn orphan() -> String {
    let status = Command::new("sh")
        .args(["-c", "(exit 3) & sleep 0.1 & exit 0"])
        .status();
    std::thread::sleep(Duration::from_millis(300));
    status.map_or_else(told, |status| status.to_string())
}
