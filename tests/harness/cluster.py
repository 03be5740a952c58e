"""Several Starling nodes that form one service: one Redis, one PostgreSQL database, one secret. It looks like one server to a test."""
import asyncio
import contextlib

from .postgres import Postgres
from .redis import Redis
from .server import free_ports, give_back
from .starling import Starling

SECRET = "the tests' own secret, of more than 32 bytes"


@contextlib.contextmanager
def surroundings(redis=Redis):
    """What nodes share, for a run or for a case of one."""
    before = Starling.postgres, Cluster.redis
    with Postgres() as Starling.postgres, redis() as Cluster.redis:
        try:
            yield
        finally:
            Starling.postgres, Cluster.redis = before


class Node(Starling):
    def __init__(self, cluster, name, overrides, keep=False):
        self.mesh_port = free_ports(1)[0]
        super().__init__(overrides, keep)
        self.cluster, self.name = cluster, name
        self.speaks = None  # versions of the mesh's protocol, "1-3"; None: those of this build
        self.database = cluster.database

    def base_config(self):
        config = super().base_config()
        config["cluster"] = {
            "enabled": True, "name": self.name, "secret": SECRET, "listen": f"{self.address}:{self.mesh_port}",
            "redis": self.cluster.redis.options(self.cluster.number),
        }
        return config

    def environment(self):
        env = super().environment()
        if self.speaks:
            env["STARLING_TEST_PROTOCOL"] = self.speaks
        return env

    async def stop(self):
        self.database, database = None, self.database  # it is the cluster's
        problems = await super().stop()
        self.database = database
        give_back([self.mesh_port])
        return problems


class Cluster:
    """Clients are spread over the nodes: endpoint_of(i). Commands go to the first."""

    redis = None
    node = Node
    numbers = 0
    ca = None

    def __init__(self, overrides=None, keep=False, nodes=2):
        Cluster.numbers += 1  # of Redis' databases: clusters of one run must not meet
        self.number = Cluster.numbers
        self.database = Starling.postgres.create()
        self.nodes = [self.node(self, f"n{i + 1}", dict(overrides or {}), keep) for i in range(nodes)]
        self.name = f"{nodes} nodes"

    @property
    def endpoint(self):
        return self.nodes[0].endpoint

    def endpoint_of(self, i):
        return self.nodes[i % len(self.nodes)].endpoint

    async def start(self):
        self.redis.cli("-n", str(self.number), "flushdb")
        await asyncio.gather(*(n.start() for n in self.nodes))
        await self.meet()
        return self

    async def meet(self):
        """Until every node sees every other as up."""
        deadline = asyncio.get_running_loop().time() + 30
        while True:
            code, out, _ = await self.nodes[0].ctl("--json", "list_cluster")
            if code == 0 and out.count('"to":') + out.count('"to": ') >= len(self.nodes) * (len(self.nodes) - 1) and "syncing" not in out:
                return
            if asyncio.get_running_loop().time() > deadline:
                from .server import ServerProblem
                raise ServerProblem("the nodes do not find one another\n" + out + self.log_tail())
            await asyncio.sleep(0.05)

    async def stop(self):
        problems = [p for some in await asyncio.gather(*(n.stop() for n in self.nodes)) for p in some]
        if not problems:
            Starling.postgres.drop(self.database)
        return problems

    async def ctl(self, *args):
        return await self.nodes[0].ctl(*args)

    async def register(self, user, host, password):
        await self.nodes[0].register(user, host, password)

    def running(self):
        return all(n.running() for n in self.nodes)

    def log_text(self):
        return "".join(n.log_text() for n in self.nodes)

    def log_tail(self, lines=40):
        return "\n".join(n.log_tail(lines) for n in self.nodes)
