//! Every format by name.

use std::io::{self, Write};

use crate::stream::Run;
use crate::{badge, findings, flat, github, html, json, junit, markdown, sarif, tap, terminal};

/// A format that a run can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A summary for a person at a terminal.
    Terminal,
    /// Requirements and subjects as a table, a mark each.
    Grid,
    /// One self-contained page.
    Html,
    /// JUnit XML.
    Junit,
    /// TAP 14.
    Tap,
    /// One JSON object.
    Json,
    /// Markdown for step summaries.
    Markdown,
    /// Annotations for GitHub Actions.
    Github,
    /// The JSON of a shields badge.
    Badge,
    /// SARIF 2.1.0, security-relevant findings only.
    Sarif,
    /// A page of deviations, requirement by requirement.
    Findings,
    /// One line for each unexpected case.
    Failures,
    /// One line for each passing case.
    Passes,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 13] = [
        Format::Terminal,
        Format::Grid,
        Format::Html,
        Format::Junit,
        Format::Tap,
        Format::Json,
        Format::Markdown,
        Format::Github,
        Format::Badge,
        Format::Sarif,
        Format::Findings,
        Format::Failures,
        Format::Passes,
    ];

    /// The name used on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Terminal => "terminal",
            Format::Grid => "grid",
            Format::Html => "html",
            Format::Junit => "junit",
            Format::Tap => "tap",
            Format::Json => "json",
            Format::Markdown => "markdown",
            Format::Github => "github",
            Format::Badge => "badge",
            Format::Sarif => "sarif",
            Format::Findings => "findings",
            Format::Failures => "failures",
            Format::Passes => "passes",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Format::ALL
            .into_iter()
            .find(|format| format.as_str() == name)
    }

    /// Writes the run; `options` are the terminal's.
    ///
    /// # Errors
    /// What `out` returns.
    pub fn write(
        self,
        run: &Run,
        options: terminal::Options,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match self {
            Format::Terminal => terminal::summary(run, options, out),
            Format::Grid => terminal::grid(run, options, out),
            Format::Html => html::write(run, out),
            Format::Junit => junit::write(run, out).map_err(io::Error::other),
            Format::Tap => tap::write(run, out),
            Format::Json => json::write(run, out),
            Format::Markdown => markdown::write(run, out),
            Format::Github => github::write(run, out),
            Format::Badge => badge::write(run, out),
            Format::Sarif => sarif::write(run, out),
            Format::Findings => findings::write(run, out),
            Format::Failures => flat::failures(run, out),
            Format::Passes => flat::passes(run, out),
        }
    }
}
