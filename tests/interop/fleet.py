"""Two nodes under load while what they lean on fails: PostgreSQL restarted, Redis killed with all it knew, a node frozen for a moment. Who is logged
in chats on: nothing is lost, repeated or reordered."""
import asyncio
import os
import signal
import subprocess

from harness.cluster import Cluster, surroundings
from harness.starling import ROOT, Starling

USERS = 20


def loaded(cluster, seconds, rate):
    """The load tool's chat between clients of both nodes; its figures."""
    first, last = cluster.nodes
    tool = os.path.join(ROOT, "build/gcc/tests/bench/load")
    done = subprocess.run([tool, "chat", "--port", str(first.endpoint["plain"]), "--pid", str(first.process.pid), "--other-port",
                           str(last.endpoint["plain"]), "--users", str(USERS), "--seconds", str(seconds), "--rate", str(rate)],
                          capture_output=True, text=True, timeout=120, check=False)
    got = {k: float(v) for k, _, v in (w.partition("=") for w in done.stdout.split("\n")[0].split()[1:])}
    wrong = {k: got.get(k) for k in ("lost", "repeated", "reordered", "errors", "strangers", "fallen") if got.get(k) != 0}
    assert done.returncode == 0 and got and not wrong, (wrong, done.stdout, done.stderr)


async def under_load(fail):
    """`fail` runs two seconds into it."""
    await asyncio.to_thread(subprocess.run, ["make", "-s", "B=build/gcc", "CC=gcc", "SAN=", "build/gcc/tests/bench/load"], cwd=ROOT, check=True)
    with surroundings():
        cluster = Cluster({"limits.connections_per_address": 0}, nodes=2)
        try:
            await cluster.start()
            for i in range(0, USERS, 4):
                await asyncio.gather(*(cluster.register(f"load{n}", "localhost", "secret") for n in range(i, i + 4)))
            chat = asyncio.create_task(asyncio.to_thread(loaded, cluster, 8, 400))
            await asyncio.sleep(2)
            await asyncio.to_thread(fail, cluster)
            await chat
            await cluster.meet()
        finally:
            problems = await cluster.stop()
    assert not problems, problems


async def postgres_restarts(_):
    def fail(_cluster):
        Starling.postgres.stop(signal.SIGKILL)
        Starling.postgres.start()
    await under_load(fail)


async def redis_dies(_):
    def fail(cluster):
        cluster.redis.stop()
        cluster.redis.start()
    await under_load(fail)


async def redis_forgets(_):
    def fail(cluster):
        cluster.redis.cli("flushall")
    await under_load(fail)


async def node_freezes(_):
    """Shorter than anybody takes it for dead."""
    def fail(cluster):
        cluster.nodes[1].process.send_signal(signal.SIGSTOP)
        try:
            subprocess.run(["sleep", "1"], check=True)
        finally:
            cluster.nodes[1].process.send_signal(signal.SIGCONT)
    await under_load(fail)


CASES = {
    "two nodes under load, PostgreSQL restarts": postgres_restarts,
    "two nodes under load, Redis dies and comes back empty": redis_dies,
    "two nodes under load, Redis forgets all": redis_forgets,
    "two nodes under load, one freezes for a second": node_freezes,
}
