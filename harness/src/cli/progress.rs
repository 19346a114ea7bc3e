//! How far a run is, on standard error: a bar on a terminal, now and then a line elsewhere.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use qconform_reports::counts::is_unexpected;
use qconform_reports::event::CaseEvent;

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(10);

/// The bar: how much is done, how fast, how much failed, how long it takes yet.
const BAR: &str = "{bar:24} {pos}/{len} {speed}, {msg}, {eta} left";

/// Counts cases as they end; a bar is gone when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    done: Cell<u64>,
    unexpected: Cell<u64>,
    began: Instant,
    told: Cell<Instant>,
}

impl Progress {
    /// Progress of a run that puts so many cases to its subjects.
    pub(super) fn new(total: u64) -> Self {
        let began = Instant::now();
        Progress {
            bar: io::stderr().is_terminal().then(|| bar(total)),
            total,
            done: Cell::new(0),
            unexpected: Cell::new(0),
            began,
            told: Cell::new(began),
        }
    }

    /// A case has ended.
    pub(super) fn case(&self, event: &CaseEvent) {
        self.done.set(self.done.get() + 1);
        if is_unexpected(event.verdict) {
            self.unexpected.set(self.unexpected.get() + 1);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(self.failures());
            bar.inc(1);
        } else if self.told.get().elapsed() >= EVERY {
            self.told.set(Instant::now());
            // Progress is a courtesy: nobody may be reading.
            let _unread = writeln!(io::stderr(), "{}", self.line(self.began.elapsed()));
        }
    }

    fn failures(&self) -> String {
        match self.unexpected.get() {
            0 => "no failure so far".to_owned(),
            1 => "1 failure so far".to_owned(),
            failures => format!("{failures} failures so far"),
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let (done, millis) = (self.done.get(), elapsed.as_millis().max(1) as u64);
        let left = millis.saturating_mul(self.total.saturating_sub(done)) / done.max(1) / 1000;
        format!(
            "{done}/{} cases, {}/s, {}, {left} s left",
            self.total,
            done.saturating_mul(1000) / millis,
            self.failures()
        )
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        let speed = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A bar that can't be drawn is no reason to stop.
            let _undrawn = write!(out, "{:.0}/s", state.per_sec());
        };
        bar.set_style(style.with_key("speed", speed));
    }
    bar
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_speed_failures_and_the_time_left() {
        let progress = Progress {
            bar: None,
            total: 300,
            done: Cell::new(100),
            unexpected: Cell::new(2),
            began: Instant::now(),
            told: Cell::new(Instant::now()),
        };
        assert_eq!(
            progress.line(Duration::from_secs(10)),
            "100/300 cases, 10/s, 2 failures so far, 20 s left"
        );
    }
}
