//! Made-up credentials of a case: texts that no answer may show.

use serde::{Deserialize, Serialize};

use crate::case::Ask;
use crate::error::Fault;
use crate::file::CaseFiles;
use crate::verdict::Grade;

/// What stands where a credential stood.
pub const HIDDEN: &str = "***";

/// Shorter texts would be found by chance.
const SHORTEST: usize = 8;

/// The credentials of a case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Secrets {
    /// Letters and digits only, so that no form of quoting hides one.
    pub texts: Vec<String>,
    /// What an answer earns that shows one; without it, it fails.
    pub shown: Option<Grade>,
}

impl Secrets {
    /// Checks that each text can be found, and stands in what the subject is given.
    pub(crate) fn check(&self, files: &CaseFiles, ask: &Ask) -> Result<(), Fault> {
        if self.is_empty() {
            return Ok(());
        }
        if self.shown == Some(Grade::Pass) {
            let message = "showing a secret is no pass; leave the secret out";
            return Err(Fault::at(["secrets", "shown"], message));
        }
        let given = given(files, ask).map_err(|message| Fault::at(["secrets"], message))?;
        for (index, text) in self.texts.iter().enumerate() {
            let fault = |message| Err(Fault::at(["secrets", "texts", &index.to_string()], message));
            if text.len() < SHORTEST || !text.chars().all(|c| c.is_ascii_alphanumeric()) {
                return fault(format!(
                    "a secret has at least {SHORTEST} letters and digits, and nothing else"
                ));
            }
            if !given.contains(text.as_str()) {
                return fault(format!("`{text}` stands in no file and in no domain"));
            }
        }
        Ok(())
    }

    /// Whether the case has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether there is one in a text.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.texts.iter().any(|secret| text.contains(secret))
    }

    /// The text without them.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let replace = |text: String, secret: &String| text.replace(secret, HIDDEN);
        self.texts.iter().fold(text.to_owned(), replace)
    }
}

fn given(files: &CaseFiles, ask: &Ask) -> Result<String, String> {
    let files = serde_json::to_string(files).map_err(|error| error.to_string())?;
    let ask = serde_json::to_string(ask).map_err(|error| error.to_string())?;
    Ok(files + &ask)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Suite;
    use rstest::rstest;

    fn load(secrets: &str) -> Result<crate::case::Case, String> {
        let text = format!(
            "title = 't'\nlevel = 'header'\nrequirements = ['header.magic']\nimage = 'd'\n\
             {secrets}\n[files]\nd = {{ qcow2 = {{ data-file = 'swordfish1' }} }}\n\
             [[expect]]\nreject = true\n"
        );
        let suite = Suite::of_files(&[("t.toml".to_owned(), text)]).map_err(|e| e.to_string())?;
        suite.scenarios[0].case(0).map_err(|e| e.to_string())
    }

    #[rstest]
    #[case::too_short("['sword']", "at least 8 letters and digits")]
    #[case::quoted("['sword:fish']", "at least 8 letters and digits")]
    #[case::nowhere("['swordfish2']", "stands in no file and in no domain")]
    fn a_secret_that_could_not_be_found_is_refused(#[case] texts: &str, #[case] message: &str) {
        let error = load(&format!("secrets = {{ texts = {texts} }}")).unwrap_err();
        assert!(error.contains(message), "{error}");
    }

    #[test]
    fn a_secret_is_found_and_hidden() {
        let case = load("secrets = { texts = ['swordfish1'], shown = 'lenient' }").unwrap();
        assert_eq!(case.secrets.shown, Some(Grade::Lenient));
        assert!(case.secrets.are_in("xswordfish1x"));
        assert_eq!(case.secrets.hide("xswordfish1x swordfish1"), "x***x ***");
        assert!(!case.secrets.are_in("swordfish"));
    }
}
