"""Two nodes under load while what they lean on fails: PostgreSQL restarted, Redis killed with all it knew or failed over by Sentinels, a node
frozen for a moment. Who is logged in chats on: nothing is lost, repeated or reordered."""
import asyncio
import contextlib
import os
import signal
import subprocess
import time

from harness import http
from harness.client import Client
from harness.cluster import Cluster, surroundings
from harness.redis import Redis, WatchedRedis
from harness.starling import ROOT, Starling
from harness.wire import PATIENCE

USERS = 20
FAIL_OVER_S = 20 * PATIENCE  # five, of which two until the Sentinels miss the master


def loaded(cluster, seconds, rate):
    """The load tool's chat between clients of the first two nodes; its figures."""
    first, last = cluster.nodes[:2]
    tool = os.path.join(ROOT, "build/gcc/tests/bench/load")
    done = subprocess.run([tool, "chat", "--port", str(first.endpoint["plain"]), "--pid", str(first.process.pid), "--other-port",
                           str(last.endpoint["plain"]), "--users", str(USERS), "--seconds", str(seconds), "--rate", str(rate)],
                          capture_output=True, text=True, timeout=120, check=False)
    got = {k: float(v) for k, _, v in (w.partition("=") for w in done.stdout.split("\n")[0].split()[1:])}
    wrong = {k: got.get(k) for k in ("lost", "repeated", "reordered", "errors", "strangers", "fallen") if got.get(k) != 0}
    assert done.returncode == 0 and got and not wrong, (wrong, done.stdout, done.stderr)


@contextlib.asynccontextmanager
async def two_nodes(redis=Redis, nodes=2, **options):
    """`options` with __ for a point."""
    with surroundings(redis):
        overrides = {name.replace("__", "."): value for name, value in options.items()}
        cluster = Cluster({"limits.connections_per_address": 0, **overrides}, nodes=nodes)
        try:
            yield await cluster.start()
        finally:
            problems = await cluster.stop()
    assert not problems, problems


async def under_load(fail, redis=Redis, seconds=8, nodes=2):
    """`fail` runs two seconds into it."""
    await asyncio.to_thread(subprocess.run, ["make", "-s", "B=build/gcc", "CC=gcc", "SAN=", "build/gcc/tests/bench/load"], cwd=ROOT, check=True)
    async with two_nodes(redis, nodes) as cluster:
        for i in range(0, USERS, 4):
            await asyncio.gather(*(cluster.register(f"load{n}", "localhost", "secret") for n in range(i, i + 4)))
        chat = asyncio.create_task(asyncio.to_thread(loaded, cluster, seconds, 400))
        await asyncio.sleep(2)
        assert not chat.done(), chat  # else nobody talks as it fails
        await asyncio.gather(chat, fail(cluster))
        await cluster.meet()


async def third_is_killed(_):
    """Who is on other nodes, at home there, hears nothing of it."""
    async def fail(cluster):
        third = cluster.nodes[2]
        third.process.kill()
        await third.process.wait()
        await one_is_dead(cluster.nodes[:2])
        await third.start()
    await under_load(fail, seconds=16, nodes=3)


async def third_thaws(_):
    """It is frozen until the others have buried it, and comes back as another."""
    async def fail(cluster):
        third = cluster.nodes[2]
        third.process.send_signal(signal.SIGSTOP)
        try:
            await one_is_dead(cluster.nodes[:2])
        finally:
            third.process.send_signal(signal.SIGCONT)
    await under_load(fail, seconds=16, nodes=3)


async def one_is_dead(others):
    await within(20 * PATIENCE, lambda: all("a node is dead" in n.log_text() for n in others), "a node is known to be dead")


async def postgres_restarts(_):
    async def fail(_cluster):
        await asyncio.to_thread(Starling.postgres.stop, signal.SIGKILL)
        await asyncio.to_thread(Starling.postgres.start)
    await under_load(fail)


async def redis_dies(_):
    async def fail(cluster):
        await asyncio.to_thread(cluster.redis.stop)
        await asyncio.to_thread(cluster.redis.start)
    await under_load(fail)


async def redis_forgets(_):
    async def fail(cluster):
        cluster.redis.cli("flushall")
    await under_load(fail)


