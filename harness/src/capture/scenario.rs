//! Writes a domain as a scenario.

use std::collections::{BTreeMap, BTreeSet};

use qconform_scenarios::case::LabelConfig;
use qconform_scenarios::suite::Suite;
use toml::{Table, Value};

use super::fixture::Fixture;
use super::place::Place;
use super::state::{Ids, State};
use super::{CaptureError, text, xml};
use crate::reference::chain::policy::Follow;
use crate::reference::chain::{self, Role};
use crate::reference::domain::{DeclaredBacking, Domain, Image, Model};
use crate::reference::label::selinux;
use crate::reference::label::{self, Config, Owner, Plan, PlanRow};

/// The scenario of a domain, and what is to be said about it.
pub(super) struct Scenario {
    pub(super) text: String,
    pub(super) notes: Vec<String>,
}

/// Why the reference refuses a domain.
struct Refused {
    class: &'static str,
    message: String,
}

pub(super) fn write(
    domain: &Domain,
    fixture: &Fixture,
    place: &mut Place,
) -> Result<Scenario, CaptureError> {
    let mut states = BTreeMap::new();
    let mut notes = Vec::new();
    for (name, file) in &fixture.files {
        let state = State::of(&file.path)?;
        if !state.others.is_empty() {
            let (path, others) = (file.path.display(), state.others.join(", "));
            notes.push(format!("{path}: attributes that are left out: {others}"));
        }
        states.insert(name, state);
    }
    let ids = Ids::new(&used_ids(domain, states.values()));
    let new = xml::rewritten(domain, place, &ids)?;
    let planned = plan(domain);
    let mut out = String::new();
    heading(&mut out, &new, &planned, &ids);
    let written = xml::write(&new);
    check_xml(&written, &new)?;
    out.push_str(&format_xml(&written));
    match &planned {
        Ok(plan) => expect_rows(&mut out, plan, fixture, &ids)?,
        Err(refused) => expect_refusal(&mut out, refused, place.is_anonymous()),
    }
    if fixture.files.is_empty() {
        text::table(&mut out, &["files"], &Table::new());
    }
    for (name, file) in &fixture.files {
        let mut table = match text::value(&file.content)? {
            Value::Table(table) => table,
            _ => Table::new(),
        };
        describe(&mut table, &states[name], &ids)?;
        text::table(&mut out, &["files", name], &table);
    }
    check_scenario(&out)?;
    Ok(Scenario { text: out, notes })
}

fn used_ids<'a>(domain: &Domain, states: impl Iterator<Item = &'a State>) -> BTreeSet<u32> {
    let mut owners: Vec<Owner> = states.map(|state| state.owner).collect();
    let mut add = |label: &Option<String>| {
        owners.extend(label.as_ref().and_then(|label| label.parse::<Owner>().ok()));
    };
    for label in domain
        .seclabels
        .iter()
        .filter(|l| l.model == Some(Model::Dac))
    {
        add(&label.label);
        add(&label.image_label);
    }
    let mut images: Vec<&Image> = domain.disks.iter().map(|disk| &disk.image).collect();
    while let Some(image) = images.pop() {
        let store = image.data_store.iter().map(|store| &store.source);
        let sources = std::iter::once(&image.source).chain(store);
        for label in sources.flat_map(|source| &source.seclabels) {
            add(&label.label);
        }
        if let DeclaredBacking::Image(below) = &image.backing {
            images.push(below);
        }
    }
    owners
        .iter()
        .flat_map(|owner| [owner.user, owner.group])
        .collect()
}

fn plan(domain: &Domain) -> Result<Plan, Refused> {
    let LabelConfig { category_pair, .. } = LabelConfig::default();
    let config = Config {
        category_pair: Some(category_pair),
        ..Config::default()
    };
    let chain = chain::resolve(domain, &Follow).map_err(|error| Refused {
        class: error.class.as_str(),
        message: error.to_string(),
    })?;
    label::plan(domain, &chain, &config).map_err(|error| Refused {
        class: error.class(),
        message: error.to_string(),
    })
}

fn heading(out: &mut String, domain: &Domain, planned: &Result<Plan, Refused>, ids: &Ids) {
    let version = env!("CARGO_PKG_VERSION");
    text::comment(
        out,
        &format!("Captured by qconform {version}. Guest data is not part of it."),
    );
    for (old, new) in ids.changed() {
        text::comment(
            out,
            &format!("Id {old} is {new} here: the sandbox has no other."),
        );
    }
    let title = format!("the captured domain {:?}", domain.name.replace('{', "("));
    text::pair(out, "title", &Value::String(title));
    text::pair(out, "level", &Value::String("label".to_owned()));
    let requirements: Vec<Value> = requirements(planned).into_iter().map(Value::from).collect();
    text::pair(out, "requirements", &Value::Array(requirements));
}

