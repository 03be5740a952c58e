"""A Redis server of the tests' own, on a loopback port, that writes nothing to disk."""
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

    def cli(self, *args):
        """What redis-cli prints; None when the server does not answer."""
        p = subprocess.run(["redis-cli", "-h", self.address, "-p", str(self.port), *args], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           timeout=30 * PATIENCE, check=False)
        return p.stdout.decode().strip() if p.returncode == 0 else None

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--bind", self.address, "--port", str(self.port), "--save", "", "--appendonly", "no", "--databases", "4096", "--dir", self.dir],
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
