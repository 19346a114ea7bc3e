"""Answers for libqcow through its Python module; it leaves backing files to its caller."""

import os

import pyqcow
from qconform_adapter import Unsupported, name, path, serve


def image(request):
    if request["image"]["format"] != "qcow2":
        raise Unsupported("formats other than a declared qcow2")
    found = pyqcow.file()
    # As bytes: of text it takes UTF-8 only.
    found.open(os.fsencode(path(request["image"])))
    return found


def header(request):
    found = image(request)
    stored = found.get_backing_filename()
    # It has no word for data files, formats of backing files or versions.
    backing = None if stored is None else {"name": name(stored)}
    return {"header": {"format": "qcow2", "virtual_size": found.get_media_size(), "backing": backing}}


def read(request):
    found = image(request)
    if found.get_backing_filename() is not None:
        raise Unsupported("backing files are for its caller to open")
    reads = []
    for offset in request["offsets"]:
        data = found.read_buffer_at_offset(request["length"], offset)
        reads.append({"offset": offset, "bytes": data.hex()})
    return {"reads": reads}


serve(
    {
        "name": "libqcow",
        "version": pyqcow.get_version(),
        "refuses": ["data-file", "encryption", "zstd", "extended-l2"],
    },
    {"header": header, "read": read},
    [OSError],
)
