//! Expectations that are wrong in one place each: the reference, which passes the right ones, has
//! to fail every one of them. A place that could hold anything would be no expectation.

mod matrix;

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Failed;
use qconform::judge;
use qconform::sandbox::{self, IdMap, Settings, Worker};
use qconform::subject::Answer;
use qconform::worker::{CaseOrder, Observation, Order, Reply};
use qconform_scenarios::case::Case;
use qconform_scenarios::expect::{
    AccessWanted, Allowed, Expectation, Graded, HeaderWanted, LayerWanted, OpenWanted, Outcome,
    ReadWanted, XmlLayer,
};
use qconform_scenarios::select::Selection;
use qconform_scenarios::suite::Suite;
use qconform_scenarios::verdict::{Grade, Verdict};

const TIMEOUT: Duration = Duration::from_secs(30);
/// A name that no fixture has.
const NOBODY: &str = "nobody";

/// Runs each case once, and judges what was seen by every wrong expectation.
pub(crate) fn every_wrong_expectation_is_failed() -> Result<(), Failed> {
    let suite = Suite::embedded()?;
    let settings = Settings::new(IdMap::choose()?);
    let missing = missing(&settings)?;
    let mut worker = Worker::start(&settings)?;
    let (mut judged, mut passed) = (0, Vec::new());
    for selected in suite.select(&Selection::default()) {
        let mut case = selected.case()?;
        if case.needs().iter().any(|need| missing.contains(need)) {
            continue;
        }
        let seen = observe(&mut worker, &case)?;
        if judge::judge(&case, &seen, 0).verdict != Verdict::Pass {
            return Err(format!("{} isn't passed as it is", case.id).into());
        }
        for (what, wrong) in wrong(&case, &seen) {
            case.expectation = wrong;
            judged += 1;
            if !judge::judge(&case, &seen, 0).verdict.is_failure() {
                passed.push(format!("{}: {what}", case.id));
            }
        }
    }
    println!("{judged} wrong expectations, {} passed", passed.len());
    if judged < 10_000 {
        return Err(format!("only {judged} expectations were tried").into());
    }
    match passed.first() {
        None => Ok(()),
        Some(_) => Err(passed.join("\n").into()),
    }
}

fn missing(settings: &Settings) -> Result<Vec<&'static str>, Failed> {
    let all = sandbox::capabilities(settings)?;
    let missing = all.iter().filter(|capability| !capability.present);
    Ok(missing.map(|capability| capability.name).collect())
}

fn observe(worker: &mut Worker, case: &Case) -> Result<Observation, Failed> {
    let order = CaseOrder {
        subject: "reference".to_owned(),
        seed: 0,
        files: Arc::clone(&case.files),
        filesystem: case.filesystem,
        ask: case.ask.clone(),
        records: records(),
        launch: None,
    };
    let order = serde_json::to_vec(&Order::case(order, false))?;
    let reply = worker.call(&order, TIMEOUT)?;
    match serde_json::from_slice(&reply)? {
        Reply::Observed(told) => Ok(told.observation(None).ok_or("no fixture")?),
        other => Err(format!("{}: {other:?}", case.id).into()),
    }
}

/// Where the reference keeps its records.
fn records() -> Vec<String> {
    ["trusted.qconform.", "security.qconform.", "user.qconform."]
        .map(ToOwned::to_owned)
        .to_vec()
}

/// Expectations with one thing changed, and what that is.
fn wrong(case: &Case, seen: &Observation) -> Vec<(String, Expectation)> {
    let accepted = matches!(
        seen.stages.first().map(|stage| &stage.answer),
        Some(Answer::Accepted(_))
    );
    match &case.expectation {
        Expectation::Header(allowed) => outcomes(allowed, accepted, header, Expectation::Header),
        Expectation::Open(allowed) => outcomes(allowed, accepted, open, Expectation::Open),
        Expectation::Read(allowed) => outcomes(allowed, accepted, |it| read(it), Expectation::Read),
        Expectation::Access(allowed) => {
            outcomes(allowed, accepted, |it| access(it), Expectation::Access)
        }
        Expectation::Blockdev(allowed) => {
            outcomes(allowed, accepted, |it| blockdev(it), Expectation::Blockdev)
        }
        Expectation::Xml(allowed) => outcomes(allowed, accepted, |it| xml(it), Expectation::Xml),
        Expectation::Label(right) => {
            let all = matrix::wrong(right, case, seen).into_iter();
            all.map(|(what, matrix)| (what, Expectation::Label(matrix)))
                .collect()
        }
    }
}

