"""Answers for dissect.hypervisor, which opens data files and backing files by itself."""

import importlib.metadata
from pathlib import Path

from qconform_adapter import Unsupported, name, path, serve
from dissect.hypervisor.disk.qcow2 import QCow2
from dissect.hypervisor.exceptions import Error


def place(request):
    if request["image"]["format"] != "qcow2":
        raise Unsupported("formats other than a declared qcow2")
    return Path(path(request["image"]))


def image(request):
    return QCow2(place(request))


def header(request):
    # Given a file instead of a path, it can't look for other files.
    with place(request).open("rb") as file:
        return facts(QCow2(file, allow_no_data_file=True, allow_no_backing_file=True))


def facts(found):
    backing = data_file = None
    if found.needs_backing_file:
        # It keeps the format in capitals.
        stored = found.backing_format and found.backing_format.lower()
        backing = {"name": name(found.auto_backing_file), "format": stored}
    if found.needs_data_file:
        stored = found.image_data_file
        data_file = {
            "name": None if stored is None else name(stored),
            "raw": bool(found.header.autoclear_features & 2),
        }
    return {
        "header": {
            "format": "qcow2",
            "version": found.header.version,
            "virtual_size": found.size,
            "backing": backing,
            "data_file": data_file,
        }
    }


def opened(request):
    image(request).open()


def read(request):
    stream = image(request).open()
    reads = []
    for offset in request["offsets"]:
        stream.seek(offset)
        data = stream.read(request["length"])
        reads.append({"offset": offset, "bytes": data.hex()})
    return {"reads": reads}


serve(
    {
        "name": "dissect-hypervisor",
        "version": importlib.metadata.version("dissect.hypervisor"),
        "refuses": ["encryption"],
    },
    {"header": header, "open": opened, "read": read},
    # The end of a file too early, and what the system says, reach its caller as they are.
    [Error, NotImplementedError, EOFError, OSError],
)
