"""A labeller for tests: gives every file of the fixture to user 64055, and looks around."""

import ctypes
import json
import os
import sys


def step(request):
    folder = bytes.fromhex(request["folder"])
    user, label = request["config"]["user"], b"system_u:object_r:svirt_image_t:s0\0"
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        os.chown(path, user, request["config"]["group"])
        os.setxattr(path, "security.selinux", label)
        os.setxattr(path, "security.probe.record", b"x")
    with open(os.environ["QCONFORM_STATE"] + "/steps", "a", encoding="ascii") as file:
        file.write(request["step"]["name"])
        if file.tell() > len("startstop"):
            return {"type": "error", "message": "the state of an earlier case is there"}
    with open("/tmp/mine", "x" if request["step"]["name"] == "start" else "r", encoding="ascii"):
        pass
    if traces():
        return {"type": "error", "message": "worker traced"}
    return {"type": "error", "message": "mounts changed"} if mounts() else {"type": "result"}


def mounts():
    """Whether it can make writable what is there to be read, or mount something."""
    libc = ctypes.CDLL(None)
    writable = [libc.mount(None, folder, None, 0x1020, None) for folder in (b"/usr", b"/adapter/probe")]
    return 0 in [*writable, libc.mount(b"none", b"/tmp", b"tmpfs", 0, None), libc.umount2(b"/adapter/probe", 2)]


def traces():
    """Whether it can look into its worker."""
    try:
        with open("/proc/1/environ", "rb"):
            return True
    except OSError:
        return False


def answer(request):
    if request["level"] != "label":
        return {"type": "unsupported", "message": "it only labels"}
    try:
        return step(request)
    except OSError as error:
        return {"type": "rejected", "class": "os-error", "message": str(error)}


for line in sys.stdin:
    request = json.loads(line)
    if request["type"] == "bye":
        break
    if request["type"] == "hello":
        reply = {"type": "hello", "protocol": 1, "name": "probe", "version": "1", "levels": ["label", "later"]}
    else:
        reply = {**answer(request), "seq": request["seq"]}
    print(json.dumps(reply), flush=True)
