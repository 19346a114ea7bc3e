//! What happens to a domain, and what goes wrong meanwhile.

use proptest::prelude::*;
use qconform::reference::label::Side;
use rustix::io::Errno;

use crate::faulty::Fault;

#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    AttachOrDetach,
    Snapshot,
    Commit,
    EndOfCommit,
    Pivot,
    StopOrStart,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Act {
    /// Which of the things that make sense just then.
    pub(super) choice: usize,
    pub(super) fault: Option<(u32, Fault)>,
    pub(super) side: Side,
}

pub(super) fn acts() -> impl Strategy<Value = Act> {
    let fault = prop_oneof![
        Just(Fault::KillBefore),
        Just(Fault::KillAfter),
        Just(Fault::Error(Errno::IO)),
        Just(Fault::Error(Errno::NOMEM)),
    ];
    let fault = prop::option::of((0_u32..80, fault));
    let side = prop_oneof![Just(Side::Before), Just(Side::After)];
    (0_usize..1000, fault, side).prop_map(|(choice, fault, side)| Act {
        choice,
        fault,
        side,
    })
}