async def node_freezes(_):
    """Shorter than anybody takes it for dead."""
    async def fail(cluster):
        cluster.nodes[1].process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(1)  # the fault itself
        finally:
            cluster.nodes[1].process.send_signal(signal.SIGCONT)
    await under_load(fail)


# ---- Redis under Sentinels ----

async def login(node, user):
    client = Client(user, node.endpoint, user, "localhost", "secret", "r")
    await client.connect()
    await client.send("<presence/>")
    await client.ping()
    return client


async def talk(one, other):
    for a, b in ((one, other), (other, one)):
        await a.send(f"<message to='{b.jid}' type='chat'><body>hello {b.name}</body></message>")
        await b.await_stanza(lambda e, b=b: e.child("body") is not None and e.child("body").text() == f"hello {b.name}", "a greeting")


async def within(seconds, condition, what):
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"in {seconds:g} s not: {what}"
        await asyncio.sleep(0.05)


def row(cluster, server, user):
    """What the registry keeps of an account: its home, a client of his."""
    return [server.cli("-n", str(cluster.number), "hget", f"s:{{{user}@localhost}}", field) for field in ("", "r")]


async def waits_for_redis(_):
    """A node that is started while there is no Redis serves nobody, says why, and joins when it is there; the others serve meanwhile."""
    async with two_nodes() as cluster:
        await cluster.register("romeo", "localhost", "secret")
        assert not await cluster.nodes[1].halt()
        await asyncio.to_thread(cluster.redis.stop)
        starting = asyncio.create_task(cluster.nodes[1].start())
        wanted = "joining: Redis does not answer"

        async def why():
            try:
                got = await http.get(cluster.nodes[1].endpoint["http"], "/readyz")
            except OSError:
                return None
            return got and (got.status, got.text().strip())
        deadline = time.monotonic() + 20 * PATIENCE
        while await why() != (503, wanted) or "this node waits for it, to join" not in cluster.nodes[1].log_text():
            assert time.monotonic() < deadline and not starting.done(), (await why(), cluster.nodes[1].log_tail())
            await asyncio.sleep(0.05)
        romeo = await login(cluster.nodes[0], "romeo")
        await asyncio.to_thread(cluster.redis.start)
        await starting
        await cluster.meet()
        await romeo.close()


async def promoted(cluster):
    """The Sentinels have made the replica the master, and all nodes have followed."""
    where = f"127.0.0.1:{cluster.redis.replica.port}"

    def followed(node):
        return any("Redis is there" in line and where in line for line in node.log_text().split("\n"))
    await within(FAIL_OVER_S, lambda: all(followed(n) for n in cluster.nodes), f"the nodes use {where}\n{cluster.log_tail(10)}")


async def known(cluster, server, *users):
    await within(10 * PATIENCE, lambda: all(all(row(cluster, server, u)) for u in users), f"the registry knows all of {users}")


async def redis_fails_over(_):
    async def fail(cluster):
        one, two = cluster.nodes
        for user in ("before", "during", "after"):
            await cluster.register(user, "localhost", "secret")
        before = await login(one, "before")
        await known(cluster, cluster.redis.replica, "before")
        cluster.redis.master.stop()
        during = await login(two, "during")
        await talk(before, during)
        assert not any(row(cluster, cluster.redis.replica, "during")), "it was to log in before the fail-over"
        await promoted(cluster)
        after = await login(one, "after")
        await talk(during, after)
        await known(cluster, cluster.redis.replica, "before", "during", "after")
        for client in (before, during, after):
            await client.close()
    await under_load(fail, WatchedRedis, 14)


