"""Answers for file(1), as far as its one line tells the header of an image."""

import re

from qconform_adapter import Rejected, Unsupported, first_line, name, path, run, serve

# An image is described more than once; what is said last comes from the entry for its version.
DESCRIBED = re.compile(rb"QEMU QCOW2? Image \(v(\d+)\)(.*)", re.DOTALL)
SIZE = re.compile(rb", (\d+) bytes")
BACKING = re.compile(rb"has backing file \(path (.*)\)", re.DOTALL)


def header(request):
    declared = request["image"]["format"]
    if declared not in (None, "qcow2"):
        raise Unsupported("it takes no declared format")
    # Raw output: names stay as they are.
    done = run(["file", "-b", "-r", "--", path(request["image"])])
    if done.returncode != 0:
        raise Rejected(first_line(done.stdout))
    found = DESCRIBED.match(done.stdout)
    if found is None:
        raise Rejected(first_line(done.stdout))
    # The same words stand for the older format, which counts as version 1.
    facts = {"format": "qcow" if found[1] == b"1" else "qcow2", "version": int(found[1])}
    if declared not in (None, facts["format"]):
        raise Unsupported(f"it takes no declared format, and finds {facts['format']}")
    said = found[2].rpartition(b" (v")[2] or found[2]
    size = SIZE.findall(said)
    if size:
        facts["virtual_size"] = int(size[-1])
    backing = BACKING.search(said)
    facts["backing"] = {"name": name(backing[1])} if backing else None
    return {"header": facts}


def version():
    return first_line(run(["file", "--version"]).stdout).removeprefix("file-")


serve({"name": "file", "version": version(), "refuses": ["raw"]}, {"header": header})
