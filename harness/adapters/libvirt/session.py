"""libvirt itself, embedded in this process, for the life of one case."""

import json
import os
import shutil
import struct
import threading
import time

import libvirt
import libvirt_qemu

import machine
import nodes

# Short, because a socket's path may have 107 bytes.
ROOT = "/tmp/q"
# What libvirt found out about the emulator when the tree was made.
RECORDED = "/usr/lib/qconform/capabilities"
SAVED = f"{ROOT}/saved"
PATIENCE = 10
REFUSED = "refused on request"
FORMS = {"runtime": 0, "persistent": libvirt.VIR_DOMAIN_XML_INACTIVE}

ERRORS = {value: name.removeprefix("VIR_ERR_").lower().replace("_", "-")
          for name, value in vars(libvirt).items() if name.startswith("VIR_ERR_")}


class Refused(Exception):
    """libvirt says no."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind

    @classmethod
    def by(cls, error):
        """What libvirt itself said."""
        return cls(ERRORS.get(error.get_error_code(), "unknown"), error.get_error_message() or str(error))


class Unsupported(Exception):
    """Not something that libvirt can be asked for."""


def prepare(config):
    """Writes libvirt's configuration into a root folder of its own."""
    shutil.rmtree(ROOT, ignore_errors=True)
    os.makedirs(f"{ROOT}/etc")
    recall()
    number = lambda flag: int(bool(flag))
    lines = [
        'stdio_handler = "file"',
        "namespaces = []",
        "cgroup_controllers = []",
        "seccomp_sandbox = 0",
        "max_core = 0",
        f'security_driver = {json.dumps(["selinux"] if "selinux" in config["drivers"] else "none")}',
        f'user = "+{config["user"]}"',
        f'group = "+{config["group"]}"',
        f'remember_owner = {number(config["remember"])}',
        f'dynamic_ownership = {number(config["dynamic_ownership"])}',
    ]
    with open(f"{ROOT}/etc/qemu.conf", "w", encoding="ascii") as conf:
        conf.write("\n".join(lines) + "\n")
    tell_boot_time()
    tell_processors()


def recall():
    """Spares libvirt the second that it takes to ask the emulator what it can do."""
    if os.path.isdir(RECORDED):
        shutil.copytree(RECORDED, f"{ROOT}/cache/qemu/capabilities")


def record():
    """Writes down what libvirt finds out about the emulator."""
    os.makedirs(f"{ROOT}/etc")
    with open(f"{ROOT}/etc/qemu.conf", "w", encoding="ascii") as conf:
        conf.write('security_driver = "none"\nstdio_handler = "file"\n')
    libvirt.virEventRegisterDefaultImpl()
    threading.Thread(target=run_events, daemon=True).start()
    connection = libvirt.open(f"qemu:///embed?root={ROOT}")
    connection.getDomainCapabilities(machine.EMULATOR, "i686", "q35", "qemu")
    shutil.rmtree(RECORDED, ignore_errors=True)
    shutil.copytree(f"{ROOT}/cache/qemu/capabilities", RECORDED, copy_function=shutil.copyfile)


def tell_boot_time():
    """libvirt stamps its records with the time of boot. Unless utmp says it, it computes one that
    may differ by a second from one process to the next, and then forgets what it remembers."""
    with open("/proc/stat", encoding="ascii") as stat:
        boot = next(int(line.split()[1]) for line in stat if line.startswith("btime "))
    record = struct.pack("<hxxi32s4s32s256shhiii4i20s", 2, 0, b"~", b"~~", b"reboot", b"",
                         0, 0, 0, boot, 0, 0, 0, 0, 0, b"")
    with open("/run/utmp", "wb") as utmp:
        utmp.write(record)


def tell_processors():
    """libvirt starts no emulator without knowing which processors are online."""
    folder = "/sys/devices/system/cpu"
    os.makedirs(folder, exist_ok=True)
    for name in ("online", "present", "possible"):
        if not os.path.exists(f"{folder}/{name}"):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write("0\n")


def run_events():
    while True:
        libvirt.virEventRunDefaultImpl()


