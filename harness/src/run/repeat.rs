//! The command that repeats a case, ready to be pasted into a shell.

/// The command; without a subject it is put to the default ones.
pub(crate) fn command(own_files: &[String], seed: u64, subject: Option<&str>, id: &str) -> String {
    let mut words = vec!["qconform".to_owned(), "run".to_owned()];
    words.extend(own_files.iter().map(|file| quote(file)));
    if seed != 0 {
        words.extend(["--seed".to_owned(), seed.to_string()]);
    }
    if let Some(subject) = subject {
        words.extend(["--subject".to_owned(), quote_if_needed(subject)]);
    }
    words.extend(["--exact".to_owned(), quote(id)]);
    words.join(" ")
}

/// The word as it is, where a shell takes it so.
pub(crate) fn quote_if_needed(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        quote(word)
    }
}

/// One word for a POSIX shell, whatever it holds.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_reads_the_words_back() {
        let file = "it's; rm -rf \"$HOME\"\n.toml".to_owned();
        let text = command(std::slice::from_ref(&file), 7, Some("qemu"), "a b/c=d,e=*");
        let script = format!("set -- {text}; for word; do printf '%s\\0' \"$word\"; done");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = output.trim_end_matches('\0').split('\0').collect();
        let expected = [
            "qconform",
            "run",
            &file,
            "--seed",
            "7",
            "--subject",
            "qemu",
            "--exact",
            "a b/c=d,e=*",
        ];
        assert_eq!(words, expected);
    }
}
