//! Names as a stranger may read them: without passwords, and on request without meaning.

use std::collections::BTreeMap;

use crate::reference::chain::names::is_ambiguous;

/// Endings that say what a file is, not whose.
const ENDINGS: [&[u8]; 6] = [b".qcow2", b".qcow", b".raw", b".img", b".iso", b".data"];

/// Words that QEMU's names are made of. Source: QEMU, block drivers' options.
const WORDS: [&str; 24] = [
    "json",
    "driver",
    "file",
    "filename",
    "backing",
    "data-file",
    "qcow2",
    "raw",
    "host_device",
    "nbd",
    "http",
    "https",
    "ftp",
    "iscsi",
    "rbd",
    "ssh",
    "nfs",
    "tcp",
    "inet",
    "unix",
    "server",
    "host",
    "port",
    "path",
];

/// Keys whose values nobody else may know.
const SECRET_KEYS: [&[u8]; 6] = [b"pass", b"secret", b"cookie", b"key", b"token", b"user"];

/// What covers a password.
const COVER: u8 = b'x';

/// Gives each word of each name another of the same length, the same one each time.
#[derive(Debug, Default)]
pub(super) struct Anonymiser {
    known: BTreeMap<Vec<u8>, Vec<u8>>,
    /// For each length, how many words have been given out.
    given: BTreeMap<usize, u64>,
}

impl Anonymiser {
    /// A path, a URI or a `json:` name. What it is made of stays: slashes, dots, endings.
    pub(super) fn path(&mut self, name: &[u8]) -> Vec<u8> {
        let is_separator = if is_ambiguous(name) {
            |byte: u8| byte.is_ascii_punctuation() && !b"-_.".contains(&byte) || byte == 0
        } else {
            |byte: u8| matches!(byte, b'/' | 0)
        };
        let mut new = Vec::with_capacity(name.len());
        for part in name.split_inclusive(|byte| is_separator(*byte)) {
            let (word, separator) = match part.split_last() {
                Some((last, word)) if is_separator(*last) => (word, &part[word.len()..]),
                _ => (part, &[][..]),
            };
            let keep = is_ambiguous(name) && is_option(word);
            new.extend(if keep { word.to_vec() } else { self.word(word) });
            new.extend(separator);
        }
        new
    }

    /// A name without parts, such as a snapshot's. Numbers, which QEMU gives out, stay.
    pub(super) fn label(&mut self, name: &[u8]) -> Vec<u8> {
        if name.iter().all(u8::is_ascii_digit) {
            return name.to_vec();
        }
        self.stem(name)
    }

    /// One component of a path.
    fn word(&mut self, word: &[u8]) -> Vec<u8> {
        if matches!(word, b"" | b"." | b"..") {
            return word.to_vec();
        }
        let ending = ENDINGS.into_iter().find(|ending| word.ends_with(ending));
        let stem = &word[..word.len() - ending.map_or(0, <[u8]>::len)];
        [self.stem(stem), ending.unwrap_or_default().to_vec()].concat()
    }

    fn stem(&mut self, stem: &[u8]) -> Vec<u8> {
        if let Some(new) = self.known.get(stem) {
            return new.clone();
        }
        let given = self.given.entry(stem.len()).or_default();
        let new = letters(*given, stem.len());
        *given += 1;
        self.known.insert(stem.to_vec(), new.clone());
        new
    }
}

/// A number in letters, as many as are wanted.
fn letters(number: u64, length: usize) -> Vec<u8> {
    const LETTERS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut word = vec![LETTERS[0]; length];
    let mut rest = number;
    for letter in word.iter_mut().rev() {
        *letter = LETTERS[(rest % 52) as usize];
        rest /= 52;
    }
    word
}

fn is_option(word: &[u8]) -> bool {
    let is_port = word.len() <= 5 && word.iter().all(u8::is_ascii_digit);
    let known = |part: &[u8]| WORDS.iter().any(|known| known.as_bytes() == part);
    is_port || word.split(|byte| *byte == b'.').all(known)
}

/// Covers user names, passwords and the like in URIs, option lists and `json:` names.
pub(super) fn without_credentials(name: &[u8]) -> Vec<u8> {
    let mut name = name.to_vec();
    if !is_ambiguous(&name) {
        return name;
    }
    cover_in_uris(&mut name);
    cover_assigned(&mut name);
    if name.starts_with(b"json:") {
        cover_json_values(&mut name);
    }
    name
}

fn cover(part: &mut [u8]) {
    let hidden = |byte: &&mut u8| byte.is_ascii_alphanumeric() || !byte.is_ascii();
    part.iter_mut()
        .filter(hidden)
        .for_each(|byte| *byte = COVER);
}

