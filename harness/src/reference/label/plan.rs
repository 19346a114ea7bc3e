//! What relabelling would do to each file, and why; nothing is touched.
//!
//! A data file is labelled exactly as the image that names it, for that image's reason, unless
//! its store carries a label of its own for that driver.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::config::{Config, Owner};
use super::selinux;
use crate::reference::chain::{Access, Chain, ChainFile, Identity, LabelPlace, Role};
use crate::reference::domain::{Domain, DomainLabel, Model};
use crate::reference::violation::FileViolation;

/// What a start would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// One row for each use of each file, in the chain's order.
    pub rows: Vec<PlanRow>,
    /// What is odd and accepted.
    pub violations: Vec<FileViolation>,
}

/// What a start would do to one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// Target of the disk.
    pub disk: Option<String>,
    /// The file's place in the chain.
    pub role: Role,
    /// The path as the chain gives it.
    pub path: PathBuf,
    /// Which file that is; what is done is done to this one or to none.
    pub identity: Identity,
    /// How the domain uses it.
    pub access: Access,
    /// The owner while the domain runs; absent means untouched.
    pub owner: Option<Owner>,
    /// The SELinux context while the domain runs; absent means untouched.
    pub label: Option<String>,
    /// Whether the original state comes back after the last stop.
    pub restore: bool,
    /// Why, in a few words.
    pub reason: String,
}

/// A domain can't be labelled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A seclabel's owner isn't two numbers.
    #[error("{}: {message}", path.display())]
    BadOwner {
        /// The file that it would apply to.
        path: PathBuf,
        /// What was found, a lowercase fragment.
        message: String,
    },
    /// One file would need two states at once.
    #[error("{}: {message}", path.display())]
    ConflictingLabels {
        /// The file.
        path: PathBuf,
        /// What was found, a lowercase fragment.
        message: String,
    },
    /// The two categories are equal or out of range.
    #[error("categories {0} and {1} are not two different numbers below 1024")]
    BadCategories(u32, u32),
}

impl PlanError {
    /// The class as reports spell it.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::BadOwner { .. } => "bad-owner",
            Self::ConflictingLabels { .. } => "conflicting-labels",
            Self::BadCategories(..) => "bad-categories",
        }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::BadOwner { path, .. } | Self::ConflictingLabels { path, .. } => Some(path),
            Self::BadCategories(..) => None,
        }
    }
}

/// Plans the start of a domain.
///
/// # Errors
///
/// [`PlanError`] where a seclabel makes no sense, or where one file would need two states.
pub fn plan(domain: &Domain, chain: &Chain, config: &Config) -> Result<Plan, PlanError> {
    let planner = Planner::new(domain, config)?;
    let rows = chain.files.iter().map(|file| planner.row(file));
    let mut plan = Plan {
        rows: rows.collect::<Result<_, _>>()?,
        violations: chain.violations.clone(),
    };
    check_conflicts(&plan.rows)?;
    if !config.remember {
        note_forgotten(chain, &mut plan);
    }
    Ok(plan)
}

/// Two uses of one file must want the same.
fn check_conflicts(rows: &[PlanRow]) -> Result<(), PlanError> {
    let mut uses = HashMap::new();
    for row in rows {
        let first = uses.entry(row.identity.key()).or_insert(row);
        if (first.owner, &first.label) != (row.owner, &row.label) {
            let path = row.path.clone();
            let message = "two uses of this file need different owners or labels".to_owned();
            return Err(PlanError::ConflictingLabels { path, message });
        }
    }
    Ok(())
}

fn note_forgotten(chain: &Chain, plan: &mut Plan) {
    for (file, row) in chain.files.iter().zip(&plan.rows) {
        if is_given_back(file) && (row.owner.is_some() || row.label.is_some()) {
            let message = "original state is not remembered and will not come back".to_owned();
            let violation = FileViolation::of_file("label.original-remembered", &row.path, message);
            plan.violations.push(violation);
        }
    }
}

/// Whether a file of this kind gets its original state back; other hosts may use the others.
fn is_given_back(file: &ChainFile) -> bool {
    file.transient || (file.access == Access::ReadWrite && !file.shareable)
}

/// What one driver does to one file.
struct Choice {
    state: Option<String>,
    why: &'static str,
}

struct Planner<'a> {
    domain: &'a Domain,
    config: &'a Config,
    writable_label: Option<String>,
}

impl<'a> Planner<'a> {
    fn new(domain: &'a Domain, config: &'a Config) -> Result<Self, PlanError> {
        let pair = config
            .category_pair
            .map(|(low, high)| selinux::level(low, high))
            .transpose()?;
        let own = domain_label(domain, Model::Selinux).and_then(selinux::image_label);
        let writable_label = own.or_else(|| pair.map(|level| selinux::context(&level)));
        Ok(Self {
            domain,
            config,
            writable_label,
        })
    }

