"""Redis servers of the tests' own, on loopback ports, that write nothing to disk: one, or two under Sentinels."""
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

from .server import ServerProblem, die_with_parent, free_ports, give_back
from .wire import PATIENCE


class Redis:
    """Use it with `with`."""

    def __init__(self, address="127.0.0.1", port=0):
        self.address = address
        self.port = port or free_ports(1, address)[0]
        self.dir = tempfile.mkdtemp(prefix="starling-redis-")
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        self.log.close()
        give_back([self.port])
        shutil.rmtree(self.dir, ignore_errors=True)

    def options(self, database):
        """As a node is configured."""
        return {"host": self.address, "port": self.port, "database": database}

    def cli(self, *args):
        """What redis-cli prints; None when the server does not answer."""
        p = subprocess.run(["redis-cli", "-h", self.address, "-p", str(self.port), *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           timeout=30 * PATIENCE, check=False)
        return p.stdout.decode().strip() if p.returncode == 0 else None

    def command(self):
        return ["redis-server", "--bind", self.address, "--port", str(self.port), "--save", "", "--appendonly", "no", "--databases", "4096",
                "--dir", self.dir]

    def start(self):
        self.process = subprocess.Popen(
            self.command(),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 20 * PATIENCE
        while self.cli("ping") != "PONG":
            if time.monotonic() > deadline or self.process.poll() is not None:
                with open(self.log.name, errors="replace") as f:
                    raise ServerProblem("Redis does not start:\n" + f.read()[-3000:])
            time.sleep(0.02)

    def stop(self, sig=signal.SIGKILL):
        if self.process:
            self.process.send_signal(sig)
            self.process.wait()
            self.process = None

    def until(self, *args, says, seconds=30 * PATIENCE):
        """Until its answer to a command has these words."""
        deadline = time.monotonic() + seconds
        while says not in (answer := self.cli(*args) or ""):
            if time.monotonic() > deadline:
                raise ServerProblem(f"Redis does not say '{says}' but:\n{answer}")
            time.sleep(0.05)


class Replica(Redis):
    def __init__(self, master):
        super().__init__()
        self.master = master

    def command(self):
        return super().command() + ["--replicaof", self.master.address, str(self.master.port), "--repl-diskless-sync-delay", "0"]

    def miss_all(self):
        """What the master is told from now on: it logs in with a password that the master does not have."""
        self.cli("config", "set", "masterauth", "wrong")
        self.cli("client", "kill", "type", "master")
        self.until("info", "replication", says="master_link_status:down")


class Sentinel(Redis):
    def __init__(self, master, quorum):
        super().__init__()
        self.master, self.quorum = master, quorum

    def command(self):
        path = os.path.join(self.dir, "sentinel.conf")
        with open(path, "w") as f:  # on a busy machine a master that lives must not be taken for dead
            f.write(f"sentinel monitor chat {self.master.address} {self.master.port} {self.quorum}\n"
                    "sentinel down-after-milliseconds chat 2000\nsentinel failover-timeout chat 3000\n")
        return ["redis-server", path, "--sentinel", "--bind", self.address, "--port", str(self.port), "--dir", self.dir]


class WatchedRedis:
    """A master, its replica, and three Sentinels, to a cluster like one server; use it with `with`."""

    def __init__(self):
        self.master, self.stack = Redis(), contextlib.ExitStack()
        self.replica = Replica(self.master)
        self.sentinels = [Sentinel(self.master, 2) for _ in range(3)]

    def __enter__(self):
        try:
            for server in (self.master, self.replica):
                self.stack.enter_context(server)
            self.replica.until("info", "replication", says="master_link_status:up")
            for sentinel in self.sentinels:
                self.stack.enter_context(sentinel)
            for sentinel in self.sentinels:
                sentinel.until("info", "sentinel", says="slaves=1,sentinels=3")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stack.close()

    def options(self, database):
        return {"sentinels": [f"{s.address}:{s.port}" for s in self.sentinels], "master": "chat", "database": database}

    def cli(self, *args):
        return self.master.cli(*args)
