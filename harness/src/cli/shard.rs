//! `--shard`: which part of a run this machine takes, as told or as CI's variables say.

use std::path::Path;

use qconform_reports::event::Shard;

use super::Exit;
use super::error::Failure;

/// The value of `--shard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShardArg {
    /// `i/n`.
    Is(Shard),
    /// `ci`, or `ci/n` where CI tells the index only.
    Ci(Option<u32>),
}

/// A CI system's variables.
struct Source {
    name: &'static str,
    index: &'static str,
    total: Option<&'static str>,
    /// The first index.
    from: u32,
}

const SOURCES: [Source; 5] = [
    Source {
        name: "GitLab",
        index: "CI_NODE_INDEX",
        total: Some("CI_NODE_TOTAL"),
        from: 1,
    },
    Source {
        name: "Buildkite",
        index: "BUILDKITE_PARALLEL_JOB",
        total: Some("BUILDKITE_PARALLEL_JOB_COUNT"),
        from: 0,
    },
    Source {
        name: "CircleCI",
        index: "CIRCLE_NODE_INDEX",
        total: Some("CIRCLE_NODE_TOTAL"),
        from: 0,
    },
    Source {
        name: "Bazel",
        index: "TEST_SHARD_INDEX",
        total: Some("TEST_TOTAL_SHARDS"),
        from: 0,
    },
    // A Kubernetes job doesn't tell its pods how many completions it wants.
    Source {
        name: "Kubernetes",
        index: "JOB_COMPLETION_INDEX",
        total: None,
        from: 0,
    },
];

/// A file that Bazel wants touched by a test that understands its variables.
const BAZEL_STATUS: &str = "TEST_SHARD_STATUS_FILE";

/// Reads the option's value.
pub(super) fn parse(text: &str) -> Result<ShardArg, String> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    let (index, total) = match text.split_once('/') {
        Some((index, total)) => (index, Some(number(total))),
        None => (text, None),
    };
    match (index, total) {
        ("ci", None) => Ok(ShardArg::Ci(None)),
        ("ci", Some(Some(total))) => Ok(ShardArg::Ci(Some(total))),
        (index, Some(Some(total))) => match number(index).filter(|index| *index <= total) {
            Some(index) => Ok(ShardArg::Is(Shard { index, total })),
            None => Err(format!("the first number is between 1 and {total}")),
        },
        _ => Err("is not of the form i/n, ci or ci/n".to_owned()),
    }
}

