//! The progress bar, on standard error when it is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use qconform_reports::event::{CaseEvent, RunHeader};

/// Counts cases as they end; gone when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for a run. indicatif shows it on a terminal only.
    pub(super) fn new(header: &RunHeader) -> Self {
        let bar = ProgressBar::new(header.selected * header.subjects.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {msg}") {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// A case has ended.
    pub(super) fn case(&self, event: &CaseEvent) {
        self.bar.inc(1);
        if event.verdict.is_failure() {
            self.bar
                .set_message(format!("{}: {}", event.verdict.as_str(), event.case));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