/// Everything in front of `@`, and behind `?`.
fn cover_in_uris(name: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = find(&name[from..], b"://") {
        let start = from + at + 3;
        let end_of = |set: &[u8], start: usize, name: &[u8]| {
            let end = name[start..].iter().position(|byte| set.contains(byte));
            end.map_or(name.len(), |end| start + end)
        };
        let host_end = end_of(b"/\"?", start, name);
        if let Some(at) = name[start..host_end].iter().rposition(|byte| *byte == b'@') {
            cover(&mut name[start..start + at]);
        }
        let uri_end = end_of(b"\"", start, name);
        if let Some(query) = name[start..uri_end].iter().position(|byte| *byte == b'?') {
            cover(&mut name[start + query..uri_end]);
        }
        from = start;
    }
}

/// `key=VALUE` up to the next colon or comma, as in names of the rbd driver.
fn cover_assigned(name: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = name[from..].iter().position(|byte| *byte == b'=') {
        let equals = from + at;
        let key_start = name[..equals]
            .iter()
            .rposition(|byte| b":,;&\"/?".contains(byte));
        let key_start = key_start.map_or(0, |before| before + 1);
        let end = name[equals..]
            .iter()
            .position(|byte| b":,;&\"".contains(byte));
        let end = end.map_or(name.len(), |end| equals + end);
        if is_secret(&name[key_start..equals]) || &name[key_start..equals] == b"id" {
            cover(&mut name[equals..end]);
        }
        from = equals + 1;
    }
}

fn cover_json_values(name: &mut [u8]) {
    let mut secret = false;
    for (start, end) in json_strings(name) {
        let rest = name.get(end + 1..).unwrap_or_default();
        let next = rest.iter().find(|byte| !byte.is_ascii_whitespace());
        if next == Some(&b':') {
            secret = is_secret(&name[start..end]);
        } else if secret {
            cover(&mut name[start..end]);
            secret = false;
        }
    }
}

/// Where each string in JSON starts and ends, without its quotes.
fn json_strings(name: &[u8]) -> Vec<(usize, usize)> {
    let mut strings = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < name.len() {
        match (name[at], start) {
            (b'\\', Some(_)) => at += 1,
            (b'"', None) => start = Some(at + 1),
            (b'"', Some(begin)) => {
                strings.push((begin, at));
                start = None;
            }
            _ => {}
        }
        at += 1;
    }
    strings
}

fn is_secret(key: &[u8]) -> bool {
    SECRET_KEYS.iter().any(|word| find(key, word).is_some())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_path("/srv/vm one/../disk.qcow2", "/aaa/aaaaaa/../aaaa.qcow2")]
    #[case::a_relative_path("./disk.raw", "./aaaa.raw")]
    #[case::behind_a_nul("disk\0disk", "aaaa\0aaaa")]
    #[case::json(
        r#"json:{"driver":"raw","file.filename":"/srv/disk.raw"}"#,
        r#"json:{"driver":"raw","file.filename":"/aaa/aaaa.raw"}"#
    )]
    #[case::a_uri("nbd://nbd1.corp:10809/disk", "nbd://aaaaaaaaa:10809/aaaa")]
    fn a_name_keeps_its_form(#[case] name: &str, #[case] new: &str) {
        let found = Anonymiser::default().path(name.as_bytes());
        assert_eq!(String::from_utf8(found).unwrap(), new);
    }

    #[test]
    fn the_same_word_is_always_the_same_and_another_is_another() {
        let mut names = Anonymiser::default();
        assert_eq!(names.path(b"disk.qcow2"), b"aaaa.qcow2");
        assert_eq!(names.path(b"/x/disk.raw"), b"/a/aaaa.raw");
        assert_eq!(names.path(b"base"), b"aaab");
        assert_eq!(names.label(b"7"), b"7");
        assert_eq!(names.label(b"base"), b"aaab");
    }

    #[rstest]
    #[case::a_path_with_an_at("/srv/a@b", "/srv/a@b")]
    #[case::a_password("ssh://me:pw@host/x", "ssh://xx:xx@host/x")]
    #[case::a_query("https://host/x?sig=abc&a=b", "https://host/x?xxx=xxx&x=x")]
    #[case::ceph("rbd:pool/x:id=me:key=AQ/b==", "rbd:pool/x:id=xx:key=xx/x==")]
    #[case::json(
        r#"json:{"file.password":"pw","file":{"url":"http://a:b@h/x"},"user" : "me"}"#,
        r#"json:{"file.password":"xx","file":{"url":"http://x:x@h/x"},"user" : "xx"}"#
    )]
    fn credentials_are_covered(#[case] name: &str, #[case] new: &str) {
        let found = without_credentials(name.as_bytes());
        assert_eq!(String::from_utf8(found).unwrap(), new);
    }
}
