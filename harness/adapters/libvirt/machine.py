"""The domain that libvirt is given: the case's disks and labels in a machine that starts anywhere."""

import copy
import xml.etree.ElementTree as ET

EMULATOR = "/usr/lib/qconform/emulator"
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
UUID = "3f6c1f0e-5a5b-4d53-9d0c-7a1c2b3d4e5f"
# What of a disk belongs to the machine that it came from.
FOREIGN = ("address", "alias")
# What else of a domain may carry credentials, and starts on any machine.
GRAPHICS = "devices/graphics"


def parse(xml):
    return ET.fromstring(xml)


def parse_domain(xml):
    """The domain, or None for a text that is none."""
    try:
        domain = parse(xml)
    except ET.ParseError:
        return None
    return domain if domain.tag == "domain" else None


def speaks_of_selinux(xml):
    """Whether a disk or a file of its chain has a label of SELinux's."""
    domain = parse_domain(xml)
    labels = [] if domain is None else domain.iterfind("devices//seclabel")
    return any(label.get("model", "selinux") == "selinux" for label in labels)


def text(element):
    return ET.tostring(element, encoding="unicode")


def disks(domain):
    return domain.findall("devices/disk")


def target(disk):
    found = disk.find("target")
    return found.get("dev") if found is not None else None


def disk(domain, name):
    """The disk with this target, or None."""
    return next((disk for disk in disks(domain) if target(disk) == name), None)


def plain(disk):
    """A disk without what only its old machine has."""
    disk = copy.deepcopy(disk)
    for name in FOREIGN:
        for found in disk.findall(name):
            disk.remove(found)
    driver = disk.find("driver")
    if driver is not None:
        driver.attrib.pop("iothread", None)
    return disk


def minimal(domain, name):
    """A machine of 16 MiB with the domain's disks and nothing else."""
    machine = ET.Element("domain", type="qemu")
    ET.SubElement(machine, "name").text = name
    ET.SubElement(machine, "uuid").text = domain.findtext("uuid") or UUID
    ET.SubElement(machine, "memory", unit="MiB").text = "16"
    ET.SubElement(ET.SubElement(machine, "os"), "type", arch="i686", machine="q35").text = "hvm"
    devices = ET.SubElement(machine, "devices")
    ET.SubElement(devices, "emulator").text = EMULATOR
    devices.extend(plain(disk) for disk in disks(domain))
    ET.SubElement(devices, "controller", type="usb", model="none")
    ET.SubElement(devices, "memballoon", model="none")
    machine.extend(copy.deepcopy(label) for label in domain.findall("seclabel"))
    return machine


def shown(domain, name):
    """The same with what a reader of its XML could learn a secret from."""
    machine = minimal(domain, name)
    machine.find("devices").extend(copy.deepcopy(found) for found in domain.iterfind(GRAPHICS))
    return machine


def pin_categories(machine, pair):
    """Gives the domain this pair of categories, which libvirt would draw by lot. A label that the
    domain brings along, or none, stays as it is."""
    for label in machine.findall("seclabel"):
        if label.get("model", "selinux") != "selinux":
            continue
        if label.get("type", "dynamic") != "dynamic":
            return
        machine.remove(label)
    label = ET.SubElement(machine, "seclabel", type="static", model="selinux", relabel="yes")
    first, second = pair
    ET.SubElement(label, "label").text = f"system_u:system_r:svirt_t:s0:c{first},c{second}"


def set_environment(machine, name, value):
    """A variable that libvirt gives the emulator."""
    command = ET.SubElement(machine, f"{{{QEMU_NAMESPACE}}}commandline")
    ET.SubElement(command, f"{{{QEMU_NAMESPACE}}}env", name=name, value=value)


def snapshot(machine, name):
    """An external snapshot that gives this disk the top image that the machine says."""
    snapshot = ET.Element("domainsnapshot")
    listed = ET.SubElement(snapshot, "disks")
    for disk in disks(machine):
        if target(disk) != name:
            ET.SubElement(listed, "disk", name=target(disk), snapshot="no")
            continue
        entry = ET.SubElement(listed, "disk", name=name, snapshot="external", type=disk.get("type", "file"))
        driver = disk.find("driver")
        ET.SubElement(entry, "driver", type=driver.get("type", "raw"))
        entry.append(copy.deepcopy(disk.find("source")))
    return snapshot
