"""Networks that a test makes and breaks: a namespace and an address per member, one bridge between all, as root. Needs iproute2 and iptables.

The calling process moves to a network namespace of its own first, in which the bridge is: nothing outside is touched or reached. Call
Network() before anything listens, from the thread that will start processes.
"""
import ctypes
import os
import re
import subprocess

from .server import ServerProblem

CLONE_NEWNET = 0x40000000
NAMES = "/run/netns"


def run(*command, check=True):
    p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if check and p.returncode:
        raise ServerProblem(f"{' '.join(command)} ended with {p.returncode}: {p.stdout.strip()}")
    return p.stdout


def clean_up():
    """Namespaces that tests which were killed have left behind."""
    for name in os.listdir(NAMES) if os.path.isdir(NAMES) else ():
        found = re.fullmatch(r"starling-(\d+)-.*", name)
        if found and not os.path.exists(f"/proc/{found[1]}"):
            run("ip", "netns", "delete", name, check=False)


class Network:
    """Use it with `with`. Members have addresses 10.111.0.1 and up; the process itself is 10.111.255.254 and reaches all of them always."""

    def __init__(self):
        if os.getuid() != 0:
            raise ServerProblem("network namespaces need root")
        clean_up()
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET) != 0:
            raise ServerProblem(f"unshare: {os.strerror(ctypes.get_errno())}")
        self.members = {}  # name -> address
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "mesh", "type", "bridge")
        run("ip", "address", "add", "10.111.255.254/16", "dev", "mesh")
        run("ip", "link", "set", "mesh", "up")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self.members:
            run("ip", "netns", "delete", self.namespace(name), check=False)

    def namespace(self, name):
        return f"starling-{os.getpid()}-{name}"

    def inside(self, name):
        """What is put before a command that is to run there; its process is the command's own."""
        return ["ip", "netns", "exec", self.namespace(name)]

    def run(self, name, *command, check=True):
        return run(*self.inside(name), *command, check=check)

    def add(self, name):
        """A member; its address."""
        n = len(self.members) + 1
        space, address = self.namespace(name), f"10.111.0.{n}"
        run("ip", "netns", "add", space)
        self.members[name] = address
        run("ip", "link", "add", f"m{n}", "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "link", "set", f"m{n}", "master", "mesh", "up")
        self.run(name, "ip", "address", "add", f"{address}/16", "dev", "eth0")
        self.run(name, "ip", "link", "set", "lo", "up")
        self.run(name, "ip", "link", "set", "eth0", "up")
        return address

    # ---- faults ----

    def cut_one_way(self, sender, receiver, how=("DROP",)):
        """What the one sends does not arrive at the other; packets vanish, connections stay."""
        self.run(receiver, "iptables", "-w", "-A", "INPUT", "-s", self.members[sender], "-j", *how)

    def cut(self, a, b, how=("DROP",)):
        self.cut_one_way(a, b, how)
        self.cut_one_way(b, a, how)

    def reset(self, a, b):
        """As a firewall does that says no: connections are reset, new ones refused."""
        for one, other in ((a, b), (b, a)):
            self.run(other, "iptables", "-w", "-A", "INPUT", "-p", "tcp", "-s", self.members[one], "-j", "REJECT", "--reject-with", "tcp-reset")

    def lose(self, a, b, probability):
        """A part of the packets between the two."""
        for one, other in ((a, b), (b, a)):
            self.run(other, "iptables", "-w", "-A", "INPUT", "-s", self.members[one], "-m", "statistic", "--mode", "random",
                     "--probability", str(probability), "-j", "DROP")

    def partition(self, *groups):
        """Members of different groups do not reach one another; whoever is in no group reaches all."""
        for i, group in enumerate(groups):
            for other in groups[i + 1:]:
                for a in group:
                    for b in other:
                        self.cut(a, b)

    def isolate(self, name, *but):
        self.partition([name], [m for m in self.members if m != name and m not in but])

    def heal(self, *names):
        for name in names or self.members:
            self.run(name, "iptables", "-w", "-F", "INPUT")
