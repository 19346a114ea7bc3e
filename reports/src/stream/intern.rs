//! One copy of text that many events repeat: a run of twenty subjects says each title
//! twenty times.

use std::collections::HashSet;
use std::sync::Arc;

use crate::event::CaseEvent;

/// Text that was seen before.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashSet<Arc<str>>,
    lists: HashSet<Arc<[Arc<str>]>>,
}

impl Interner {
    /// The first copy of this text.
    pub(super) fn one(&mut self, text: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        self.texts.insert(Arc::clone(text));
        Arc::clone(text)
    }

    fn list(&mut self, list: &Arc<[Arc<str>]>) -> Arc<[Arc<str>]> {
        if let Some(known) = self.lists.get(list) {
            return Arc::clone(known);
        }
        let list: Arc<[Arc<str>]> = list.iter().map(|text| self.one(text)).collect();
        self.lists.insert(Arc::clone(&list));
        list
    }

    /// The event with what it shares with others.
    pub(super) fn case(&mut self, mut event: CaseEvent) -> CaseEvent {
        event.case = self.one(&event.case);
        event.subject = self.one(&event.subject);
        event.title = self.one(&event.title);
        event.requirements = self.list(&event.requirements);
        event
    }
}
