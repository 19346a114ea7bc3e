//! Refusals by design: what a subject says beforehand that it refuses.

use qconform_generators::recipe::{Compression, Content, Encryption, Qcow2};
use qconform_scenarios::case::{Ask, Case};
use qconform_scenarios::verdict::Verdict;

use super::{Judgement, secret};
use crate::subject::protocol::Role;
use crate::subject::{Answer, Refusals};
use crate::worker::Observation;

/// A failed case in the light of what the subject refuses by design: a clean refusal of that is
/// right for a gatekeeper, and not supported by a reader. Nothing else is excused.
#[must_use]
pub fn excuse(
    case: &Case,
    observation: &Observation,
    refusals: &Refusals,
    judgement: Judgement,
) -> Judgement {
    let about_an_image = matches!(case.ask, Ask::Header(_) | Ask::Open(_) | Ask::Read { .. });
    let refused = observation.stages.first();
    let refused = refused.is_some_and(|stage| matches!(stage.answer, Answer::Rejected { .. }));
    // A file that was touched or changed is no refusal.
    let by_answer = judgement.message.starts_with("answer: ");
    if judgement.verdict != Verdict::Fail || !about_an_image || !refused || !by_answer {
        return judgement;
    }
    let reason = refusals.refuses.iter().find(|feature| has(case, feature));
    let excused = match (reason, refusals.role) {
        (None, _) => return judgement,
        (Some(_), Role::Gatekeeper) => Judgement::plain(Verdict::Pass, ""),
        (Some(feature), Role::Reader) => Judgement::plain(
            Verdict::Unsupported,
            format!("refuses by design: {feature}"),
        ),
    };
    // What it was refused with may still show credentials.
    secret::weighed(case, observation, excused)
}

/// Whether an image of the fixture has a feature. Only the image that is asked about counts as raw:
/// a data file always is.
fn has(case: &Case, feature: &str) -> bool {
    if feature == "raw" {
        return asked(case).is_some_and(|image| matches!(image, Content::Raw(_)));
    }
    let images = case.files.values().filter_map(|file| match &file.content {
        Content::Qcow2(image) => Some(image),
        _ => None,
    });
    images.into_iter().any(|image| uses(image, feature))
}

/// What the image that is asked about consists of.
fn asked(case: &Case) -> Option<&Content> {
    match &case.ask {
        Ask::Header(image) | Ask::Open(image) | Ask::Read { image, .. } => {
            Some(&case.files.get(&image.file)?.content)
        }
        Ask::Access(_) | Ask::Blockdev(_) | Ask::Label(_) | Ask::Xml(_) => None,
    }
}

fn uses(image: &Qcow2, feature: &str) -> bool {
    match feature {
        "data-file" => image.uses_data_file(),
        "backing" => image.backing.is_some(),
        "encryption" => image.encryption != Encryption::None,
        "zstd" => image.compression == Compression::Zstd,
        "extended-l2" => image.extended_l2,
        "compressed" => !image.compressed.is_empty(),
        "snapshots" => !image.snapshots.is_empty(),
        "bitmaps" => !image.bitmaps.is_empty(),
        "version-2" => image.version == 2,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::protocol::FEATURES;

    /// What makes an image have each feature but `raw`, which is about the image as a whole.
    const WITH: [(&str, &str); 9] = [
        ("data-file", r#"{"data-file": "d"}"#),
        ("backing", r#"{"backing": "b"}"#),
        ("encryption", r#"{"encryption": "luks"}"#),
        ("zstd", r#"{"compression": "zstd"}"#),
        ("extended-l2", r#"{"extended-l2": true}"#),
        ("compressed", r#"{"compressed": [1]}"#),
        ("snapshots", r#"{"snapshots": [{"name": "s"}]}"#),
        ("bitmaps", r#"{"bitmaps": [{"name": "b"}]}"#),
        ("version-2", r#"{"version": 2}"#),
    ];

    #[test]
    fn every_word_of_the_protocol_stands_for_a_feature_of_images() {
        for (feature, json) in WITH {
            let image: Qcow2 = serde_json::from_str(json).unwrap();
            assert!(uses(&image, feature), "{feature}");
            assert!(!uses(&Qcow2::default(), feature), "{feature}");
        }
        let words: Vec<_> = WITH.iter().map(|(feature, _)| *feature).collect();
        assert_eq!([&words[..], &["raw"]].concat(), FEATURES);
    }
}
