//! Judges the opening of an image: what was opened shows at the files, not in the answer.

use qconform_scenarios::expect::{Allowed, OpenWanted};
use qconform_scenarios::verdict::{Grade, Verdict};

use super::{Judgement, difference, once};
use crate::worker::Stage;

pub(super) fn judge(allowed: &Allowed<OpenWanted>, stage: &Stage) -> Judgement {
    let written = stage.touches.iter().filter(|touch| touch.what != "opened");
    let written: Vec<_> = written
        .map(|touch| difference(&touch.file, "opened for reading only", touch.what.as_str()))
        .collect();
    if !written.is_empty() {
        return Judgement::of(written, Verdict::Fail, Grade::Pass);
    }
    once(allowed, stage, |wanted, _| {
        let is_missing = |name: &&String| !stage.touches.iter().any(|touch| touch.file == **name);
        let missing = wanted.opened.iter().filter(is_missing);
        let missing = missing.map(|name| difference(name, "opened", "not opened"));
        (missing.collect(), Verdict::Fail)
    })
}
