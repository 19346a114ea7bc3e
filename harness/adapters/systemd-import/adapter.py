"""Answers for systemd-import: what it converts an image to."""

import os
import shutil

from qconform_adapter import Rejected, Unsupported, first_line, path, run, serve

PROGRAM = "/usr/lib/systemd/systemd-import"
# Printed before it converts; anything else is copied as it is.
CONVERTS = b"Unpacking QCOW2 file."
ENDS = b"Exiting."


def converted(request):
    """The raw image, and the format that the image was found to have."""
    declared = request["image"]["format"]
    root = os.environ["QCONFORM_STATE"] + "/images"
    shutil.rmtree(root, ignore_errors=True)
    os.mkdir(root)
    # Without --sync=no it flushes the whole file system.
    options = ["--image-root=" + root, "--sync=no", "--btrfs-subvol=no", "--btrfs-quota=no"]
    done = run([PROGRAM, *options, "raw", path(request["image"]), "image"])
    lines = done.stderr.splitlines()
    found = "qcow2" if CONVERTS in lines else "raw"
    if done.returncode != 0:
        said = [line for line in lines if line.startswith(b"Failed to ")]
        raise Rejected(first_line(said[0]) if said else first_line(b"\n".join(lines)))
    if declared not in (None, found):
        raise Unsupported(f"it takes no declared format, and finds {found}")
    return root + "/image.raw", found


def header(request):
    image, found = converted(request)
    return {"header": {"format": found, "virtual_size": os.stat(image).st_size}}


def read(request):
    image, _ = converted(request)
    reads = []
    with open(image, "rb") as file:
        for offset in request["offsets"]:
            data = os.pread(file.fileno(), request["length"], offset)
            reads.append({"offset": offset, "bytes": data.hex()})
    return {"reads": reads}


serve(
    {
        "name": "systemd-import",
        "version": first_line(run([PROGRAM, "--version"]).stdout).split()[1],
        "refuses": ["data-file", "encryption", "zstd", "extended-l2"],
    },
    {"header": header, "read": read},
)