fn requirements(planned: &Result<Plan, Refused>) -> Vec<&'static str> {
    let Ok(plan) = planned else {
        return vec!["label.content-and-mode"];
    };
    let has = |role| plan.rows.iter().any(|row| row.role == role);
    let roles = [
        (has(Role::Top), "label.top-image"),
        (
            has(Role::DataFile) || has(Role::BackingDataFile),
            "label.data-file-follows-image",
        ),
        (has(Role::Backing), "label.backing"),
    ];
    let used = roles.into_iter().filter(|(used, _)| *used);
    used.map(|(_, id)| id)
        .chain(["label.content-and-mode"])
        .collect()
}

/// Nothing of what the reference reads may be lost on the way.
fn check_xml(written: &str, wanted: &Domain) -> Result<(), CaptureError> {
    let message = match Domain::parse(written.as_bytes()) {
        Ok(found) if found == *wanted => return Ok(()),
        Ok(_) => "the XML reads back as another domain".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(CaptureError::Inexpressible { message })
}

fn format_xml(xml: &str) -> String {
    // An apostrophe can stand there only as an attribute's quote, so there are never three.
    format!("\n[domain]\nxml = '''\n{xml}'''\n")
}

fn expect_refusal(out: &mut String, refused: &Refused, anonymous: bool) {
    out.push_str("\n[[expect]]\n");
    text::comment(
        out,
        "The reference refuses this domain. Correct it if you disagree.",
    );
    let reason = if anonymous {
        refused.class
    } else {
        &refused.message
    };
    text::comment(out, &format!("Reason: {reason}"));
    out.push_str("refuse = \"must\"\n");
}

fn expect_rows(
    out: &mut String,
    plan: &Plan,
    fixture: &Fixture,
    ids: &Ids,
) -> Result<(), CaptureError> {
    let mut rows: BTreeMap<&str, &PlanRow> = BTreeMap::new();
    for row in plan
        .rows
        .iter()
        .filter(|row| row.owner.is_some() || row.label.is_some())
    {
        // Every name of a file shows its state.
        let same = fixture
            .files
            .iter()
            .filter(|(_, file)| file.key == Some(row.identity.key()));
        for (name, _) in same {
            rows.entry(name).or_insert(row);
        }
    }
    out.push_str("\n[[expect]]\n");
    text::comment(
        out,
        "What the reference would do. Correct what you think is wrong.",
    );
    if rows.is_empty() {
        // A matrix has at least one row; this one says that nothing happens.
        let (name, _) = fixture
            .files
            .first_key_value()
            .ok_or(CaptureError::NoFiles)?;
        let row = cells(name, "original", "original");
        text::pair(out, "matrix", &Value::Array(vec![row]));
        return Ok(());
    }
    let rows = rows.into_iter().map(|(name, row)| {
        let stop = if row.restore {
            "original"
        } else {
            "kept | info: original"
        };
        cells(name, &state(row, ids), stop)
    });
    text::pair(out, "matrix", &Value::Array(rows.collect()));
    Ok(())
}

fn cells(name: &str, start: &str, stop: &str) -> Value {
    let pairs = [("file", name), ("start", start), ("stop", stop)];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), Value::from(value)));
    Value::Table(Table::from_iter(pairs))
}

/// Owner and label in the words of a matrix.
fn state(row: &PlanRow, ids: &Ids) -> String {
    let LabelConfig {
        user,
        category_pair: (low, high),
        ..
    } = LabelConfig::default();
    let vm = Owner {
        user: user.uid,
        group: user.gid,
    };
    let owner = match row.owner {
        None => "original".to_owned(),
        Some(owner) if owner == vm => "vm".to_owned(),
        Some(owner) => ids.owner(owner).to_string(),
    };
    let own = format!("{}:c{low},c{high}", selinux::SHARED);
    let label = match row.label.as_deref() {
        None => "original",
        Some(selinux::SHARED) => "shared",
        Some(selinux::READ_ONLY) => "ro",
        Some(label) if label == own => "rw",
        Some(label) => label,
    };
    format!("{owner}, {label}")
}

fn describe(table: &mut Table, state: &State, ids: &Ids) -> Result<(), CaptureError> {
    let owner = ids.owner(state.owner).to_string();
    table.insert("owner".to_owned(), Value::String(owner));
    if let Some(mode) = state.mode {
        table.insert("mode".to_owned(), Value::String(format!("{mode:04o}")));
    }
    let label = state.label.as_deref().unwrap_or("none").replace('{', "(");
    table.insert("label".to_owned(), Value::String(label));
    if !state.xattrs.is_empty() {
        table.insert("xattrs".to_owned(), text::value(&state.xattrs)?);
    }
    Ok(())
}

/// `run` has to take it as it stands.
fn check_scenario(text: &str) -> Result<(), CaptureError> {
    let file = ("captured.toml".to_owned(), text.to_owned());
    match Suite::of_files(&[file]) {
        Ok(_) => Ok(()),
        Err(error) => Err(CaptureError::Inexpressible {
            message: error.to_string(),
        }),
    }
}
