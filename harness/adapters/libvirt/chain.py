"""The files of a domain as virt-aa-helper finds them: it works without a daemon or an emulator."""

import os
import re
import subprocess

import machine

HELPER = "/usr/lib/libvirt/virt-aa-helper"
RULE = re.compile(rb'^\s*(deny )?"(.*)" ([rwklR]+),$')


def files(xml):
    """The answer to a question about a domain's files. Rules have no roles, so none are given."""
    domain = machine.minimal(machine.parse(xml), "chain")
    status, told, rules = ask(domain)
    if status != 0:
        return {"type": "rejected", "class": "virt-aa-helper", "message": told}
    given = links(domain)
    for disk in machine.disks(domain):
        domain.find("devices").remove(disk)
    _, _, always = ask(domain)
    found = [{"path": given.get(path, path).hex(), "access": access}
             for path, access in sorted(rules.items()) if path not in always]
    return {"type": "result", "files": found}


def links(domain):
    """The names that the domain has for the targets of its links: a profile is about targets."""
    found = {}
    for source in domain.iterfind("devices/disk/source[@file]"):
        path = os.fsencode(source.get("file"))
        found[os.path.realpath(path)] = path
    return found


def ask(domain):
    """The helper's exit status, its complaint, and what it allows by path."""
    uuid = domain.findtext("uuid")
    done = subprocess.run([HELPER, "--create", "--dryrun", "--uuid", f"libvirt-{uuid}"],
                          input=os.fsencode(machine.text(domain)), capture_output=True, check=False)
    output = done.stdout + b"\n" + done.stderr
    rules = {}
    complaint = []
    for line in output.split(b"\n"):
        rule = RULE.match(line)
        if rule and not rule.group(1):
            path, rights = rule.group(2), rule.group(3)
            rules[path] = "rw" if b"w" in rights or rules.get(path) == "rw" else "ro"
        elif line.startswith(b"virt-aa-helper: "):
            complaint.append(line.removeprefix(b"virt-aa-helper: ").decode("utf-8", "replace"))
    return done.returncode, "; ".join(complaint), rules