    fn row(&self, file: &ChainFile) -> Result<PlanRow, PlanError> {
        let owner = self.owner(file);
        let label = self.label(file);
        let parsed = owner.state.as_deref().map(str::parse).transpose();
        let bad_owner = |error: super::config::OwnerError| PlanError::BadOwner {
            path: file.path.clone(),
            message: error.to_string(),
        };
        let touched = owner.state.is_some() || label.state.is_some();
        let reason = format!(
            "{}; owner: {}; label: {}",
            describe(self.domain, file),
            owner.why,
            label.why
        );
        Ok(PlanRow {
            disk: file.disk.clone(),
            role: file.role,
            path: file.path.clone(),
            identity: file.identity.clone(),
            access: file.access,
            owner: parsed.map_err(bad_owner)?,
            label: label.state,
            restore: touched && self.config.remember && is_given_back(file),
            reason,
        })
    }

    fn owner(&self, file: &ChainFile) -> Choice {
        if !self.config.dac || !self.config.dynamic_ownership {
            return untouched("owners are not managed");
        }
        self.seclabel(file, Model::Dac).unwrap_or_else(|| {
            let own = domain_label(self.domain, Model::Dac);
            let own = own.and_then(|label| label.image_label.as_ref().or(label.label.as_ref()));
            match own {
                Some(label) => choice(label.clone(), "the domain's seclabel"),
                None => {
                    let Config { user, group, .. } = self.config;
                    choice(format!("{user}:{group}"), "the domain's user")
                }
            }
        })
    }

    fn label(&self, file: &ChainFile) -> Choice {
        if !self.config.selinux {
            return untouched("labels are not managed");
        }
        self.seclabel(file, Model::Selinux).unwrap_or_else(|| {
            if file.shareable {
                return choice(selinux::SHARED.to_owned(), "shareable");
            }
            if file.access == Access::ReadOnly {
                return choice(selinux::READ_ONLY.to_owned(), "read-only");
            }
            match &self.writable_label {
                Some(label) => choice(label.clone(), "writable"),
                None => untouched("the domain has no categories"),
            }
        })
    }

    /// The nearest seclabel that decides: the domain's refusal, then the file's own, its
    /// image's and the disk's.
    fn seclabel(&self, file: &ChainFile, model: Model) -> Option<Choice> {
        if domain_label(self.domain, model).is_some_and(|label| !label.relabel) {
            return Some(untouched("the domain says relabel='no'"));
        }
        for scope in &file.seclabels {
            let labels = scope.labels.iter().filter(|label| label.model == model);
            for label in labels {
                if !label.relabel {
                    return Some(untouched(refusal_at(scope.place)));
                }
                if let Some(text) = &label.label {
                    return Some(choice(text.clone(), label_at(scope.place)));
                }
            }
        }
        None
    }
}

/// The domain's label for a driver; one without a model is every driver's.
fn domain_label(domain: &Domain, model: Model) -> Option<&DomainLabel> {
    let with = |wanted: Option<Model>| domain.seclabels.iter().find(|label| label.model == wanted);
    with(Some(model)).or_else(|| with(None))
}

fn choice(state: String, why: &'static str) -> Choice {
    let state = Some(state);
    Choice { state, why }
}

fn untouched(why: &'static str) -> Choice {
    Choice { state: None, why }
}

fn label_at(place: LabelPlace) -> &'static str {
    match place {
        LabelPlace::DataStore => "the data store's seclabel",
        LabelPlace::BackingStore => "the backing store's seclabel",
        LabelPlace::Disk => "the disk's seclabel",
    }
}

fn refusal_at(place: LabelPlace) -> &'static str {
    match place {
        LabelPlace::DataStore => "the data store says relabel='no'",
        LabelPlace::BackingStore => "the backing store says relabel='no'",
        LabelPlace::Disk => "the disk says relabel='no'",
    }
}

fn describe(domain: &Domain, file: &ChainFile) -> String {
    let what = match file.role {
        Role::Top => "top image",
        Role::DataFile => "data file, as its top image",
        Role::Backing => "backing image",
        Role::BackingDataFile => "data file, as its backing image",
    };
    let what = match &file.overridden {
        Some(name) => format!(
            "{what}, declared instead of {:?} in the header",
            name.text()
        ),
        None => what.to_owned(),
    };
    match (file.transient, file.shareable, file.access) {
        (true, ..) if file.role == Role::Top => {
            let overlay = format!("{}.TRANSIENT-{}", file.path.display(), domain.name);
            format!("{what}, transient with writes in the unmanaged overlay {overlay}")
        }
        (true, ..) => format!("{what}, transient"),
        (_, true, _) => format!("{what}, shareable"),
        (.., Access::ReadOnly) => format!("{what}, read-only"),
        _ if file.depth > 0 => format!("{what}, written by a block job"),
        (.., Access::ReadWrite) => format!("{what}, writable"),
    }
}
