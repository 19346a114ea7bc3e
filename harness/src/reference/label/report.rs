//! What `plan --json` reports.

use serde::Serialize;

use super::config::Owner;
use super::plan::{Plan, PlanError, PlanRow};
use crate::reference::chain::Role;
use crate::reference::redact;
use crate::reference::report::{ErrorReport, Report};

/// A plan in the shape of `plan --json`.
pub type PlanReport = Report<PlanFileReport>;

/// What a start would do to one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanFileReport {
    /// Target of the disk.
    pub disk: Option<String>,
    /// The file's place in the chain.
    pub role: Role,
    /// The path, made valid UTF-8.
    pub path: String,
    /// `uid:gid`, or null for untouched.
    pub owner: Option<Owner>,
    /// The SELinux context, or null for untouched.
    pub label: Option<String>,
    /// Whether the original state comes back after the last stop.
    pub restore: bool,
    /// Why, in a few words.
    pub reason: String,
}

impl From<&Result<Plan, PlanError>> for PlanReport {
    fn from(result: &Result<Plan, PlanError>) -> Self {
        match result {
            Ok(plan) => Self {
                files: plan.rows.iter().map(PlanFileReport::from).collect(),
                remote: Vec::new(),
                violations: plan.violations.clone(),
                error: None,
            },
            Err(error) => Self::refused(error.into()),
        }
    }
}

impl From<&PlanRow> for PlanFileReport {
    fn from(row: &PlanRow) -> Self {
        Self {
            disk: row.disk.clone(),
            role: row.role,
            path: redact::path(&row.path),
            owner: row.owner,
            label: row.label.clone(),
            restore: row.restore,
            reason: redact::line(&row.reason),
        }
    }
}

impl From<&PlanError> for ErrorReport {
    fn from(error: &PlanError) -> Self {
        Self {
            class: error.class(),
            message: redact::line(&error.to_string()),
            path: error.path().map(redact::path),
            offset: None,
        }
    }
}
