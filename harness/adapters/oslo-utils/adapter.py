"""Answers for oslo.utils, whose format inspector keeps unsafe images out."""

import importlib.metadata

from qconform_adapter import Rejected, Unsupported, path, serve
from oslo_utils.imageutils import format_inspector

# What it documents to keep out of a service, although the image may be valid.
REFUSES = ["data-file", "backing"]


def header(request):
    image = request["image"]
    found = format_inspector.detect_file_format(path(image))
    if found is None:
        raise Rejected("no format is recognised")
    if image["format"] not in (None, str(found)):
        raise Unsupported(f"it takes no declared format, and finds {found}")
    found.safety_check()
    facts = {"format": str(found), "virtual_size": found.virtual_size}
    if str(found) == "qcow2":
        # It has checked that there is neither.
        facts |= {"data_file": None, "backing": None}
    return {"header": facts}


serve(
    {
        "name": "oslo-utils",
        "version": importlib.metadata.version("oslo.utils"),
        "role": "gatekeeper",
        "refuses": REFUSES,
    },
    {"header": header},
    [format_inspector.ImageFormatError, format_inspector.SafetyCheckFailed, OSError],
)
