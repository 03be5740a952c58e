"""What every server under test shares: free ports, a process with a captured log, readiness, memory, an end that is checked."""
import asyncio
import ctypes
import os
import random
import re
import shutil
import signal
import socket
import tempfile
import time

from . import wire

START_S = 20 * wire.PATIENCE
STOP_S = 20 * wire.PATIENCE
SANITIZER = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|detected memory leaks|\bBUG\b")


# What clients can ask for; "proxied" and "untrusted" take PROXY headers from loopback and from nobody here; "http"
# is the stats endpoint, "api" the admin API.
PORTS = ("starttls", "direct", "plain", "proxied", "untrusted", "http", "api")


class ServerProblem(Exception):
    """The server did not start, died, or did not end well."""


def port_range():
    """Ports of which the kernel gives none to outgoing connections: one of those may be taken between our look and the server's."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low, high = map(int, f.read().split())
    return range(10240, low) if low > 15000 else range(high + 1, 65536) if high < 60000 else range(10240, 65536)


claims = {}  # port -> the socket that says to other tests, by its name, that the port is ours


def claim(port, address):
    """True if no other test has the port, nor anybody else."""
    name, probe = socket.socket(socket.AF_UNIX), socket.socket()
    try:
        name.bind(f"\0starling-test-port-{port}")
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((address, port))
    except OSError:
        name.close()
        return False
    finally:
        probe.close()
    claims[port] = name
    return True


def free_ports(count, address="127.0.0.1"):
    """Ports that are free, and that no other test takes until they are given back, or this process ends."""
    ports, choice = [], port_range()
    for _ in range(10000):
        port = random.choice(choice)
        if len(ports) < count and port not in claims and claim(port, address):
            ports.append(port)
        if len(ports) == count:
            return ports
    raise ServerProblem("no free ports")


def give_back(ports):
    for port in ports:
        if port in claims:
            claims.pop(port).close()


def set_path(tree, dotted, value):
    """tree["a"]["b"] = value for "a.b". A backslash protects a dot: "hosts.example\\.net"."""
    *path, last = [p.replace("\\.", ".") for p in re.split(r"(?<!\\)\.", dotted)]
    for p in path:
        tree = tree.setdefault(p, {})
    tree[last] = value


def to_yaml(value, indent=0):
    """Block YAML of dicts, lists and scalars; strings are always quoted."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(f"{pad}{k}:{nested(v, indent)}" for k, v in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{pad}-{nested(v, indent)}" for v in value)
    raise ValueError(value)


def nested(v, indent):
    if isinstance(v, (dict, list)) and v:
        return "\n" + to_yaml(v, indent + 1)
    if isinstance(v, bool):
        return " true\n" if v else " false\n"
    if isinstance(v, (int, float)):
        return f" {v}\n"
    if isinstance(v, (dict, list)):
        return " {}\n" if isinstance(v, dict) else " []\n"
    return ' "%s"\n' % v.replace("\\", "\\\\").replace('"', '\\"')


def die_with_parent():
    """In the child: whatever ends the tests ends their servers (prctl PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Server:
    """Subclasses give prepare() and register(). endpoint says where clients go."""

    name = "server"
    address = "127.0.0.1"
    ca = None  # a file: clients verify the certificate with it

    def __init__(self, overrides=None, keep=False):
        self.overrides = overrides or {}
        self.keep = keep
        self.dir = tempfile.mkdtemp(prefix=f"{self.name}-test-")
        self.log_path = os.path.join(self.dir, "server.log")
        self.process = None
        self.pass_fds = ()  # descriptors that the process inherits
        self.endpoint = {"address": self.address, **dict(zip(PORTS, free_ports(len(PORTS))))}

    def endpoint_of(self, _number):
        """Where the client of that number goes."""
        return self.endpoint

    # ---- life ----
    def prepare(self):
        """Writes the configuration; gives the command line."""
        raise NotImplementedError

    async def register(self, user, host, password):
        raise NotImplementedError

    async def start(self):
        command = self.prepare()
        with open(self.log_path, "ab") as log:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *command, cwd=self.dir, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(),
                    preexec_fn=die_with_parent, pass_fds=self.pass_fds)
            except OSError as err:
                raise ServerProblem(f"{command[0]}: {err.strerror}") from None
        deadline = time.monotonic() + START_S
        while not await self.is_ready():
            if self.process.returncode is not None:
                raise ServerProblem(f"{command[0]} ended with {self.process.returncode} while starting\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerProblem(f"{command[0]} was not ready after {START_S:g} s\n{self.log_tail()}")
            await asyncio.sleep(0.02)
        return self

    async def is_ready(self):
        """All listeners accept."""
        for kind in ("starttls", "direct", "plain"):
            try:
                _, writer = await asyncio.open_connection(self.address, self.endpoint[kind])
                writer.close()
            except OSError:
                return False
        return True

    @staticmethod
    def environment():
        env = dict(os.environ)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        env.setdefault("TSAN_OPTIONS", "exitcode=98:halt_on_error=0")
        return env

    def running(self):
        return self.process is not None and self.process.returncode is None

    async def halt(self, sig=signal.SIGTERM):
        """Ends the process; the data stays. A list of what was wrong with its end."""
        problems = []
        if self.process:
            if self.running():
                self.process.send_signal(sig)
            try:
                code = await asyncio.wait_for(self.process.wait(), STOP_S)
            except asyncio.TimeoutError:
                self.process.kill()
                code = await self.process.wait()
                problems.append(f"{self.name} did not end within {STOP_S:g} s of SIGTERM")
            if code != 0:
                problems.append(f"{self.name} ended with {code}")
        return problems

    async def stop(self):
        """Ends the server for good; a list of what was wrong with its end, empty when all is well. Removes its directory then."""
        problems = await self.halt() + self.sanitizer_reports()
        give_back(self.endpoint[kind] for kind in PORTS)
        if problems:
            problems.append(self.log_tail())
        if not self.keep and not problems:
            shutil.rmtree(self.dir, ignore_errors=True)
        return problems

    async def kill(self):
        """As a crash does: no farewell, the data stays."""
        self.process.kill()
        await self.process.wait()

    # ---- looking at it ----
    def log_text(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log_tail(self, lines=40):
        return f"log {self.log_path}:\n" + "\n".join(self.log_text().splitlines()[-lines:])

    def sanitizer_reports(self):
        text = self.log_text().splitlines()
        return ["\n".join(text[i:i + 30]) for i, line in enumerate(text) if SANITIZER.search(line)][:3]

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))

    def open_files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))
