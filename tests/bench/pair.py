"""Two ejabberd nodes that form one service, as their guide has it: own spools, one cookie, `join_cluster`.

All of it is on 127.0.0.1: the nodes, the ports on which they speak to one another, and an epmd of their own, on a port that was free, so
that another one on this machine sees nothing of it. Whatever ends us ends them.
"""
import os
import secrets
import socket
import subprocess
import time

import servers

ADDRESS = "127.0.0.1"
PATIENCE_S = 60
ENDS_WITH_US = ["setpriv", "--pdeathsig=KILL"]


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise servers.Trouble(f"not within {PATIENCE_S} s: {what}")
        time.sleep(0.1)


def listens(port):
    try:
        socket.create_connection((ADDRESS, port), 1).close()
    except OSError:
        return False
    return True


class Node(servers.Ejabberd):
    """One of them."""

    def __init__(self, folder, build, number, epmd_port, cookie):
        self.name = f"ejabberd{number}"
        super().__init__(folder, build)
        self.node = f"{self.name}@{ADDRESS}"
        self.epmd_port = epmd_port
        with open(self.path(".erlang.cookie"), "w", encoding="ascii", opener=lambda path, flags: os.open(path, flags, 0o400)) as f:
            f.write(cookie)

    def environment(self):
        return dict(super().environment(), ERL_EPMD_PORT=str(self.epmd_port), ERL_EPMD_ADDRESS=ADDRESS)

    @staticmethod
    def called(name):
        return ["-name", name, "-start_epmd", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"]

    def command(self):
        erl, *rest = super().command()
        return [*ENDS_WITH_US, erl, *self.called(self.node), *rest]

    def ctl(self, *args):
        """What ejabberdctl does, which wants to be another user and to start an epmd."""
        command = [*ENDS_WITH_US, "erl", *self.called(f"ctl{os.getpid()}@{ADDRESS}"), "-hidden", "-noinput"]
        done = subprocess.run([*command, "-s", "ejabberd_ctl", "-extra", self.node, *args], env=self.environment(), cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout + done.stderr

    def members(self):
        code, out = self.ctl("list_cluster")
        return len(out.split()) if code == 0 else 0


class Pair:
    """configure(), start() and stop() it; `nodes` are its two."""

    def __init__(self, folder, build):
        self.epmd = None
        self.epmd_port = servers.free_port()
        cookie = secrets.token_hex(16)
        self.nodes = [Node(folder, build, number, self.epmd_port, cookie) for number in (1, 2)]

    def configure(self):
        for node in self.nodes:
            node.configure()

    def start(self):
        self.epmd = subprocess.Popen([*ENDS_WITH_US, "epmd", "-address", ADDRESS, "-port", str(self.epmd_port)], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: listens(self.epmd_port), "epmd listens")
        for node in self.nodes:
            node.start()
        first, second = self.nodes
        until(lambda: first.ctl("status")[0] == 0, "the first node is up")
        code, out = second.ctl("join_cluster", first.node)
        if code:
            raise servers.Trouble(f"join_cluster: {out}\n{second.last_words()}")
        for node in self.nodes:
            until(lambda node=node: node.members() == 2 and listens(node.port), f"{node.name} is one of two")

    def stop(self):
        for node in reversed(self.nodes):
            node.stop()
        if self.epmd:
            self.epmd.terminate()
            self.epmd.wait()
        self.epmd = None
