//! Errors of the data in this crate, with the place in the text they come from.

use std::fmt;

/// A scenario, requirement or baseline file that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct DataError {
    /// Where in which file.
    pub place: Place,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
}

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File name as the user would write it, or the name inside the embedded suite.
    pub file: String,
    /// Line and column, both from 1; `None` where the fault is the file as a whole.
    pub position: Option<(usize, usize)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// A fault found while reading one value: the path of keys to it, and what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Keys and indexes from the root of the file.
    pub(crate) path: Vec<Step>,
    /// What is wrong, as a lowercase fragment.
    pub(crate) message: String,
}

/// One step of a path into a TOML file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A table's key.
    Key(String),
    /// An array's index, from 0.
    Index(usize),
}

impl Fault {
    /// A fault at `path`, given as keys; an all-digit key is an index.
    pub(crate) fn at<const N: usize>(path: [&str; N], message: impl Into<String>) -> Self {
        let path = path
            .into_iter()
            .map(|part| {
                part.parse()
                    .map_or_else(|_| Step::Key(part.to_owned()), Step::Index)
            })
            .collect();
        Fault {
            path,
            message: message.into(),
        }
    }

    /// The same fault, at a key below its path.
    pub(crate) fn at_key(mut self, key: &str) -> Self {
        self.path.push(Step::Key(key.to_owned()));
        self
    }

    /// The same fault, seen from one level further out.
    pub(crate) fn inside<const N: usize>(mut self, outer: [&str; N]) -> Self {
        let mut path = Fault::at(outer, "").path;
        path.append(&mut self.path);
        self.path = path;
        self
    }
}
