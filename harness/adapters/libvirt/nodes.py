"""The layers of a domain's disks in the block nodes that libvirt asks the emulator for."""

import os

import machine


def layers(domain, nodes):
    """The answer to a question about block nodes."""
    named = {node["node-name"]: node for node in nodes}
    used = {name for node in nodes for name in (node.get("file"), node.get("backing"), node.get("data-file"))
            if isinstance(name, str)}
    # The top of a transient disk is an overlay, and its image lies below.
    tops = {storage(named, node): name for name, node in reversed(named.items()) if "filename" not in node}
    tops |= {storage(named, node): name for name, node in named.items() if name not in used}
    found = []
    for disk in machine.disks(domain):
        source = disk.find("source")
        path = source.get("file") or source.get("dev") if source is not None else None
        name = tops.get(path)
        while name:
            node = named[name]
            found.append(layer(named, node))
            name = node.get("backing")
    return {"layers": found}


def layer(named, node):
    data = named.get(node.get("data-file"))
    below = named.get(node.get("backing"))
    protocol = isinstance(node.get("filename"), str)
    return {
        "file": coded(storage(named, node)),
        "driver": "raw" if protocol else node["driver"],
        "read_only": bool(node.get("read-only")),
        "data_file": {"file": coded(storage(named, data)), "read_only": bool(data.get("read-only"))}
        if data else None,
        "backing": coded(storage(named, below)) if below else None,
    }


def storage(named, node):
    """The file at the bottom of a node."""
    while "filename" not in node and node.get("file") in named:
        node = named[node["file"]]
    return node.get("filename", "")


def coded(path):
    return os.fsencode(path).hex()
