//! The page: hostile text is shown, never run.

use proptest::prelude::*;
use qconform_reports::html;
use qconform_reports::stream::Run;
use qconform_scenarios::verdict::Verdict;
use rstest::rstest;

use crate::runs::{run_saying, stored};

fn page(run: &Run) -> String {
    let mut out = Vec::new();
    html::write(run, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// How often a page holds what could begin a script, a comment or any element.
fn markup(page: &str) -> [usize; 4] {
    let page = page.to_lowercase();
    ["<script", "</script", "<!--", "<"].map(|piece| page.matches(piece).count())
}

fn hostile(text: &str) -> Run {
    let mut run = run_saying(text, &[Verdict::Fail, Verdict::Pass]);
    run.header.command.push(text.to_owned());
    run.header.started = text.to_owned();
    run.header.subjects[0].version = text.to_owned();
    run.footer.as_mut().unwrap().stale.push(text.to_owned());
    run.header.requirements = stored().header.requirements;
    run.header.requirements[0].id = text.to_owned();
    run.header.requirements[0].text = text.to_owned();
    run.header.requirements[0].source = text.to_owned();
    run
}

#[rstest]
#[case("</script><script>alert(1)</script>")]
#[case("<!--<script>")]
#[case("]]><img src=x onerror=alert(1)>")]
#[case("\" onmouseover=\"alert(1)")]
#[case("' autofocus onfocus='alert(1)")]
#[case("\u{2028}\\u003cscript>\u{0}\u{202e}")]
fn hostile_text_adds_no_markup(#[case] text: &str) {
    let page = page(&hostile(text));
    assert_eq!(markup(&page), markup(&self::page(&hostile("x"))));
    let (first_page, _) = page.split_once("<script").unwrap();
    assert!(!first_page.contains(text), "the text is not escaped");
}

/// Everything but style and scripts, which are files of their own.
#[test]
fn the_page_of_the_stored_run() {
    let page = page(&stored());
    let (_, body) = page.split_once("<main>").unwrap();
    let (body, _) = body.split_once("<script>").unwrap();
    insta::assert_snapshot!(body);
}

#[test]
fn the_page_fetches_nothing() {
    let page = page(&run_saying("x", &Verdict::ALL));
    assert!(page.contains("default-src 'none'"));
    for reference in ["src=", "<link", "@import", "url(", "<iframe", "<base"] {
        assert!(!page.contains(reference), "{reference}");
    }
}

#[test]
fn what_is_broken_and_marked_as_security_comes_first() {
    let page = page(&stored());
    let security = page.find("A data file is labelled exactly").unwrap();
    let other = page
        .find("Guest bytes of an image with a data file")
        .unwrap();
    let kept = page.find("id=\"kept\"").unwrap();
    let fulfilled = page.find("with incompatible bit 2 uses").unwrap();
    assert!(security < other && other < kept && kept < fulfilled);
}

#[test]
fn every_case_is_embedded_with_each_of_its_verdicts() {
    let page = page(&stored());
    let (_, data) = page
        .split_once("<script type=\"application/json\" id=\"data\">")
        .unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let cases = data["cases"].as_array().unwrap();
    let runs: usize = cases
        .iter()
        .map(|case| case["v"].as_str().unwrap().replace('-', "").len())
        .sum();
    assert_eq!((cases.len(), runs), (13, 18));
    // The first verdict of all is the worst; the second subject's run has it.
    assert_eq!(data["verdicts"][0], "wrong-data");
    assert_eq!(cases[0]["v"], "la-");
}

#[test]
fn an_incomplete_run_says_so_on_the_first_page() {
    let mut run = stored();
    assert!(!page(&run).contains("Incomplete run"));
    run.footer = None;
    assert!(page(&run).contains("Incomplete run"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_adds_markup(text in "[<>&'\"/!a-z\\PC -]{0,40}") {
        let page = page(&hostile(&text));
        prop_assert_eq!(markup(&page), markup(&self::page(&hostile("x"))));
    }
}
