"""Several Starling nodes that form one service, each with a network namespace of its own, beside Redis in another and PostgreSQL.

    with Cluster() as cluster:
        a, b, c = await cluster.start(3)
        cluster.network.partition([a.member, "redis"], [b.member, c.member]); cluster.network.heal()
        b.freeze(); b.thaw(); await b.kill(); await b.start()
        cluster.redis.kill(); cluster.redis.start()

PostgreSQL listens on a Unix socket: no partition reaches it.
"""
import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

from . import http
from .netns import Network
from .postgres import Postgres
from .server import ServerProblem, die_with_parent
from .starling import Starling
from .wire import PATIENCE

READY_S = 30 * PATIENCE


class Redis:
    """redis-server without persistence: what it forgets when it is killed is forgotten."""

    member = "redis"

    def __init__(self, network):
        self.network = network
        self.address = network.add(self.member)
        self.dir = tempfile.mkdtemp(prefix="starling-redis-")
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [*self.network.inside(self.member), "redis-server", "--bind", "0.0.0.0", "--port", "6379", "--protected-mode", "no", "--save", "",
             "--appendonly", "no", "--dir", self.dir], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=die_with_parent)
        deadline = time.monotonic() + 20 * PATIENCE
        while self.ask("PING") != "PONG":
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise ServerProblem("redis-server does not start")
            time.sleep(0.02)

    def ask(self, *words):
        """A command's reply as redis-cli prints it; "" when there is none."""
        p = subprocess.run([*self.network.inside(self.member), "redis-cli", *map(str, words)], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
        return p.stdout.strip() if p.returncode == 0 else ""

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        if self.process and self.process.poll() is None:
            self.thaw()
            self.kill()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class ClusterNode(Starling):
    """A node in its namespace. Its clients connect from the test's."""

    def __init__(self, cluster, member, overrides=None, keep=False):
        super().__init__(overrides, keep)
        self.cluster, self.member = cluster, member
        self.address = cluster.network.add(member)
        self.endpoint["address"] = self.address
        self.frozen = False

    def base_config(self):
        e = self.endpoint
        return {
            "hosts": {"localhost": {}, "example.net": {}},
            "data_dir": os.path.join(self.dir, "data"),
            "workers": 2,
            "http": {"port": e["http"], "address": "0.0.0.0"},
            "store": self.cluster.postgres.options(self.cluster.database),
            "tls": dict(zip(("certificate", "key"), self.cluster.certificate)),
            "listen": [{"port": e[kind], "address": "0.0.0.0", "tls": tls}
                       for kind, tls in (("starttls", "starttls"), ("direct", "direct"), ("plain", "none"))],
            "cluster": {"enabled": True, "name": self.member, "listen": "0.0.0.0:7400", "secret": self.cluster.secret,
                        "redis": {"host": self.cluster.redis.address}},
        }

    def prepare(self):
        return [*self.cluster.network.inside(self.member), *super().prepare()]

    async def readiness(self):
        """What /readyz says: "ready", or why it is not; None when nobody answers."""
        try:
            async with http.Http(self.endpoint["http"], self.address) as h:
                reply = await h.request("GET", "/readyz", None, b"")
        except OSError:
            return None
        return reply and (("ready" if reply.status == 200 else reply.text().strip()) or str(reply.status))

    async def is_ready(self):
        try:
            _, writer = await asyncio.open_unix_connection(self.socket)
            writer.close()
        except OSError:
            return False
        return await self.readiness() == "ready"

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    async def stop(self):
        if self.frozen and self.running():
            self.thaw()
        return await super().stop()


class Cluster:
    """Use it with `async with`; its end stops all and raises what was wrong with that."""

    def __init__(self, network=None, keep=False):
        self.network, self.keep = network, keep
        self.nodes, self.redis, self.postgres, self.database = [], None, None, None
        self.secret = secrets.token_hex(32)
        self.certificate = None
        self.dir = tempfile.mkdtemp(prefix="starling-cluster-")

    async def __aenter__(self):
        self.own_network = self.network is None
        self.network = self.network or Network()
        try:
            self.redis = Redis(self.network)
            self.redis.start()
            self.postgres = Postgres()
            self.postgres.__enter__()
            self.database = self.postgres.create()
            self.certificate = self.make_certificate()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        return self

    def make_certificate(self):
        from .certs import make_authority, make_certificate
        make_authority(self.dir)
        return make_certificate(self.dir, "ec", ["localhost", "example.net"])

    async def __aexit__(self, kind, value, trace):
        problems = []
        for node in self.nodes:
            if node.process:
                problems += await node.stop()
        if self.redis:
            self.redis.close()
        if self.postgres:
            self.postgres.__exit__()
        if self.own_network:
            self.network.__exit__()
        shutil.rmtree(self.dir, ignore_errors=True)
        if problems and kind is None:
            raise ServerProblem("\n".join(problems))

    def node(self, overrides=None):
        """A further node, not started."""
        node = ClusterNode(self, f"n{len(self.nodes) + 1}", overrides, self.keep)
        self.nodes.append(node)
        return node

    async def start(self, count, overrides=None):
        """So many further nodes, all ready."""
        nodes = [self.node(overrides) for _ in range(count)]
        for one in asyncio.as_completed([n.start() for n in nodes]):
            await one
        return nodes

    async def register(self, user, host="localhost", password="secret"):
        await self.nodes[0].register(user, host, password)


async def wait_for(condition, seconds=READY_S, what=None):
    """Until an async condition holds; its value."""
    deadline = time.monotonic() + seconds
    while not (value := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s in vain{': ' + what if what else ''}")
        await asyncio.sleep(0.05)
    return value
