"""What the adapters in Python share: the protocol, line by line."""

import json
import subprocess
import sys


class Rejected(Exception):
    """The implementation refuses the input cleanly."""


class Unsupported(Exception):
    """The implementation doesn't do what is asked."""


class Crashed(Exception):
    """The implementation died."""


def name(text):
    """A name as it travels; text has what isn't UTF-8 as surrogates."""
    data = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
    return data.hex()


def path(image):
    """The path of an image that is asked about."""
    return bytes.fromhex(image["path"]).decode(errors="surrogateescape")


def run(arguments, **options):
    """Runs a program that answers for the implementation; one that a signal ends has crashed."""
    done = subprocess.run(arguments, capture_output=True, check=False, stdin=subprocess.DEVNULL, **options)
    if done.returncode < 0:
        raise Crashed(f"signal {-done.returncode}")
    return done


def first_line(output):
    """The first line of a message."""
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[0] if lines else ""


def serve(hello, levels, refused=()):
    """Answers requests. `levels` has a function for each level, `refused` the exceptions that
    are clean refusals of the implementation; any other exception is a crash of it."""
    for line in sys.stdin:
        request = json.loads(line)
        if request["type"] == "bye":
            return
        if request["type"] == "hello":
            reply = {"type": "hello", "protocol": 1, "levels": sorted(levels), **hello}
        else:
            reply = {"seq": request["seq"], **answer(request, levels, tuple(refused))}
        print(json.dumps(reply), flush=True)


def answer(request, levels, refused):
    """The answer to one question."""
    level = levels.get(request["level"])
    if level is None:
        return {"type": "unsupported", "message": "level " + request["level"]}
    try:
        return {"type": "result", **(level(request) or {})}
    except Unsupported as error:
        return {"type": "unsupported", "message": str(error)}
    except Rejected as error:
        return {"type": "rejected", "class": "refused", "message": str(error)}
    except Crashed as error:
        return {"type": "crashed", "message": str(error)}
    except refused as error:
        return {"type": "rejected", "class": type(error).__name__, "message": str(error)}
    except Exception as error:  # whatever it is, the implementation doesn't document it
        return {"type": "crashed", "message": f"{type(error).__name__}: {error}"}