async def redis_fails_over_and_has_missed_some(_):
    """What only the master that died had been told, the nodes tell the new one."""
    async with two_nodes(WatchedRedis) as cluster:
        redis = cluster.redis
        for user in ("romeo", "juliet"):
            await cluster.register(user, "localhost", "secret")
        juliet = await login(cluster.nodes[1], "juliet")
        await known(cluster, redis.replica, "juliet")
        redis.replica.miss_all()
        romeo = await login(cluster.nodes[0], "romeo")
        await juliet.close()
        await known(cluster, redis.master, "romeo")
        await within(10 * PATIENCE, lambda: not any(row(cluster, redis.master, "juliet")), "the registry forgets who is gone")
        assert not any(row(cluster, redis.replica, "romeo")) and all(row(cluster, redis.replica, "juliet")), "the replica was to miss this"
        redis.master.stop()
        await promoted(cluster)
        await known(cluster, redis.replica, "romeo")
        juliet = await login(cluster.nodes[0], "juliet")  # the registry still believes her at home at the other node
        await talk(romeo, juliet)
        await known(cluster, redis.replica, "romeo", "juliet")
        for client in (romeo, juliet):
            await client.close()


# ---- @online@ ----

async def online_is_everywhere(_):
    """Whoever is online at any node is in a shared group of those who are, until he goes, or his node does; a node that comes learns of all."""
    async with two_nodes() as cluster:
        one, two = cluster.nodes
        for user in ("romeo", "juliet"):
            await cluster.register(user, "localhost", "secret")
        for command in (("srg_create", "here", "localhost", "Here", ""), ("srg_user_add", "@online@", "localhost", "here", "localhost")):
            code, out, err = await one.ctl(*command)
            assert code == 0, (command, out, err)
        romeo = await login(one, "romeo")
        await roster(romeo)

        async def hears(subscription):
            def is_it(e):
                query = e.child("query") if e.name == "iq" and e.get("type") == "set" else None
                item = query is not None and query.child("item")
                return item and item.get("jid") == "juliet@localhost" and item.get("subscription") == subscription
            await romeo.await_stanza(is_it, f"juliet is '{subscription}' in the roster", 20 * PATIENCE)

        juliet = await login(two, "juliet")
        await hears("both")
        await has_romeo(juliet)
        await talk(romeo, juliet)
        await juliet.close()
        await hears("remove")
        juliet = await login(two, "juliet")
        await hears("both")
        assert not await two.halt()
        await hears("remove")
        await two.start()
        await cluster.meet()
        juliet = await login(two, "juliet")
        await hears("both")
        await has_romeo(juliet)
        for client in (romeo, juliet):
            await client.close()


async def administrators_at_once(_):
    """Both change the same group, each at his node: what one was told is done the other does not undo."""
    async with two_nodes() as cluster:
        users = [f"u{i}" for i in range(16)]
        for user in users:
            await cluster.register(user, "localhost", "secret")
        assert (await cluster.nodes[0].ctl("srg_create", "all", "localhost", "All", ""))[0] == 0

        async def add(node, some):
            for user in some:
                code, out, err = await node.ctl("srg_user_add", user, "localhost", "all", "localhost")
                assert code == 0, (user, out, err)
        await asyncio.gather(*(add(node, users[i::2]) for i, node in enumerate(cluster.nodes)))
        for node in cluster.nodes:
            code, out, _err = await node.ctl("srg_get_members", "all", "localhost")
            assert code == 0 and sorted(out.split()) == sorted(f"{u}@localhost" for u in users), out


async def has_romeo(client):
    deadline = time.monotonic() + 20 * PATIENCE
    while "romeo@localhost" not in (got := await roster(client)):
        assert time.monotonic() < deadline, got
        await asyncio.sleep(0.05)


async def roster(client):
    """As text."""
    await client.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>")
    return str(await client.await_stanza(lambda e: e.get("id") == "roster", "the roster", 20 * PATIENCE))


CASES = {
    "two nodes under load, a third is killed": third_is_killed,
    "two nodes under load, a third is taken for dead and thaws": third_thaws,
    "two nodes under load, PostgreSQL restarts": postgres_restarts,
    "two nodes under load, Redis dies and comes back empty": redis_dies,
    "two nodes under load, Redis forgets all": redis_forgets,
    "two nodes under load, Redis fails over": redis_fails_over,
    "Redis fails over to a server that missed the last": redis_fails_over_and_has_missed_some,
    "a node waits for Redis and says so": waits_for_redis,
    "@online@ has those of all nodes": online_is_everywhere,
    "a group is changed at both nodes at once": administrators_at_once,
    "two nodes under load, one freezes for a second": node_freezes,
}
