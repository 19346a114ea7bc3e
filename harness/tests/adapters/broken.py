#!/usr/bin/python3
"""An adapter that is broken in the way that its argument says; `not` is none."""

import json
import os
import struct
import sys
import time

HOW = sys.argv[1]
KNOWN = {"type", "seq", "case", "level", "folder", "image", "offsets", "length"}


def say(reply, end="\n"):
    print(json.dumps(reply), end=end, flush=True)


def hello():
    if HOW == "no_greeting":
        print("no luck", file=sys.stderr)
        sys.exit(7)
    reply = {"type": "hello", "protocol": 1, "name": "broken", "version": "1", "levels": ["header", "read"]}
    if HOW == "another_protocol":
        reply["protocol"] = 2
    if HOW == "no_known_level":
        reply["levels"] = ["later"]
    if HOW == "no_such_feature":
        reply["refuses"] = ["everything"]
    if HOW == "no_data_files_by_design":
        reply["refuses"] = ["data-file"]
    return reply


def facts(path):
    """What the images of a check have in their headers: version 3, and one extension."""
    with open(path, "rb") as file:
        image = file.read(4096)
    if image[:4] != b"QFI\xfb":
        raise ValueError("no image")
    name, (at,) = None, struct.unpack_from(">I", image, 100)
    while struct.unpack_from(">I", image, at)[0]:
        kind, length = struct.unpack_from(">II", image, at)
        if kind == 0x44415441:
            name = image[at + 8 : at + 8 + length]
        at += 8 + (length + 7) // 8 * 8
    return struct.unpack_from(">Q", image, 24)[0], name


def guest(path, offset, length):
    """The images of a check store guest data in order, or name a file that does."""
    _, name = facts(path)
    if name is not None:
        with open(os.path.join(os.path.dirname(path), name), "rb") as file:
            return os.pread(file.fileno(), length, offset)
    with open(path, "rb") as file:
        (l1,) = struct.unpack(">Q", os.pread(file.fileno(), 8, 40))
        (l2,) = struct.unpack(">Q", os.pread(file.fileno(), 8, l1))
        at = (l2 & 0x00FFFFFFFFFFFE00) + offset // 4096 * 8
        (cluster,) = struct.unpack(">Q", os.pread(file.fileno(), 8, at))
        cluster &= 0x00FFFFFFFFFFFE00
        return os.pread(file.fileno(), length, cluster + offset % 4096) if cluster else bytes(length)


def answer(request):
    path = bytes.fromhex(request["image"]["path"])
    if HOW == "crash":
        return {"type": "crashed", "message": "always"}
    if HOW == "refuse":
        return {"type": "rejected", "class": "c", "message": "never"}
    if HOW == "accept" and not os.path.exists(path):
        return {"type": "unsupported", "message": "no file"}
    try:
        size, name = facts(path)
    except (OSError, ValueError) as error:
        if HOW == "accept":
            return {"type": "result", "header": {}, "reads": []}
        if HOW == "panic" and isinstance(error, OSError):
            return {"type": "crashed", "message": "no such file"}
        if HOW == "error" and isinstance(error, OSError):
            return {"type": "error", "message": "cannot open"}
        return {"type": "rejected", "class": "c", "message": str(error)}
    if name is not None and HOW.startswith("no_data_files"):
        return {"type": "rejected", "class": "c", "message": "no"}
    if request["level"] == "read":
        return {"type": "result", "reads": reads(path, request)}
    if HOW == "no_facts":
        return {"type": "result"}
    header = {"virtual_size": 512 if HOW == "wrong_size" else size}
    header["version"] = "3" if HOW == "wrong_kind" else 3
    header["data_file"] = name and {"name": name.decode(errors="replace") if HOW == "no_hex" else name.hex()}
    return {"type": "result", "header": header}


def reads(path, request):
    reads = []
    for offset in request["offsets"]:
        data = guest(path, offset, request["length"])
        if HOW == "few_bytes":
            data = data[1:]
        if HOW == "other_bytes":
            data = data[::-1]
        reads.append({"offset": offset, "bytes": data.hex()})
    return reads


def misbehave():
    """What is done in the place of an answer."""
    if HOW == "garbage":
        print("well", flush=True)
    elif HOW == "two_lines":
        print("{}\n{}", flush=True)
    elif HOW == "die":
        os.abort()
    elif HOW == "hang":
        time.sleep(60)
    elif HOW == "flood":
        os.write(1, b"x" * (1 << 20))
    elif HOW == "close":
        os.close(1)
        time.sleep(60)
    else:
        return False
    return True


def run(request):
    if misbehave():
        return
    reply = {"type": "unsupported", "message": "level"}
    if HOW == "strict" and not request.keys() <= KNOWN:
        reply = {"type": "error", "message": "a key"}
    elif request["level"] in ("header", "read"):
        reply = answer(request)
    elif HOW == "any_level":
        reply = {"type": "result"}
    reply["seq"] = 77 if HOW == "another_number" else request["seq"]
    say(reply)
    if HOW == "one_question":
        sys.exit(0)


for line in sys.stdin:
    try:
        request = json.loads(line)
    except ValueError:
        request = {"type": None}
    if request["type"] == "hello":
        say(hello())
    elif request["type"] == "run":
        run(request)
    elif HOW != "deaf":
        sys.exit(0)
