//! `steps`, `[after.STEP]` and `[second]`: a domain's life, and what each step makes of it.

use serde::Deserialize;

use super::Body;
use crate::case::{CommitAsk, Step, StepAsk};
use crate::domain::{DiskSpec, DomainSpec, absolute};
use crate::error::Fault;
use crate::file::CaseFiles;

/// What a step makes of the domain.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct AfterSpec {
    /// Its disks, all of them, once the step is done.
    disks: Option<Vec<DiskSpec>>,
    /// The image that a commit writes.
    base: Option<String>,
    /// The topmost image that a commit moves; the disk's top unless given.
    top: Option<String>,
}

/// The steps of a case, each at most once: a matrix has one cell for each.
pub(super) fn build(body: &Body, files: &CaseFiles) -> Result<Vec<StepAsk>, Fault> {
    let given = body.steps.clone();
    let steps = given.unwrap_or_else(|| vec![Step::Start, Step::Stop]);
    let repeated = (1..steps.len()).any(|index| steps[..index].contains(&steps[index]));
    if steps.is_empty() || repeated {
        let message = "a case has at least one step, and each one once";
        return Err(Fault::at(["steps"], message));
    }
    if let Some(step) = body.after.keys().find(|step| !steps.contains(step)) {
        let message = format!("{} is not a step of this case", step.as_str());
        return Err(Fault::at(["after", step.as_str()], message));
    }
    let mut life = Life {
        domain: body.domain.clone().unwrap_or_default(),
        body,
        files,
    };
    steps.into_iter().map(|step| life.step(step)).collect()
}

/// A domain on its way through the steps.
struct Life<'a> {
    domain: DomainSpec,
    body: &'a Body,
    files: &'a CaseFiles,
}

impl Life<'_> {
    fn step(&mut self, step: Step) -> Result<StepAsk, Fault> {
        let in_step = |fault: Fault| fault.inside(["after", step.as_str()]);
        let before = self.domain.clone();
        let (mut disk, mut commit) = (None, None);
        if step.changes_disks() {
            self.domain = self.changed(step).map_err(in_step)?;
            disk = before.changed_disk(&self.domain);
            if disk.is_none() && step != Step::CommitEnd {
                let message = "the step changes exactly one disk";
                return Err(in_step(Fault::at(["disks"], message)));
            }
        }
        if step == Step::Commit {
            commit = Some(self.commit().map_err(in_step)?);
        }
        if matches!(step, Step::Commit | Step::CommitEnd) {
            disk = disk.or_else(|| self.domain.first_disk());
        }
        let ask = StepAsk {
            step,
            xml: self.xml(step)?,
            disk,
            commit,
        };
        if step == Step::FailAttach {
            self.domain = before;
        }
        Ok(ask)
    }

    fn xml(&self, step: Step) -> Result<String, Fault> {
        if !step.is_of_second() {
            return self.domain.to_xml(self.files);
        }
        let second = self.body.second.as_ref();
        let second = second.ok_or_else(|| Fault::at([], "the scenario has no [second] domain"))?;
        second.to_second_xml(self.files)
    }

    /// The domain after a step that gives it other disks. A commit may end without any change.
    fn changed(&self, step: Step) -> Result<DomainSpec, Fault> {
        if self.domain.is_literal() {
            let message = "a domain with xml of its own keeps its disks";
            return Err(Fault::at([], message));
        }
        let after = self.body.after.get(&step);
        match after.and_then(|after| after.disks.as_ref()) {
            Some(disks) => Ok(self.domain.with_disks(disks)),
            None if step == Step::CommitEnd => Ok(self.domain.clone()),
            None => Err(Fault::at([], "say which `disks` the domain then has")),
        }
    }

    fn commit(&self) -> Result<CommitAsk, Fault> {
        let after = self.body.after.get(&Step::Commit);
        let base = after.and_then(|after| after.base.as_ref());
        let base = base.ok_or_else(|| Fault::at([], "say which `base` the commit writes"))?;
        let top = after.and_then(|after| after.top.as_ref());
        let known = |(key, name): (&str, &String)| {
            if self.files.contains_key(name) {
                return absolute(name);
            }
            let message = format!("the fixture has no file `{name}`");
            Err(Fault::at([key], message))
        };
        Ok(CommitAsk {
            base: known(("base", base))?,
            top: top.map(|top| known(("top", top))).transpose()?,
        })
    }
}
