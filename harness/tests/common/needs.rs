//! What a test needs of a machine. A test skips with a named reason, unless the variable
//! `QCONFORM_REQUIRE` (names separated by commas) says that it may not.

/// The reason to skip, if something is missing; a panic where it is required.
pub(crate) fn or_skip(name: &str, missing: Option<String>) -> Option<String> {
    let reason = missing?;
    let required = std::env::var("QCONFORM_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|word| word == name),
        "required and missing: {reason}"
    );
    Some(reason)
}

/// What the machine lacks to label files and to see it, as a reason to skip.
#[allow(dead_code, reason = "not every test program labels files by itself")]
pub(crate) fn or_skip_labelling() -> Option<String> {
    let needed = [
        "id-range",
        "chown",
        "selinux-xattr",
        "security-xattr",
        "no-selinux-kernel",
    ];
    let id_map = qconform::sandbox::IdMap::choose().unwrap();
    let settings = qconform::sandbox::Settings::new(id_map);
    let capabilities = qconform::sandbox::capabilities(&settings).unwrap();
    let missing = capabilities
        .iter()
        .find(|capability| needed.contains(&capability.name) && !capability.present)?;
    let reason = format!("this machine lacks {}: {}", missing.name, missing.detail);
    or_skip(missing.name, Some(reason))
}
