"""Answers for nbdkit's qcow2dec filter: an image that it serves, read through NBD.

The filter refuses every file below 128 KiB as too small. So that there is more to see than that,
nbdkit's own truncate filter adds zeros to smaller ones, as if the file were sparse at its end.
"""

import contextlib
import os
import re

import nbd
from qconform_adapter import Crashed, Rejected, Unsupported, first_line, path, run, serve

SMALLEST = 128 << 10


def reachable(image):
    """A name for the image that is text, which is all that libnbd takes."""
    try:
        # The server would say this to its standard error only, and end.
        open(image, "rb").close()
    except OSError as error:
        raise Rejected(error.strerror) from error
    link = os.environ["QCONFORM_STATE"] + "/image"
    if os.path.islink(link):
        os.unlink(link)
    os.symlink(image, link)
    return link


def served(request):
    """A client of a server of its own, which ends with it."""
    if request["image"]["format"] != "qcow2":
        raise Unsupported("formats other than a declared qcow2")
    image = reachable(path(request["image"]))
    client = nbd.NBD()
    filters = ["--filter=qcow2dec", "--filter=truncate"]
    plugin = ["file", "file=" + image, f"round-up={SMALLEST}"]
    try:
        with heard():
            client.connect_command(["nbdkit", "-s", "--exit-with-parent", "-r", *filters, *plugin])
    except nbd.Error as error:
        # The server tells why it has no such export. One that has died has told it elsewhere.
        if "server has no export" in error.string:
            raise Rejected(reason(error.string)) from error
        raise Crashed(last_words() or error.string) from error
    return client


@contextlib.contextmanager
def heard():
    """What starts within this writes its errors to a file."""
    kept = os.dup(2)
    with open(errors(), "wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def errors():
    return os.environ["QCONFORM_STATE"] + "/errors"


def last_words():
    """The last line that the server wrote."""
    with open(errors(), "rb") as file:
        return file.read()[-4096:].decode(errors="replace").strip().rpartition("\n")[2]


def reason(text):
    """What the filter says, without what libnbd puts around it."""
    said = re.search(r"server has no export named '': (.*?)(?:: No such file or directory.*)?$", text)
    return said[1] if said else text


def header(request):
    client = served(request)
    return {"header": {"format": "qcow2", "virtual_size": client.get_size()}}


def read(request):
    client = served(request)
    reads = []
    for offset in request["offsets"]:
        try:
            data = client.pread(request["length"], offset)
        except nbd.Error as error:
            # An error of the server, not of the connection, has a number and is a refusal.
            if client.aio_is_ready():
                raise Rejected(error.string) from error
            raise Crashed(last_words() or error.string) from error
        reads.append({"offset": offset, "bytes": bytes(data).hex()})
    return {"reads": reads}


serve(
    {
        "name": "nbdkit",
        "version": first_line(run(["nbdkit", "--version"]).stdout).removeprefix("nbdkit "),
        "refuses": ["data-file", "backing", "encryption", "extended-l2", "snapshots"],
    },
    {"header": header, "read": read},
)
