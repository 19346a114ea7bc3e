"""Answers for 7-Zip: what it lists of an image as an archive, and what it extracts."""

import subprocess

from qconform_adapter import Crashed, Rejected, Unsupported, first_line, path, run, serve

PROGRAM = "/usr/lib/7zip/7z"
# Exit codes that it documents: no error, a warning, a fatal error.
FINE, WARNING, FATAL = 0, 1, 2
# More of an image than this past what is asked for is not waited for.
PATIENCE = 256 << 20


def command(verb, request):
    declared = request["image"]["format"]
    if declared not in (None, "qcow2"):
        raise Unsupported(f"format {declared}")
    kind = [] if declared is None else ["-tqcow"]
    return [PROGRAM, *verb, *kind, "--", path(request["image"])]


def fail(code, output):
    """The exception for an exit code that is no success."""
    if code == FATAL:
        return Rejected(reason(output.decode(errors="replace")))
    return Crashed(f"signal {-code}" if code < 0 else f"exit code {code}")


def reason(output):
    """The first line under the heading of errors; without one, the last line."""
    errors = output.partition("ERRORS:")[2].strip() or output.strip().rpartition("\n")[2]
    return errors.splitlines()[0] if errors else "fatal error"


def first_archive(listing):
    """The properties of the outermost archive, and of its one file."""
    text = listing.decode(errors="replace").partition("\n--\n")[2]
    return dict(line.split(" = ", 1) for line in text.partition("\n--\n")[0].splitlines() if " = " in line)


def header(request):
    done = run(command(["l", "-slt"], request))
    if done.returncode not in (FINE, WARNING):
        raise fail(done.returncode, done.stderr + done.stdout)
    found = first_archive(done.stdout)
    if found.get("Type") != "QCOW":
        raise Unsupported(f"what it finds: {found.get('Type')}")
    version = int(found["Version"])
    facts = {"format": "qcow" if version == 1 else "qcow2", "version": version}
    if "Size" in found:
        facts["virtual_size"] = int(found["Size"])
    return {"header": facts}


def extract(arguments, offsets, length):
    """By offset the bytes that are extracted there, as far as there are any."""
    parts = {offset: bytearray() for offset in offsets}
    enough = max(offsets, default=0) + length + PATIENCE
    with subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        passed = 0
        while chunk := process.stdout.read(1 << 20):
            for offset, part in parts.items():
                # Both the same once the part is complete.
                begin, end = offset + len(part) - passed, offset + length - passed
                part += chunk[begin:end]
            passed += len(chunk)
            if passed > enough:
                process.kill()
                return parts
        errors = process.stderr.read()
        if process.wait() not in (FINE, WARNING):
            raise fail(process.returncode, errors)
    return parts


def read(request):
    parts = extract(command(["x", "-so"], request), request["offsets"], request["length"])
    return {"reads": [{"offset": it, "bytes": parts[it].hex()} for it in request["offsets"]]}


def version():
    return first_line(run([PROGRAM]).stdout).split()[1]


serve(
    {"name": "7zip", "version": version(), "refuses": ["backing", "encryption", "extended-l2", "raw", "zstd"]},
    {"header": header, "read": read},
)
