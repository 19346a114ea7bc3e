//! What a subject can do to its worker and its surroundings. The worker is this test program executed again.
#![allow(clippy::unwrap_used)]

#[path = "common/ordinary_user.rs"]
mod ordinary_user;

use std::fs;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use qconform::sandbox::{
    Confined, How, IdMap, Limits, SandboxError, Settings, Worker, capabilities, run_if_worker,
};
use rustix::process::WaitOptions;

type Test = fn() -> Result<(), Failed>;

const SOON: Duration = Duration::from_secs(20);
const OUTPUT: usize = 1000;

fn main() -> ExitCode {
    run_if_worker(&mut |request| serve(&String::from_utf8_lossy(request)).into_bytes());
    let mut trials: Vec<_> = cases().into_iter().map(Case::into_trial).collect();
    let more: [(&str, Test); 5] = [
        (
            "a_subject_can_not_write_to_a_folder_of_root",
            a_subject_can_not_write_to_a_folder_of_root,
        ),
        (
            "a_fork_bomb_is_contained_and_removed",
            a_fork_bomb_is_contained_and_removed,
        ),
        (
            "a_subject_that_hangs_is_killed_with_its_children",
            a_subject_that_hangs_is_killed_with_its_children,
        ),
        (
            "nothing_is_confined_outside_a_worker",
            nothing_is_confined_outside_a_worker,
        ),
        (
            "an_ordinary_user_can_confine_too",
            an_ordinary_user_can_confine_too,
        ),
    ];
    trials.extend(more.into_iter().map(|(name, test)| Trial::test(name, test)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn subject(script: &str) -> Confined {
    Confined {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        dir: "/tmp".into(),
        env: vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("GREETING".into(), "hello".into()),
        ],
        stdin: b"given".to_vec(),
        uid: 1000,
        gid: 1001,
        labels: false,
        limits: Limits {
            time: Duration::from_millis(1500),
            address_space: 1 << 30,
            memory: 1 << 30,
            output: OUTPUT,
            processes: 20,
            file_size: 1 << 20,
        },
    }
}

/// The worker: runs the request as a script, answers with how it ended, its output, and which processes are left.
fn serve(request: &str) -> String {
    let mut subject = subject(request);
    match request {
        "as root" => subject.uid = 0,
        "no such program" => subject.program = "/usr/bin/no-such-program".into(),
        "big input" => {
            subject.stdin = vec![b'x'; 1 << 20];
            subject.args = vec!["-c".into(), "wc -c".into()];
        }
        _ => {}
    }
    let answer = match subject.run() {
        Ok(finished) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().replace('\n', ";");
            format!(
                "{:?}|{}|{}",
                finished.how,
                text(&finished.stdout),
                text(&finished.stderr)
            )
        }
        Err(error) => format!("{error}||"),
    };
    format!("{answer}|{}", processes())
}

/// Processes in the sandbox; where `/proc` is missing, one besides the worker if that has any child.
fn processes() -> usize {
    let listed = fs::read_dir("/proc").map(|entries| {
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
            .count()
    });
    match listed {
        Ok(count) if count > 0 => count,
        _ => 1 + usize::from(rustix::process::wait(WaitOptions::NOHANG).is_ok()),
    }
}

fn settings() -> Settings {
    Settings::new(IdMap::choose().unwrap())
}

/// How it ended, standard output, standard error; fails when a process is left.
fn run(script: &str) -> Result<[String; 3], Failed> {
    let mut worker = Worker::start(&settings()).unwrap();
    answer(&mut worker, script)
}

fn answer(worker: &mut Worker, script: &str) -> Result<[String; 3], Failed> {
    let reply = String::from_utf8(worker.call(script.as_bytes(), SOON)?).unwrap();
    let parts: Vec<_> = reply.split('|').map(str::to_owned).collect();
    let [how, out, err, left] = parts.try_into().unwrap();
    if left == "1" {
        Ok([how, out, err])
    } else {
        Err(format!("{left} processes are left").into())
    }
}

struct Case {
    name: &'static str,
    script: &'static str,
    how: &'static str,
    out: &'static str,
}

impl Case {
    fn into_trial(self) -> Trial {
        Trial::test(self.name, move || {
            let needs_proc = self.script.contains("/proc");
            // With a single id and no namespace of its own the subject keeps the worker's id.
            let needs_namespace = self.script.contains("id -u") && settings().id_map.is_single();
            if (needs_proc || needs_namespace) && !proc_is_there() {
                println!("skipped: /proc can't be mounted here");
                return Ok(());
            }
            let [how, out, err] = run(self.script)?;
            if (how.as_str(), out.as_str()) == (self.how, self.out) {
                return Ok(());
            }
            Err(format!("{how}, out {out:?}, err {err:?}").into())
        })
    }
}

fn proc_is_there() -> bool {
    let found = capabilities(&settings()).unwrap();
    found
        .iter()
        .any(|capability| capability.name == "proc" && capability.present)
}

fn cases() -> Vec<Case> {
    let case = |name, script, how, out| Case {
        name,
        script,
        how,
        out,
    };
    vec![
        case(
            "the_exit_code_is_kept",
            "echo out; exit 7",
            "Exited(7)",
            "out",
        ),
        case(
            "a_signal_is_told_from_an_exit_code",
            "kill -SEGV $$",
            "Signalled(11)",
            "",
        ),
        case("standard_input_arrives", "cat", "Exited(0)", "given"),
        case(
            "input_larger_than_a_pipe_arrives",
            "big input",
            "Exited(0)",
            "1048576",
        ),
        case(
            "input_may_stay_unread",
            "exec <&-; sleep 0.1; exit 4",
            "Exited(4)",
            "",
        ),
        case(
            "the_environment_is_what_was_asked_for",
            "echo $GREETING $HOME",
            "Exited(0)",
            "hello",
        ),
        case(
            "the_working_folder_is_what_was_asked_for",
            "pwd",
            "Exited(0)",
            "/tmp",
        ),
        case(
            "the_ids_are_what_was_asked_for",
            "id -u; id -g",
            "Exited(0)",
            "1000;1001",
        ),
        case(
            "there_are_no_capabilities",
            "grep -E 'Cap(Prm|Eff)' /proc/self/status | grep -cv 0000000000000000",
            "Exited(1)",
            "0",
        ),
        case(
            "no_privilege_can_be_gained",
            "grep -o 'NoNewPrivs:.1' /proc/self/status | tr '\\t' ' '",
            "Exited(0)",
            "NoNewPrivs: 1",
        ),
        case(
            "the_map_has_one_id",
            "set -- $(cat /proc/self/uid_map); echo $1 $3 $#",
            "Exited(0)",
            "1000 1 3",
        ),
        case(
            "no_descriptor_of_the_worker_is_inherited",
            "for f in 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$f ] && echo $f; done; echo end",
            "Exited(0)",
            "end",
        ),
        case(
            "the_worker_can_not_be_signalled",
            "kill -KILL 1; kill -TERM 1; echo tried",
            "Exited(0)",
            "tried",
        ),
        case(
            "the_worker_can_not_be_looked_into",
            "cat /proc/1/environ 2>/dev/null || echo refused",
            "Exited(0)",
            "refused",
        ),
        case(
            "standard_error_has_a_limit_too",
            "while :; do echo 0123456789 >&2; done",
            "TooMuchOutput",
            "",
        ),
        case(
            "a_file_has_a_limit",
            "trap '' XFSZ; head -c 2000000 /dev/zero >big; wc -c <big",
            "Exited(0)",
            "1048576",
        ),
        case(
            "memory_has_a_limit",
            "python3 -c 'x = bytearray(2 << 30)' 2>/dev/null; exit $?",
            "Exited(1)",
            "",
        ),
        case(
            "a_daemon_does_not_stay",
            "setsid sleep 77 >/dev/null 2>&1 & exit 5",
            "Exited(5)",
            "",
        ),
        case(
            "a_daemon_that_holds_the_output_does_not_stay",
            "setsid sleep 77 & echo done",
            "Exited(0)",
            "done",
        ),
        case(
            "a_missing_program_is_an_error_of_its_own",
            "no such program",
            "/usr/bin/no-such-program: can't be started: No such file or directory (os error 2)",
            "",
        ),
        case(
            "root_is_refused",
            "as root",
            "/bin/sh: can't be started: a subject never runs as root",
            "",
        ),
    ]
}

fn that(holds: bool, what: &str) -> Result<(), Failed> {
    if holds {
        Ok(())
    } else {
        Err(what.to_owned().into())
    }
}

fn a_subject_can_not_write_to_a_folder_of_root() -> Result<(), Failed> {
    if settings().id_map.is_single() {
        println!("skipped: with one id the folder belongs to the subject");
        return Ok(());
    }
    let [how, _, err] = run("echo x >/etc/new")?;
    that(
        how == "Exited(2)" && err.contains("Permission denied"),
        &format!("{how} {err}"),
    )
}

fn a_fork_bomb_is_contained_and_removed() -> Result<(), Failed> {
    let mut worker = Worker::start(&settings()).unwrap();
    let [how, _, err] = answer(
        &mut worker,
        "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 60",
    )?;
    // Whether the shell itself gets another process decides how it ends.
    that(
        how == "TimedOut" || how.starts_with("Exited"),
        &format!("{how} {err}"),
    )?;
    let [how, out, _] = answer(&mut worker, "echo next")?;
    that(
        how == "Exited(0)" && out == "next",
        "the worker must serve the next subject",
    )?;
    let [_, out, _] = answer(
        &mut worker,
        "i=0; while [ $i -lt 30 ]; do sleep 9 & i=$((i+1)); done 2>/dev/null; echo $i",
    )?;
    that(
        out != "30",
        "thirty processes were allowed where the limit is twenty",
    )
}

fn a_subject_that_hangs_is_killed_with_its_children() -> Result<(), Failed> {
    let start = Instant::now();
    let [how, out, _] = run("sleep 60 & echo early; sleep 60")?;
    that(how == "TimedOut" && out == "early", &format!("{how} {out}"))?;
    that(start.elapsed() < Duration::from_secs(10), "killed late")?;
    let [how, out, _] = run("while :; do echo 0123456789; done")?;
    that(
        how == "TooMuchOutput" && out.len() >= OUTPUT - 1,
        &format!("{how} {}", out.len()),
    )?;
    that(out.len() <= OUTPUT, "more was kept than allowed")
}

fn nothing_is_confined_outside_a_worker() -> Result<(), Failed> {
    // A child of whoever tries: it is neither killed nor reaped.
    let mut child = Command::new("/bin/sleep").arg("0.2").spawn()?;
    let refused = subject("exit 0").run();
    that(child.wait()?.success(), "another child's end was taken")?;
    that(
        matches!(refused, Err(SandboxError::NotInWorker)),
        &format!("{refused:?}"),
    )?;
    that(
        How::Exited(0) != How::Signalled(0),
        "an exit code is no signal",
    )
}

/// Root runs the rest once more as somebody else.
fn an_ordinary_user_can_confine_too() -> Result<(), Failed> {
    match ordinary_user::fails() {
        None => Ok(()),
        Some(output) => Err(output.into()),
    }
}
