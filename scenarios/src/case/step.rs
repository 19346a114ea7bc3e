//! The steps of a domain's life.

use serde::{Deserialize, Serialize};

/// A step of a domain's life, or of its relabeller's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The domain starts.
    Start,
    /// The domain starts and fails after its files were labelled.
    FailStart,
    /// The domain stops.
    Stop,
    /// The domain is saved to a file, which ends it here.
    Save,
    /// The domain is started again from that file.
    Restore,
    /// The running domain gets a disk.
    Attach,
    /// The running domain gets a disk, and the emulator refuses it after its files were labelled.
    FailAttach,
    /// The running domain loses a disk.
    Detach,
    /// A drive gets another medium.
    ChangeMedium,
    /// An external snapshot: a disk gets a new top image, and the old one becomes its backing image.
    Snapshot,
    /// A commit begins: the base is written from now on.
    Commit,
    /// A commit below the top image ends, or is cancelled.
    CommitEnd,
    /// A disk goes over to another image, for instance the base of a commit, or a new image that
    /// has the disk's raw file as its data file.
    Pivot,
    /// And back again.
    PivotBack,
    /// A new image takes the place of an image, over the same data file.
    Recreate,
    /// The domain arrives from another host that shares its storage, and still runs there.
    MigrateIn,
    /// The domain ends at the first host, and goes on at the one where it arrived.
    MigrateOut,
    /// The domain ends where it arrived, and goes on at the first host.
    MigrateFail,
    /// The relabeller is killed; the domain goes on.
    Crash,
    /// A new relabeller takes over.
    Restart,
    /// Another domain starts.
    SecondStart,
    /// The other domain starts and fails after its files were labelled.
    SecondFailStart,
    /// The other domain stops.
    SecondStop,
}

impl Step {
    /// Every step.
    pub const ALL: [Step; 23] = [
        Step::Start,
        Step::FailStart,
        Step::Stop,
        Step::Save,
        Step::Restore,
        Step::Attach,
        Step::FailAttach,
        Step::Detach,
        Step::ChangeMedium,
        Step::Snapshot,
        Step::Commit,
        Step::CommitEnd,
        Step::Pivot,
        Step::PivotBack,
        Step::Recreate,
        Step::MigrateIn,
        Step::MigrateOut,
        Step::MigrateFail,
        Step::Crash,
        Step::Restart,
        Step::SecondStart,
        Step::SecondFailStart,
        Step::SecondStop,
    ];

    /// The name used in scenarios and reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Step::Start => "start",
            Step::FailStart => "fail-start",
            Step::Stop => "stop",
            Step::Save => "save",
            Step::Restore => "restore",
            Step::Attach => "attach",
            Step::FailAttach => "fail-attach",
            Step::Detach => "detach",
            Step::ChangeMedium => "change-medium",
            Step::Snapshot => "snapshot",
            Step::Commit => "commit",
            Step::CommitEnd => "commit-end",
            Step::Pivot => "pivot",
            Step::PivotBack => "pivot-back",
            Step::Recreate => "recreate",
            Step::MigrateIn => "migrate-in",
            Step::MigrateOut => "migrate-out",
            Step::MigrateFail => "migrate-fail",
            Step::Crash => "crash",
            Step::Restart => "restart",
            Step::SecondStart => "second-start",
            Step::SecondFailStart => "second-fail-start",
            Step::SecondStop => "second-stop",
        }
    }

    /// The step of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Step::ALL.into_iter().find(|step| step.as_str() == text)
    }

    /// Whether the step is about the other domain.
    #[must_use]
    pub fn is_of_second(self) -> bool {
        matches!(
            self,
            Step::SecondStart | Step::SecondFailStart | Step::SecondStop
        )
    }

    /// Whether the step gives a running domain another set of disks.
    #[must_use]
    pub fn changes_disks(self) -> bool {
        matches!(
            self,
            Step::Attach
                | Step::FailAttach
                | Step::Detach
                | Step::ChangeMedium
                | Step::Snapshot
                | Step::CommitEnd
                | Step::Pivot
                | Step::PivotBack
                | Step::Recreate
        )
    }
}

/// One step as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAsk {
    /// The step.
    pub step: Step,
    /// libvirt XML of the domain as it is once the step is done; of the second domain in a step
    /// of that one.
    pub xml: String,
    /// Target of the disk that the step is about, where it is about one.
    pub disk: Option<String>,
    /// What a commit moves where.
    pub commit: Option<CommitAsk>,
}

/// The images of a commit, as absolute paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitAsk {
    /// The image that is written.
    pub base: String,
    /// The topmost image that moves; absent for the disk's own top image.
    pub top: Option<String>,
}

/// Whether no domain runs any more after these steps.
pub(super) fn all_ended(steps: impl Iterator<Item = Step>) -> bool {
    let (mut here, mut arrived, mut second) = (false, false, false);
    for step in steps {
        match step {
            Step::Start | Step::Restore => here = true,
            // A domain that has arrived is the one that is stopped.
            Step::Stop if arrived => arrived = false,
            Step::Stop | Step::Save | Step::MigrateOut => here = false,
            Step::MigrateIn => arrived = true,
            Step::MigrateFail => arrived = false,
            Step::SecondStart => second = true,
            Step::SecondStop => second = false,
            _ => {}
        }
    }
    !here && !arrived && !second
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::stopped(&["start", "stop"], true)]
    #[case::saved(&["start", "save"], true)]
    #[case::restored(&["start", "save", "restore"], false)]
    #[case::running(&["start"], false)]
    #[case::failed(&["fail-start"], true)]
    #[case::second_still_runs(&["start", "second-start", "stop"], false)]
    #[case::second_was_last(&["start", "second-start", "stop", "second-stop"], true)]
    #[case::moved(&["start", "migrate-in", "migrate-out"], false)]
    #[case::moved_and_stopped(&["start", "migrate-in", "migrate-out", "stop"], true)]
    #[case::stayed(&["start", "migrate-in", "migrate-fail", "stop"], true)]
    fn a_domain_has_ended_when_its_last_host_let_it_go(
        #[case] steps: &[&str],
        #[case] ended: bool,
    ) {
        let steps = steps.iter().map(|step| Step::parse(step).unwrap());
        assert_eq!(all_ended(steps), ended);
    }

    #[test]
    fn every_step_has_a_name_of_its_own() {
        for step in Step::ALL {
            assert_eq!(Step::parse(step.as_str()), Some(step));
        }
    }
}
