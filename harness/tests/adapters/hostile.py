"""A hostile adapter: answers well until the third question, then does what its argument says."""

import json
import os
import signal
import socket
import sys
import time


def fork_bomb():
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)


def flood():
    block = b"x" * (1 << 20)
    for _ in range(10 << 10):
        os.write(1, block)


def hang():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(3600)


def close_output():
    os.close(1)
    time.sleep(3600)


def die():
    os.abort()


def out_of_order():
    say({"type": "rejected", "seq": 1, "class": "c", "message": "late"})


def twice():
    say({"type": "rejected", "seq": 3, "class": "c", "message": "m"}, end="\n{}\n")


def garbage():
    print("no JSON", flush=True)


def write_outside():
    paths = ["/usr/bin/true", "/adapter/hostile/new"]
    # With one id only, what is private to the worker belongs to the adapter's user, too.
    if sys.argv[3] == "range":
        paths += ["/etc/passwd", "/fixture/new", "/root/x"]
    for path in paths:
        try:
            open(path, "w", encoding="ascii").close()
            say({"type": "error", "seq": 3, "message": f"{path} could be written"})
        except OSError:
            pass
    say({"type": "crashed", "seq": 3, "message": "nothing could be written"})


def reach_host():
    # The host's listener, whose port is the second argument, and one of its own.
    with socket.socket() as out:
        connected = out.connect_ex(("127.0.0.1", int(sys.argv[2]))) == 0
    kind = "error" if connected else "crashed"
    say({"type": kind, "seq": 3, "message": "the host's loopback can't be reached"})


def say(reply, end="\n"):
    print(json.dumps(reply), end=end, flush=True)


for line in sys.stdin:
    request = json.loads(line)
    if request["type"] == "hello":
        say({"type": "hello", "protocol": 1, "name": "hostile", "version": "1", "levels": ["header"]})
    elif request["type"] == "run" and request["seq"] == 3:
        globals()[sys.argv[1]]()
    elif request["type"] == "run":
        say({"type": "unsupported", "seq": request["seq"], "message": "not now"})