impl ShardArg {
    /// The shard, with the name of the CI system that told it; none where CI says that there
    /// is one machine only. `variable` looks up the environment.
    pub(super) fn resolve(
        self,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<(Shard, Option<&'static str>)>, Failure> {
        let total = match self {
            ShardArg::Is(shard) => return Ok(Some((shard, None))),
            ShardArg::Ci(total) => total,
        };
        let mut found: Option<(Option<Shard>, &'static str)> = None;
        for source in &SOURCES {
            let Some(shard) = source.shard(total, variable)? else {
                continue;
            };
            match found {
                Some((first, name)) if first != shard => {
                    let message = format!("{name} and {} tell different shards", source.name);
                    return Err(usage(message));
                }
                Some(_) => {}
                None => found = Some((shard, source.name)),
            }
        }
        let names: Vec<_> = SOURCES.iter().map(|source| source.name).collect();
        let (shard, name) = found.ok_or_else(|| {
            usage("no variable of CI tells a shard".to_owned()).hint(format!(
                "known are those of {}; elsewhere give i/n",
                names.join(", ")
            ))
        })?;
        Ok(shard.map(|shard| (shard, Some(name))))
    }
}

impl Source {
    /// What this system's variables say; `Some(None)` if there is one machine only.
    fn shard(
        &self,
        given: Option<u32>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Option<Shard>>, Failure> {
        let number = |name: &str| match variable(name).filter(|text| !text.is_empty()) {
            None => Ok(None),
            Some(text) => match text.parse::<u32>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(usage(format!("{name} is no number: `{text}`"))),
            },
        };
        let index = number(self.index)?;
        let told = self.total.map_or(Ok(None), number)?;
        let (index, total) = match (index, told, given) {
            (None, None, _) => return Ok(None),
            (None, Some(1), _) => return Ok(Some(None)),
            (None, Some(_), _) => return Err(usage(format!("{} is not set", self.index))),
            (_, Some(told), Some(given)) if told != given => {
                return Err(usage(format!(
                    "{} says {told} shards, not {given}",
                    self.name
                )));
            }
            (Some(index), Some(total), _) | (Some(index), None, Some(total)) => (index, total),
            (Some(_), None, None) => {
                return Err(usage(format!(
                    "{} doesn't tell how many shards there are",
                    self.name
                ))
                .hint("give the number: --shard ci/4"));
            }
        };
        let place = index.checked_sub(self.from).filter(|index| *index < total);
        match place {
            Some(place) => Ok(Some(Some(Shard {
                index: place + 1,
                total,
            }))),
            None => Err(usage(format!("{} is {index} of {total}", self.index))),
        }
    }
}

/// Tells Bazel that its variables are understood.
pub(super) fn acknowledge(variable: &dyn Fn(&str) -> Option<String>) -> Result<(), Failure> {
    match variable(BAZEL_STATUS) {
        None => Ok(()),
        Some(path) => std::fs::File::create(&path)
            .map(drop)
            .map_err(|error| Failure::file(Path::new(&path), &error)),
    }
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// The shard that these variables tell, or the message of the failure.
    fn told(arg: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match parse(arg)?.resolve(&variable) {
            Ok(None) => Ok("all".to_owned()),
            Ok(Some((shard, name))) => Ok(format!("{shard} {}", name.unwrap_or("given"))),
            Err(failure) => {
                let mut text = Vec::new();
                failure.print(&mut text).unwrap();
                Err(String::from_utf8(text).unwrap())
            }
        }
    }

    #[rstest]
    #[case("2/4", &[], "2/4 given")]
    #[case("1/1", &[("CI_NODE_INDEX", "3"), ("CI_NODE_TOTAL", "4")], "1/1 given")]
    #[case("ci", &[("CI_NODE_INDEX", "4"), ("CI_NODE_TOTAL", "4")], "4/4 GitLab")]
    #[case("ci", &[("CI_NODE_TOTAL", "1")], "all")]
    #[case("ci", &[("BUILDKITE_PARALLEL_JOB", "0"), ("BUILDKITE_PARALLEL_JOB_COUNT", "8")], "1/8 Buildkite")]
    #[case("ci", &[("CIRCLE_NODE_INDEX", "1"), ("CIRCLE_NODE_TOTAL", "2")], "2/2 CircleCI")]
    #[case("ci", &[("TEST_SHARD_INDEX", "6"), ("TEST_TOTAL_SHARDS", "7")], "7/7 Bazel")]
    #[case("ci/3", &[("JOB_COMPLETION_INDEX", "2")], "3/3 Kubernetes")]
    #[case("ci/4", &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "4")], "1/4 GitLab")]
    #[case::two_systems_agree("ci/2", &[("JOB_COMPLETION_INDEX", "1"), ("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "2")], "2/2 GitLab")]
    fn ci_tells_the_shard(
        #[case] arg: &str,
        #[case] variables: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        assert_eq!(told(arg, variables), Ok(expected.to_owned()));
    }

    #[rstest]
    #[case("0/4", &[], "between 1 and 4")]
    #[case("5/4", &[], "between 1 and 4")]
    #[case("1/0", &[], "not of the form")]
    #[case("x", &[], "not of the form")]
    #[case("ci/0", &[], "not of the form")]
    #[case("ci", &[], "no variable of CI tells a shard")]
    #[case("ci", &[("JOB_COMPLETION_INDEX", "0")], "doesn't tell how many")]
    #[case("ci", &[("CI_NODE_TOTAL", "2")], "CI_NODE_INDEX is not set")]
    #[case("ci", &[("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "2")], "CI_NODE_INDEX is 0 of 2")]
    #[case("ci", &[("CIRCLE_NODE_INDEX", "2"), ("CIRCLE_NODE_TOTAL", "2")], "is 2 of 2")]
    #[case("ci", &[("CI_NODE_INDEX", "x"), ("CI_NODE_TOTAL", "2")], "CI_NODE_INDEX is no number: `x`")]
    #[case("ci/3", &[("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "2")], "GitLab says 2 shards, not 3")]
    #[case("ci/2", &[("JOB_COMPLETION_INDEX", "0"), ("CI_NODE_INDEX", "2"), ("CI_NODE_TOTAL", "2")], "tell different shards")]
    fn what_makes_no_sense_is_refused(
        #[case] arg: &str,
        #[case] variables: &[(&str, &str)],
        #[case] message: &str,
    ) {
        let told = told(arg, variables).unwrap_err();
        assert!(told.contains(message), "{told}");
    }

    #[test]
    fn bazel_finds_its_status_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status");
        let variable = |name: &str| (name == BAZEL_STATUS).then(|| path.display().to_string());
        acknowledge(&variable).unwrap();
        assert!(path.is_file());
    }
}
