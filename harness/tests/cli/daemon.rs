//! A real `qemu-storage-daemon`: given nodes, asked over QMP, read and written over NBD.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::has;

const PROGRAMS: [&str; 3] = ["qemu-storage-daemon", "qemu-img", "qemu-io"];

/// No answer takes this long; a daemon that is silent longer hangs.
const DEADLINE: Duration = Duration::from_secs(30);

/// Whether QEMU's programs are there; they come in one package.
pub(crate) fn is_here() -> bool {
    has(
        "qemu",
        PROGRAMS.iter().all(|name| which::which(name).is_ok()),
    )
}

/// A running daemon. It ends with this value.
pub(crate) struct Daemon {
    child: Child,
    commands: ChildStdin,
    answers: Receiver<String>,
    sockets: tempfile::TempDir,
    exports: u32,
}

impl Daemon {
    /// Starts a daemon that works in `folder`, where relative names in headers would lead.
    pub(crate) fn start(folder: &Path, arguments: &[String]) -> Self {
        let mut child = Command::new("qemu-storage-daemon")
            .args(["--chardev", "stdio,id=qmp", "--monitor", "chardev=qmp"])
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        // Paths of sockets are short.
        let sockets = tempfile::tempdir_in("/tmp").unwrap();
        let mut daemon = Self {
            child,
            commands,
            answers,
            sockets,
            exports: 0,
        };
        assert!(daemon.next()["QMP"].is_object());
        daemon.must("qmp_capabilities", &json!({}));
        let address = json!({"type": "unix", "data": {"path": daemon.socket()}});
        daemon.must("nbd-server-start", &json!({"addr": address}));
        daemon
    }

    /// Starts a daemon with these nodes, made in this order.
    pub(crate) fn with_nodes(folder: &Path, nodes: &[Value]) -> Self {
        let arguments = nodes
            .iter()
            .flat_map(|node| ["--blockdev".to_owned(), node.to_string()]);
        Self::start(folder, &arguments.collect::<Vec<_>>())
    }

    fn next(&mut self) -> Value {
        let line = self.answers.recv_timeout(DEADLINE);
        serde_json::from_str(&line.expect("the daemon says nothing")).unwrap()
    }

    /// Gives a command; an error is the daemon's own description.
    pub(crate) fn ask(&mut self, command: &str, arguments: &Value) -> Result<Value, String> {
        // In one piece: the daemon obeys as soon as the JSON is whole, and one that was told to
        // quit may be gone before a line's end is written by itself.
        let request = format!("{}\n", json!({"execute": command, "arguments": arguments}));
        self.commands.write_all(request.as_bytes()).unwrap();
        loop {
            let mut answer = self.next();
            if let Some(error) = answer["error"]["desc"].as_str() {
                return Err(error.to_owned());
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
        }
    }

    /// Gives a command that must succeed.
    pub(crate) fn must(&mut self, command: &str, arguments: &Value) -> Value {
        match self.ask(command, arguments) {
            Ok(answer) => answer,
            Err(error) => panic!("{command} {arguments}: {error}"),
        }
    }

    /// Runs a job to its end; it must succeed.
    pub(crate) fn run_job(&mut self, command: &str, mut arguments: Value) {
        arguments["job-id"] = json!("job");
        self.must(command, &arguments);
        loop {
            let jobs = self.must("query-jobs", &json!({}));
            if jobs[0]["status"] == "concluded" {
                assert_eq!(jobs[0].get("error"), None, "{command} {arguments}");
                self.must("job-dismiss", &json!({"id": "job"}));
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Offers a node over NBD, and gives the URI.
    pub(crate) fn export(&mut self, node: &str, writable: bool) -> Result<String, String> {
        let id = format!("export-{}", self.exports);
        let arguments = json!({
            "type": "nbd", "id": id, "node-name": node, "name": id, "writable": writable,
        });
        self.ask("block-export-add", &arguments)?;
        self.exports += 1;
        Ok(format!(
            "nbd+unix:///{id}?socket={}",
            self.socket().display()
        ))
    }

    fn socket(&self) -> PathBuf {
        self.sockets.path().join("nbd")
    }

    /// Ends the export that was added last.
    fn end_export(&mut self) {
        let id = format!("export-{}", self.exports - 1);
        self.must("block-export-del", &json!({"id": id, "mode": "hard"}));
        // The export goes when its last client has gone.
        let began = Instant::now();
        while self.must("query-block-exports", &json!({})) != json!([]) {
            assert!(began.elapsed() < DEADLINE, "{id} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every byte of a node as a guest would see it.
    pub(crate) fn read(&mut self, node: &str) -> Vec<u8> {
        let uri = self.export(node, false).unwrap();
        let out = self.sockets.path().join("bytes");
        let target = out.to_str().unwrap();
        run(
            "qemu-img",
            &["convert", "-f", "raw", "-O", "raw", &uri, target],
        );
        self.end_export();
        std::fs::read(out).unwrap()
    }

    /// Writes one byte value at a guest offset.
    pub(crate) fn write(&mut self, node: &str, offset: u64, length: u64, byte: u8) {
        let uri = self.export(node, true).unwrap();
        let command = format!("write -P {byte} {offset} {length}");
        run("qemu-io", &["-f", "raw", "-c", &command, &uri]);
        self.end_export();
    }

    /// Ends the daemon in order, so that it stores what it holds in memory.
    pub(crate) fn quit(mut self) {
        self.must("quit", &json!({}));
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing happens to one that has ended.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Runs one of QEMU's programs, which must succeed, and gives what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    // qemu-io tells of a failed command on standard output only.
    let failed = !output.status.success() || printed.contains("failed");
    assert!(!failed, "{program} {arguments:?}: {printed}{errors}");
    printed
}
