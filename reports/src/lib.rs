//! What was seen in a run, as events, and every output format made from them.
