//! `command:` subjects: the command lines of a program, as they stand on this command line.

use std::path::PathBuf;

use qconform_scenarios::verdict::Level;

use super::launch::Launch;
use super::one_shot::OneShot;

/// Ends the command line of a level, as a word of its own.
const SEPARATOR: &str = ";";

/// In the place of a level: how the program tells its version.
const VERSION: &str = "version";

/// Levels that a command line without one is for: both need no facts.
const USUAL: [Level; 2] = [Level::Header, Level::Open];

/// Why a command can't be a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// A quote isn't closed.
    #[error("a quote in the command isn't closed")]
    Quote,
    /// There is no program.
    #[error("the command has no program")]
    Empty,
    /// A level that commands can't be asked for.
    #[error("a command can't be asked for level `{level}`")]
    Level {
        /// The level.
        level: String,
    },
    /// A level comes twice.
    #[error("there are two command lines for `{level}`")]
    Twice {
        /// The level.
        level: String,
    },
    /// The question of a level doesn't reach the program.
    #[error("the command line for `{level}` has no `{placeholder}`")]
    Placeholder {
        /// The level.
        level: String,
        /// What is missing.
        placeholder: &'static str,
    },
    /// The program is missing.
    #[error("there is no program `{program}`")]
    Program {
        /// Its name.
        program: String,
    },
}

/// How to start the program of a `command:` subject.
///
/// The text is split into words as a shell does, though no shell is involved. A `;` on its own ends
/// the command line of a level, which begins with `LEVEL=`.
///
/// # Errors
///
/// [`CommandError`] with what is wrong.
pub fn parse(text: &str) -> Result<Launch, CommandError> {
    let words = shlex::split(text).ok_or(CommandError::Quote)?;
    let mut launch = Launch::default();
    let mut one_shot = OneShot::default();
    for line in words.split(|word| word == SEPARATOR) {
        let (levels, mut words) = levels(line)?;
        let program = words.first_mut().ok_or(CommandError::Empty)?;
        let path = found(program)?;
        *program = path.to_string_lossy().into_owned();
        launch.visible.push((path.clone(), path));
        if levels.is_empty() {
            one_shot.version = words;
            continue;
        }
        for level in levels {
            check(level, &words)?;
            let level = level.as_str().to_owned();
            if one_shot
                .levels
                .insert(level.clone(), words.clone())
                .is_some()
            {
                return Err(CommandError::Twice { level });
            }
        }
    }
    if one_shot.levels.is_empty() {
        return Err(CommandError::Empty);
    }
    launch.visible.sort();
    launch.visible.dedup();
    launch.one_shot = Some(one_shot);
    Ok(launch)
}

/// The levels of a command line, none for the version, and its words.
fn levels(line: &[String]) -> Result<(Vec<Level>, Vec<String>), CommandError> {
    let (first, rest) = line.split_first().ok_or(CommandError::Empty)?;
    let Some((name, program)) = first.split_once('=').filter(|(name, _)| is_word(name)) else {
        return Ok((USUAL.to_vec(), line.to_vec()));
    };
    let levels = match name {
        VERSION => Vec::new(),
        _ => vec![level(name)?],
    };
    let program = (!program.is_empty()).then(|| program.to_owned());
    Ok((
        levels,
        program.into_iter().chain(rest.iter().cloned()).collect(),
    ))
}

/// A path may have an equals sign, too.
fn is_word(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase())
}

fn level(name: &str) -> Result<Level, CommandError> {
    let found = Level::ALL.into_iter().find(|level| level.as_str() == name);
    // Labelling takes privileges that only a manifest asks for, and XML is no fact of one line.
    found
        .filter(|level| ![Level::Label, Level::Xml].contains(level))
        .ok_or_else(|| CommandError::Level {
            level: name.to_owned(),
        })
}

/// Whether everything that is asked at a level gets to the program.
fn check(level: Level, words: &[String]) -> Result<(), CommandError> {
    let needed: &[&'static str] = match level {
        Level::Header | Level::Open => &["{image}"],
        Level::Read => &["{image}", "{offset}", "{length}"],
        Level::Access | Level::Blockdev | Level::Label | Level::Xml => &["{domain}"],
    };
    let has = |placeholder: &str| words.iter().any(|word| word.contains(placeholder));
    match needed.iter().find(|placeholder| !has(placeholder)) {
        None => Ok(()),
        Some(placeholder) => Err(CommandError::Placeholder {
            level: level.as_str().to_owned(),
            placeholder,
        }),
    }
}

/// The absolute path of a program, which is shown to the sandbox under the same path.
fn found(program: &str) -> Result<PathBuf, CommandError> {
    let missing = |_| CommandError::Program {
        program: program.to_owned(),
    };
    let path = which::which(program).map_err(missing)?;
    let absolute = std::path::absolute(&path);
    Ok(absolute.unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn words(text: &str) -> Vec<(String, String)> {
        let one_shot = parse(text).unwrap().one_shot.unwrap();
        let levels = one_shot.levels.into_iter();
        levels
            .map(|(level, words)| (level, words[1..].join("|")))
            .collect()
    }

    #[rstest]
    #[case::without_a_level("sh -c 'a b' {image}", &[("header", "-c|a b|{image}"), ("open", "-c|a b|{image}")])]
    #[case::one_level("open=sh {image}", &[("open", "{image}")])]
    #[case::several(
        "version=sh --version ; header=sh {image} ; read=sh {image} {offset} {length}",
        &[("header", "{image}"), ("read", "{image}|{offset}|{length}")]
    )]
    #[case::a_level_apart_from_its_program("header= sh {image};", &[("header", "{image};")])]
    fn a_command_has_words_for_each_level(#[case] text: &str, #[case] expected: &[(&str, &str)]) {
        let found = words(text);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(level, words)| (level.as_str(), words.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case::empty("", "the command has no program")]
    #[case::nothing_between("sh {image} ; ; sh", "the command has no program")]
    #[case::only_a_version("version=sh", "the command has no program")]
    #[case::a_quote("sh 'x {image}", "a quote in the command isn't closed")]
    #[case::labels("label=sh {domain}", "a command can't be asked for level `label`")]
    #[case::unknown("write=sh {image}", "a command can't be asked for level `write`")]
    #[case::twice(
        "open=sh {image} ; open=sh {image}",
        "there are two command lines for `open`"
    )]
    #[case::no_image("sh image", "the command line for `header` has no `{image}`")]
    #[case::no_offset("read=sh {image}", "the command line for `read` has no `{offset}`")]
    #[case::no_program(
        "no-such-program-at-all {image}",
        "there is no program `no-such-program-at-all`"
    )]
    fn a_command_that_could_not_work_is_refused(#[case] text: &str, #[case] message: &str) {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
}
