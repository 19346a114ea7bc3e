//! What was seen in a run, as events, and every output format made from them.
//!
//! A run is a stream of [`event::Event`]s, one JSON object a line: a header, one event
//! for each case and subject as it ends, a footer. Every other format is a pure function
//! of that stream. A stream without a footer is an incomplete run.

pub mod badge;
pub mod counts;
pub mod diff;
pub mod event;
pub mod findings;
pub mod flat;
pub mod format;
pub mod github;
pub mod html;
pub mod json;
pub mod junit;
pub mod line;
pub mod markdown;
pub mod merge;
pub mod sarif;
pub mod schema;
pub mod skips;
pub mod stream;
pub mod tally;
pub mod tap;
pub mod terminal;
pub mod text;
pub mod trouble;
