//! The mutants, each with its name and with what it does wrong.

use qconform_scenarios::verdict::Level;

use super::Mutant;

/// A mutant, and what has to catch it.
pub(crate) struct Entry {
    pub(crate) mutant: Mutant,
    pub(crate) name: &'static str,
    /// In a sentence.
    pub(crate) what: &'static str,
    /// Levels at which it can be seen at all.
    pub(crate) levels: &'static [Level],
    /// Scenarios that must catch it.
    pub(crate) caught_by: &'static [&'static str],
}

/// All of them.
pub(crate) const ALL: [Entry; 18] = [
    Entry {
        mutant: Mutant::DataFileNeverRelabelled,
        name: "data-file-never-relabelled",
        what: "Data files get neither owner nor label.",
        levels: &[Level::Label],
        caught_by: &[
            "label/data-file/follows-image",
            "label/data-file/declared-other",
            "label/chain/both-data-files",
            "label/seclabel/own-label",
        ],
    },
    Entry {
        mutant: Mutant::DataFileGetsBackingLabel,
        name: "data-file-gets-backing-label",
        what: "A top image's data file gets the read-only label of a backing image.",
        levels: &[Level::Label],
        caught_by: &[
            "label/data-file/follows-image",
            "label/data-file/terminated",
        ],
    },
    Entry {
        mutant: Mutant::RestoreForgetsDataFile,
        name: "restore-forgets-data-file",
        what: "After the last stop a data file keeps the domain's owner and label.",
        levels: &[Level::Label],
        caught_by: &[
            "label/data-file/follows-image",
            "label/data-file/unlabelled",
        ],
    },
    Entry {
        mutant: Mutant::NameHonouredWithoutBit,
        name: "name-honoured-without-bit",
        what: "A data file's name counts although the feature bit is clear.",
        levels: &[Level::Access, Level::Label],
        caught_by: &["label/data-file/unused-name", "access/unused-name"],
    },
    Entry {
        mutant: Mutant::DataFileIgnoresReadonly,
        name: "data-file-ignores-readonly",
        what: "Every data file gets the label of a writable disk.",
        levels: &[Level::Label],
        caught_by: &[
            "label/data-file/follows-image",
            "label/chain/base-data-file",
        ],
    },
    Entry {
        mutant: Mutant::DataFileOwnerOnly,
        name: "data-file-owner-only",
        what: "A data file gets its owner and no SELinux label.",
        levels: &[Level::Label],
        caught_by: &["label/data-file/follows-image"],
    },
    Entry {
        mutant: Mutant::BackingDataFileForgotten,
        name: "backing-data-file-forgotten",
        what: "Data files of backing images get neither owner nor label.",
        levels: &[Level::Label],
        caught_by: &["label/chain/base-data-file", "label/chain/middle-data-file"],
    },
    Entry {
        mutant: Mutant::RestoresToRoot,
        name: "restores-to-root",
        what: "After a stop every file belongs to 0:0.",
        levels: &[Level::Label],
        caught_by: &["label/plain/qcow2", "label/plain/raw"],
    },
    Entry {
        mutant: Mutant::StopLeavesRecords,
        name: "stop-leaves-records",
        what: "A stop leaves the records at files that keep their label.",
        levels: &[Level::Label],
        caught_by: &["label/chain/backing", "label/plain/raw"],
    },
    Entry {
        mutant: Mutant::DataFileLeftToHeader,
        name: "data-file-left-to-header",
        what: "The graph names no data file, so QEMU follows the header.",
        levels: &[Level::Blockdev],
        caught_by: &[
            "blockdev/data-file",
            "blockdev/declared-other",
            "blockdev/middle-data-file",
            "blockdev/terminated",
        ],
    },
    Entry {
        mutant: Mutant::DataFileNodeWritable,
        name: "data-file-node-writable",
        what: "The node of a data file is writable, even that of a read-only image.",
        levels: &[Level::Blockdev],
        caught_by: &["blockdev/data-file", "blockdev/chain"],
    },
    Entry {
        mutant: Mutant::BackingLeftToHeader,
        name: "backing-left-to-header",
        what: "A declared end of the chain is overlooked, and the header's backing name followed.",
        levels: &[Level::Blockdev],
        caught_by: &["blockdev/terminated"],
    },
    Entry {
        mutant: Mutant::CommitForgetsDataFile,
        name: "commit-forgets-data-file",
        what: "During a commit the base is writable and its data file isn't.",
        levels: &[Level::Label],
        caught_by: &["label/life/commit", "label/life/commit-active"],
    },
    Entry {
        mutant: Mutant::SnapshotForgetsDataFile,
        name: "snapshot-forgets-data-file",
        what: "A snapshot makes the old top image read-only and leaves its data file writable.",
        levels: &[Level::Label],
        caught_by: &["label/life/snapshot"],
    },
    Entry {
        mutant: Mutant::AttachForgetsDataFile,
        name: "attach-forgets-data-file",
        what: "The data file of an attached disk gets neither owner nor label.",
        levels: &[Level::Label],
        caught_by: &["label/life/attach"],
    },
    Entry {
        mutant: Mutant::MessageQuotesInput,
        name: "message-quotes-input",
        what: "A refusal quotes the domain's XML and the names of its image, passwords included.",
        levels: &[Level::Access, Level::Label, Level::Blockdev],
        caught_by: &[
            "label/data-file/credentials",
            "access/credentials",
            "blockdev/credentials",
        ],
    },
    Entry {
        mutant: Mutant::PersistentShowsDetected,
        name: "persistent-shows-detected",
        what: "The persistent form shows files that were only detected.",
        levels: &[Level::Xml],
        caught_by: &["xml/grid/", "xml/seclabels"],
    },
    Entry {
        mutant: Mutant::RuntimeHidesDetected,
        name: "runtime-hides-detected",
        what: "The runtime form leaves out files that were detected.",
        levels: &[Level::Xml],
        caught_by: &["xml/grid/", "xml/shared-base"],
    },
];

/// The mutant of this name.
pub(crate) fn named(name: &str) -> Option<Mutant> {
    let entry = ALL.iter().find(|entry| entry.name == name)?;
    Some(entry.mutant)
}