fn outcomes<F: Clone + Default>(
    allowed: &Allowed<F>,
    accepted: bool,
    change: impl Fn(&F) -> Vec<(&'static str, F)>,
    build: fn(Allowed<F>) -> Expectation,
) -> Vec<(String, Expectation)> {
    let only = |wanted| {
        build(vec![Graded {
            grade: Grade::Pass,
            wanted,
        }])
    };
    let facts = allowed.iter().find_map(|graded| match &graded.wanted {
        Outcome::Accept(facts) => Some(facts.clone()),
        Outcome::Reject => None,
    });
    let facts = facts.unwrap_or_default();
    if !accepted {
        return vec![("accepted".to_owned(), only(Outcome::Accept(facts)))];
    }
    let changed = change(&facts).into_iter();
    let changed = changed.map(|(what, facts)| (what.to_owned(), only(Outcome::Accept(facts))));
    let rejected = ("rejected".to_owned(), only(Outcome::Reject));
    changed.chain(std::iter::once(rejected)).collect()
}

/// Each fact that is compared, changed.
fn header(right: &HeaderWanted) -> Vec<(&'static str, HeaderWanted)> {
    let mut all = Vec::new();
    let mut put = |what, is_compared: bool, change: &dyn Fn(&mut HeaderWanted)| {
        let mut wrong = right.clone();
        change(&mut wrong);
        all.extend(is_compared.then_some((what, wrong)));
    };
    let name = || Some(NOBODY.to_owned());
    put("format", right.format.is_some(), &|it| {
        it.format = name();
    });
    put("version", right.version.is_some(), &|it| {
        it.version = Some(9);
    });
    put("size", right.virtual_size.is_some(), &|it| {
        it.virtual_size = it.virtual_size.map(|size| size ^ 512);
    });
    put("backing", right.backing.is_some(), &|it| {
        it.backing = name();
    });
    put("backing format", right.backing_format.is_some(), &|it| {
        it.backing_format = name();
    });
    put("data file", right.data_file.is_some(), &|it| {
        it.data_file = name();
    });
    put("has backing", right.has_backing.is_some(), &|it| {
        it.has_backing = it.has_backing.map(|has| !has);
    });
    put("uses data file", right.uses_data_file.is_some(), &|it| {
        it.uses_data_file = it.uses_data_file.map(|uses| !uses);
    });
    put("raw flag", right.data_file_raw.is_some(), &|it| {
        it.data_file_raw = it.data_file_raw.map(|raw| !raw);
    });
    all
}

fn open(right: &OpenWanted) -> Vec<(&'static str, OpenWanted)> {
    let mut wrong = right.clone();
    wrong.opened.push(NOBODY.to_owned());
    vec![("one more file", wrong)]
}

/// Each read from another file.
fn read(right: &[ReadWanted]) -> Vec<(&'static str, Vec<ReadWanted>)> {
    let change = |index: usize| {
        let mut wrong = right.to_vec();
        let read = &mut wrong[index];
        read.file = match read.file {
            Some(_) => None,
            None => Some(NOBODY.to_owned()),
        };
        ("bytes", wrong)
    };
    (0..right.len()).map(change).collect()
}

/// Each row changed or dropped, and one too many.
fn access(right: &[AccessWanted]) -> Vec<(&'static str, Vec<AccessWanted>)> {
    let row = |index: usize| {
        let other = |access: &str| if access == "rw" { "ro" } else { "rw" }.to_owned();
        let (mut used, mut role, mut less) = (right.to_vec(), right.to_vec(), right.to_vec());
        used[index].access = other(&right[index].access);
        role[index].role = NOBODY.to_owned();
        less.remove(index);
        [("access", used), ("role", role), ("a row less", less)]
    };
    let mut more = right.to_vec();
    more.push(AccessWanted {
        file: NOBODY.to_owned(),
        role: "backing".to_owned(),
        access: "ro".to_owned(),
    });
    let rows = (0..right.len()).flat_map(row);
    rows.chain(std::iter::once(("a row more", more))).collect()
}

/// Each layer changed or dropped.
fn blockdev(right: &[LayerWanted]) -> Vec<(&'static str, Vec<LayerWanted>)> {
    let other = |name: &Option<String>| match name {
        Some(_) => None,
        None => Some(NOBODY.to_owned()),
    };
    let layer = |index: usize| {
        let change = |what, change: &dyn Fn(&mut LayerWanted)| {
            let mut wrong = right.to_vec();
            change(&mut wrong[index]);
            (what, wrong)
        };
        let mut less = right.to_vec();
        less.remove(index);
        [
            change("read-only", &|layer| layer.read_only = !layer.read_only),
            change("driver", &|layer| layer.driver = NOBODY.to_owned()),
            change("data file", &|layer| {
                layer.data_file = other(&layer.data_file);
            }),
            change("backing", &|layer| layer.backing = other(&layer.backing)),
            ("a layer less", less),
        ]
    };
    (0..right.len()).flat_map(layer).collect()
}

/// Each layer changed or dropped.
fn xml(right: &[XmlLayer]) -> Vec<(&'static str, Vec<XmlLayer>)> {
    let other = |name: &Option<String>| match name {
        Some(_) => None,
        None => Some(NOBODY.to_owned()),
    };
    let layer = |index: usize| {
        let change = |what, change: &dyn Fn(&mut XmlLayer)| {
            let mut wrong = right.to_vec();
            change(&mut wrong[index]);
            (what, wrong)
        };
        let mut less = right.to_vec();
        less.remove(index);
        [
            change("format", &|layer| layer.format = other(&layer.format)),
            change("disk", &|layer| layer.disk = other(&layer.disk)),
            change("store", &|layer| {
                layer.data_store = other(&layer.data_store);
            }),
            change("backing", &|layer| layer.backing = other(&layer.backing)),
            change("labels", &|layer| {
                layer.seclabels = Some(vec![NOBODY.to_owned()]);
            }),
            change("store's labels", &|layer| {
                layer.data_store_seclabels = Some(vec![NOBODY.to_owned()]);
            }),
            ("a layer less", less),
        ]
    };
    (0..right.len()).flat_map(layer).collect()
}