class Session:
    """One libvirt with what a case's steps have made of it."""

    def __init__(self, config):
        self.config = config
        self.names = 0
        self.current = None
        libvirt.registerErrorHandler(lambda *_: None, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=run_events, daemon=True).start()
        self.connection = libvirt.open(f"qemu:///embed?root={ROOT}")

    @classmethod
    def open(cls, config):
        try:
            return cls(config)
        except libvirt.libvirtError as error:
            raise Refused.by(error) from error

    def step(self, ask):
        act = getattr(self, ask["step"].replace("-", "_"), None)
        if act is None:
            raise Unsupported(f"libvirt has no way to do `{ask['step']}` by itself")
        try:
            return act(ask)
        except libvirt.libvirtError as error:
            raise Refused.by(error) from error

    # Starting and stopping.

    def start(self, ask):
        self.launch(self.made(ask, "first", self.config.get("categories")))
        self.current = ask["xml"]

    def fail_start(self, ask):
        self.fail(self.made(ask, "first", self.config["categories"]))

    def second_start(self, ask):
        self.launch(self.made(ask, "second", self.config["second_categories"]))

    def second_fail_start(self, ask):
        self.fail(self.made(ask, "second", self.config["second_categories"]))

    def stop(self, _ask):
        self.domain("first").destroy()

    def second_stop(self, _ask):
        self.domain("second").destroy()

    def save(self, _ask):
        self.domain("first").save(SAVED)

    def restore(self, _ask):
        self.connection.restore(SAVED)

    def made(self, ask, name, pair):
        # A name is used once: libvirt may still hold that of a domain whose emulator died.
        self.names += 1
        given = machine.parse_domain(ask["xml"])
        if given is None:
            # What is no domain is libvirt's to refuse.
            return ask["xml"]
        domain = machine.minimal(given, f"{name}{self.names}")
        if "selinux" in self.config["drivers"]:
            machine.pin_categories(domain, pair)
        return domain

    def launch(self, domain):
        xml = domain if isinstance(domain, str) else machine.text(domain)
        self.connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)

    def fail(self, domain):
        machine.set_environment(domain, "QCONFORM_EMULATOR", "refuse")
        self.expect_refusal(lambda: self.launch(domain))

    @staticmethod
    def expect_refusal(act):
        """Does what the emulator refuses; any other refusal is libvirt's own."""
        try:
            act()
        except libvirt.libvirtError as error:
            if REFUSED not in str(error):
                raise
            return
        raise Unsupported("the emulator was to refuse, and libvirt went on without it")

    def domain(self, name):
        found = [domain for domain in self.connection.listAllDomains() if domain.name().startswith(name)]
        if not found:
            raise Refused("no-domain", f"the {name} domain isn't running")
        return found[0]

    def nodes(self, ask):
        """The block nodes of the running domain."""
        return nodes.layers(machine.parse(ask["xml"]), self.tell({"execute": "x-nodes"}))

    # Its XML.

    def write(self, ask):
        """The domain's XML while it runs, or that of its next start. The latter is to be had of a
        domain that can't be started, too."""
        given = machine.parse_domain(ask["xml"])
        xml = ask["xml"] if given is None else machine.text(machine.shown(given, "first"))
        domain = self.connection.defineXML(xml)
        try:
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        except libvirt.libvirtError:
            if ask["form"] == "runtime":
                raise
        return {"xml": domain.XMLDesc(FORMS[ask["form"]])}

    # Disks that come and go.

    def attach(self, ask):
        self.domain("first").attachDeviceFlags(self.asked_disk(ask), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        self.current = ask["xml"]

    def fail_attach(self, ask):
        self.tell({"execute": "x-refuse", "arguments": {"command": "device_add"}})
        self.expect_refusal(lambda: self.attach(ask))

    def detach(self, ask):
        domain = self.domain("first")
        live = machine.disk(machine.parse(domain.XMLDesc()), ask["disk"])
        if live is None:
            raise Refused("no-disk", f"the domain has no disk {ask['disk']}")
        domain.detachDeviceFlags(machine.text(live), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        self.current = ask["xml"]

    def change_medium(self, ask):
        self.domain("first").updateDeviceFlags(self.asked_disk(ask), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        self.current = ask["xml"]

    @staticmethod
    def asked_disk(ask):
        return machine.text(machine.plain(machine.disk(machine.parse(ask["xml"]), ask["disk"])))

    # Snapshots and block jobs.

    def snapshot(self, ask):
        flags = (libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
                 | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
                 | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA)
        wanted = machine.snapshot(machine.parse(ask["xml"]), ask["disk"])
        self.domain("first").snapshotCreateXML(machine.text(wanted), flags)
        self.current = ask["xml"]

    def commit(self, ask):
        commit = ask["commit"]
        flags = 0 if commit.get("top") else libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE
        domain = self.domain("first")
        domain.blockCommit(ask["disk"], commit["base"], commit.get("top"), 0, flags)
        self.current = ask["xml"]
        if not commit.get("top"):
            self.wait(lambda: self.is_ready(domain, ask["disk"]), "the commit never became ready")

    def commit_end(self, ask):
        domain = self.domain("first")
        if ask["xml"] == self.current:
            domain.blockJobAbort(ask["disk"], 0)
        else:
            for job in self.tell({"execute": "query-jobs"}):
                self.tell({"execute": "x-finish", "arguments": {"job": job["id"]}})
        self.wait(lambda: not domain.blockJobInfo(ask["disk"]), "the commit never ended")
        self.current = ask["xml"]

    def pivot(self, ask):
        domain = self.domain("first")
        if not domain.blockJobInfo(ask["disk"]):
            raise Unsupported("libvirt has no way to put another image over a running disk's raw file")
        domain.blockJobAbort(ask["disk"], libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)
        self.current = ask["xml"]

    @staticmethod
    def is_ready(domain, name):
        mirror = machine.disk(machine.parse(domain.XMLDesc()), name).find("mirror")
        return mirror is not None and mirror.get("ready") == "yes"

    def tell(self, command):
        """Says something to the stand-in of the emulator."""
        reply = libvirt_qemu.qemuMonitorCommand(self.domain("first"), json.dumps(command), 0)
        return json.loads(reply).get("return")

    @staticmethod
    def wait(done, otherwise):
        until = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > until:
                raise Refused("no-end", otherwise)
            time.sleep(0.005)

    # After a crash.

    def restart(self, _ask):
        """libvirt looks for the domains of its predecessor in the background."""
        def is_back():
            try:
                return self.tell({"execute": "query-status"}) is not None
            except (Refused, libvirt.libvirtError):
                return False
        self.wait(is_back, "the domain was not found again")
