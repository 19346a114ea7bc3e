//! Where a requirement's source can be read.

/// A page for the first part of a source that is known; `None` for what has no stable page.
pub(super) fn url(source: &str) -> Option<String> {
    source.split("; ").find_map(page)
}

fn page(part: &str) -> Option<String> {
    let page = match part.split(", ").collect::<Vec<_>>().as_slice() {
        ["qcow2 specification", ..] => "https://www.qemu.org/docs/master/interop/qcow2.html",
        ["libvirt", "formatdomain", ..] => "https://libvirt.org/formatdomain.html",
        ["libvirt", "kbase backing_chains", ..] => "https://libvirt.org/kbase/backing_chains.html",
        ["libvirt", "security drivers" | "qemu.conf", ..] => {
            "https://libvirt.org/drvqemu.html#driver-security-architecture"
        }
        _ => return cve(part),
    };
    Some(page.to_owned())
}

fn cve(part: &str) -> Option<String> {
    let number = part.strip_prefix("CVE-")?;
    let plain = number.chars().all(|c| c.is_ascii_digit() || c == '-');
    plain.then(|| format!("https://www.cve.org/CVERecord?id=CVE-{number}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "qcow2 specification, Snapshots; QEMU, qcow2 driver",
        Some("https://www.qemu.org/docs/master/interop/qcow2.html")
    )]
    #[case(
        "QEMU, qcow2 driver; libvirt, formatdomain, transient",
        Some("https://libvirt.org/formatdomain.html")
    )]
    #[case(
        "CVE-2024-4467; CVE-2024-32498",
        Some("https://www.cve.org/CVERecord?id=CVE-2024-4467")
    )]
    #[case("CVE-\" onclick=\"x", None)]
    #[case("design series of 2019-10-07", None)]
    #[case("", None)]
    fn a_source_leads_to_its_page(#[case] source: &str, #[case] expected: Option<&str>) {
        assert_eq!(url(source).as_deref(), expected);
    }
}
