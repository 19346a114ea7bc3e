//! A hostile adapter harms nothing: the one case in which it misbehaves has a verdict that says
//! so, the others go on.

use std::net::TcpListener;

use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::run::{has_range, run, staged};

#[rstest]
#[case::fork_bomb("fork_bomb", Verdict::TimedOut, "no answer in time")]
#[case::ten_gigabytes("flood", Verdict::Crashed, "too much output")]
#[case::ignored_signals("hang", Verdict::TimedOut, "no answer in time")]
#[case::closed_output("close_output", Verdict::Crashed, "it closed its standard output")]
#[case::death("die", Verdict::Crashed, "it ended without an answer (signal 6)")]
#[case::order(
    "out_of_order",
    Verdict::Crashed,
    "an answer out of order: seq 1 instead of seq 3"
)]
#[case::two_lines("twice", Verdict::Crashed, "more than one line for one question")]
#[case::garbage("garbage", Verdict::Crashed, "a reply that is none")]
#[case::writing("write_outside", Verdict::Crashed, "nothing could be written")]
#[case::the_hosts_network("reach_host", Verdict::Crashed, "the host's loopback can't be reached")]
fn only_the_case_fails_in_which_an_adapter_misbehaves(
    #[case] how: &str,
    #[case] verdict: Verdict,
    #[case] message: &str,
) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("hostile");
    let ids = if has_range() { "range" } else { "single" };
    let manifest = format!(
        "description = \"hostile\"\nhomepage = \"none\"\nlicence = \"MIT\"\nversion = \"1\"\n\
         [run]\ncommand = [\"/usr/bin/python3\", \"{{adapter}}/hostile.py\", \"{how}\", \"{port}\", \"{ids}\"]\n\
         [limits]\nseconds = 3\nprocesses = 20\n"
    );
    let program = include_str!("hostile.py");
    staged(
        &folder,
        &[("hostile.py", program), ("adapter.toml", &manifest)],
    );
    let jobs = ["header/data-file/name/**", "--jobs", "1"];
    let finished = run(&folder.to_string_lossy(), &jobs);
    let (bad, good): (Vec<_>, Vec<_>) = finished
        .cases
        .iter()
        .partition(|case| case.verdict != Verdict::Unsupported);
    assert!(good.len() >= 5, "{}", finished.text);
    assert_eq!(bad.len(), 1, "{}", finished.text);
    assert_eq!(bad[0].verdict, verdict, "{}", bad[0].message);
    assert!(bad[0].message.starts_with(message), "{}", bad[0].message);
    assert_eq!(finished.code, 1);
}
