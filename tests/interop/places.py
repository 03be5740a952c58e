"""Places of services (node/core/service.h) on real nodes, with the toy of tests/toy: counters. Whatever comes, goes or dies: each counter has one node at
a time, and no number is missing or given twice."""
import asyncio
import collections
import contextlib
import itertools
import os
import signal
import subprocess
import time

from harness.client import Client
from harness.cluster import Cluster, Node, surroundings
from harness.proxy import Proxy
from harness.starling import ROOT, Starling, binary
from harness.wire import PATIENCE
from slow import metric

NAMES = [f"c{i}" for i in range(16)]
HOST = "toy.localhost"
AT_ONCE = 8
SILENCE = 16 * PATIENCE  # longer than what waits is kept waiting
Answer = collections.namedtuple("Answer", "number fence node")


class Refused(Exception):
    """An error's condition, and what it says."""

    def __init__(self, error):
        text = error.child("text")
        super().__init__(f"{error.elems()[0].name}: {text.text() if text else None}")
        self.condition = error.elems()[0].name


class ToyMixin:
    def program(self):
        path = os.path.join(os.path.dirname(binary()), "tests/toy/starling")
        assert os.path.exists(path), f"{path} is not there: make toy"
        return path


class ToyAlone(ToyMixin, Starling):
    pass


class ToyNode(ToyMixin, Node):
    pass


class Toys(Cluster):
    node = ToyNode

    async def join(self):
        """One more node, which serves."""
        node = ToyNode(self, f"n{len(self.nodes) + 1}", {})
        self.nodes.append(node)
        await node.start()
        await self.meet()
        return node


@contextlib.asynccontextmanager
async def toys(nodes):
    """A cluster with romeo, juliet and mercutio."""
    with surroundings():
        cluster = Toys(nodes=nodes)
        try:
            await cluster.start()
            for user in ("romeo", "juliet", "mercutio"):
                await cluster.register(user, "localhost", "secret")
            yield cluster
        finally:
            problems = await cluster.stop()
    assert not problems, problems


class Caller(Client):
    """A client that counts. What is not an answer to a question of its own is news."""

    def __init__(self, user, node, resource="r"):
        super().__init__(user, node.endpoint, user, "localhost", "secret", resource)
        self.questions, self.news, self.reader = {}, [], None

    async def begin(self):
        await self.connect()
        await self.send("<presence/>")
        self.reader = asyncio.create_task(self.read())
        return self

    async def read(self):
        while True:
            kind, e = await self.next(3600)
            if kind != "stanza":
                for question in self.questions.values():
                    if not question.done():
                        question.set_exception(ConnectionError(f"{self.name}: {kind} {e}"))
                return
            if e.get("id") in self.questions:
                self.answered(self.questions.pop(e.get("id")), e)
            elif e.get("id") == "news":
                self.news.append((e.get("from"), int(e.child("body").text().split()[0])))

    @staticmethod
    def answered(question, e):
        if question.done():
            return
        if e.get("type") == "error":
            question.set_exception(Refused(e.child("error")))
        else:
            question.set_result(e.child("body").text() if e.child("body") else "")

    async def ask(self, name, body, timeout=40 * PATIENCE):
        ident = f"q{next(self.ids)}"
        question = self.questions[ident] = asyncio.get_running_loop().create_future()
        await self.send(f"<message id='{ident}' to='{name}@{HOST}'><body>{body}</body></message>")
        return await asyncio.wait_for(question, timeout)

    async def count(self, name, timeout=40 * PATIENCE):
        number, fence, *node = (await self.ask(name, "one more", timeout)).split()
        return Answer(int(number), int(fence), "".join(node))

    async def end(self):
        self.reader.cancel()
        await asyncio.gather(self.reader, return_exceptions=True)
        self.abort()


class Crowd:
    """Callers that go on counting until they are told to stop; every answer is kept. Each asks for every name all the time, several times at once, and
    is counted in the order in which it asked. `errors`: those that may come; "silence" among them: there may be no answer, as a node took the
    question to its grave. Then no order is promised, and each asks for one name after the other, once."""

    def __init__(self, callers, errors=()):
        self.callers, self.answers, self.errors = callers, collections.defaultdict(list), collections.Counter()
        self.allowed, self.stopping, self.tasks = errors, False, []
        self.at_once, self.lanes = (1, 1) if errors else (AT_ONCE, len(NAMES))

    def __enter__(self):
        self.tasks = [asyncio.create_task(self.go_on(c, i * 5, NAMES[lane :: self.lanes])) for lane in range(self.lanes) for i, c in enumerate(self.callers)]
        return self

    def __exit__(self, *_):
        self.stopping = True

    async def go_on(self, caller, first, names):
        for i in itertools.count(first):
            if self.stopping:
                return
            name = names[i % len(names)]
            try:
                timeout = SILENCE if "silence" in self.allowed else 40 * PATIENCE
                answers = await asyncio.gather(*(caller.count(name, timeout) for _ in range(self.at_once)))
                assert answers == sorted(answers), f"{name} counts {caller.name} out of order: {answers}"
                self.answers[name] += answers
            except Refused as refused:
                assert refused.condition in self.allowed, f"{name}: {refused}"
                self.errors[refused.condition] += 1
            except asyncio.TimeoutError:
                assert "silence" in self.allowed, f"no answer of {name}"
                self.errors["silence"] += 1

    def answered(self):
        return sum(map(len, self.answers.values()))

    async def some_more(self, n=200):
        want = self.answered() + n
        deadline = time.monotonic() + 40 * PATIENCE
        while self.answered() < want or (self.lanes > 1 and len(self.answers) < len(NAMES)):
            for task in self.tasks:
                if task.done():
                    task.result()
            assert time.monotonic() < deadline, f"only {self.answered()} of {want}, for {len(self.answers)} names"
            await asyncio.sleep(0.02)

    async def finish(self):
        self.stopping = True
        await asyncio.gather(*self.tasks)

    def newest(self, name):
        """Not the one that came last: each asks several times at once, and keeps the answers when it has them all."""
        return max(self.answers[name])

    def serving(self):
        for task in self.tasks:
            if task.done() and not self.stopping:
                task.result()
        return {self.newest(name).node for name in self.answers}


def check(answers, gaps=False):
    """Each number once; the fences grow with them, and each is one node's. `gaps`: numbers may have been given that nobody heard."""
    for name, all_of_it in answers.items():
        by_number = sorted(all_of_it)
        numbers = [a.number for a in by_number]
        assert len(set(numbers)) == len(numbers), (name, "given twice", [a for a in by_number if numbers.count(a.number) > 1])
        assert gaps or numbers == list(range(numbers[0], numbers[0] + len(numbers))), (name, "missing", numbers)
        fences = [a.fence for a in by_number]
        assert fences == sorted(fences), (name, by_number)
        nodes = {}
        for a in by_number:
            assert nodes.setdefault(a.fence, a.node) == a.node, (name, a)


async def until(condition, what, seconds=40 * PATIENCE):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.05)


# ---- cases ----

async def alone(_):
    """A node that is none of several serves all by itself; what it gave itself as a fence grows over a restart."""
    node = ToyAlone()
    try:
        await node.start()
        await node.register("romeo", "localhost", "secret")
        romeo = await Caller("romeo", node).begin()
        first = [await romeo.count("c0") for _ in range(5)]
        assert [a.number for a in first] == [1, 2, 3, 4, 5] and len({a.fence for a in first}) == 1, first
        together = await asyncio.gather(*(romeo.count("c1") for _ in range(50)))
        assert [a.number for a in together] == list(range(1, 51)), together  # they wait, and are taken in their order
        await romeo.send(f"<message to='c0@{HOST}'><body>close</body></message>")
        again = await romeo.count("c0")
        assert again.number == 6 and again.fence > first[0].fence, again
        await romeo.end()
        assert not await node.halt()
        await node.start()
        romeo = await Caller("romeo", node).begin()
        after = await romeo.count("c0")
        assert after.number == 7 and after.fence > again.fence, after
        await romeo.end()
    finally:
        problems = await node.stop()
    assert not problems, problems


async def ends_busy(_):
    """A node that is told to end while a counter waits for the store, and many messages wait for the counter: none is lost half-way."""
    node = ToyAlone()
    try:
        await node.start()
        await node.register("romeo", "localhost", "secret")
        romeo = await Caller("romeo", node).begin()
        assert (await romeo.count("c0")).number == 1
        await romeo.send("".join(f"<message to='c0@{HOST}'><body>one more</body></message>" for _ in range(500)))
        problems = await node.halt()
        assert not problems, problems
        await romeo.end()
        await node.start()
        romeo = await Caller("romeo", node).begin()
        after = await romeo.count("c0")
        assert after.number > 1, after
        await romeo.end()
    finally:
        problems = await node.stop()
    assert not problems, problems


async def addresses(_):
    """The domain itself answers on any node; a place that takes no IQ says so; a domain that is nobody's is none."""
    node = ToyAlone()
    try:
        await node.start()
        await node.register("romeo", "localhost", "secret")
        romeo = Client("romeo", node.endpoint, "romeo", "localhost", "secret", "r")
        await romeo.connect()
        for to, answer, condition in ((HOST, "result", None), (f"c0@{HOST}", "error", "service-unavailable"),
                                      ("toy.anon.localhost", "error", "remote-server-not-found")):
            e = await romeo.request("get", "<query xmlns='urn:example:what'/>", to=to)
            assert e.get("type") == answer, (to, e)
            assert condition is None or e.child("error").elems()[0].name == condition, (to, e)
        await romeo.close()
    finally:
        problems = await node.stop()
    assert not problems, problems


async def one_counter(_):
    """Clients of two nodes see one counter for each name; the names are spread over the nodes."""
    async with toys(2) as cluster:
        callers = [await Caller(u, n).begin() for u, n in zip(("romeo", "juliet"), cluster.nodes)]
        with Crowd(callers) as crowd:
            await crowd.some_more(400)
        await crowd.finish()
        check(crowd.answers)
        assert crowd.serving() == {"n1", "n2"}, crowd.serving()
        assert all(len({a.fence for a in answers}) == 1 for answers in crowd.answers.values()), "a place has moved, but nobody came or went"
        for c in callers:
            await c.end()


async def moved(cluster, callers, crowd, change, without):
    """While they count, `change`: after it all is as before, but for who serves. Who subscribed goes along: that is in no store."""
    listener = callers[0]
    for name in NAMES:
        assert await listener.ask(name, "subscribe") == "subscribed"
    await crowd.some_more()
    await change()
    await until(lambda: without not in crowd.serving(), f"{without} serves on")
    await crowd.some_more(400)
    await crowd.finish()
    check(crowd.answers)
    heard = collections.defaultdict(list)
    for sender, number in listener.news:
        heard[sender.partition("@")[0]].append(number)
    for name, answers in crowd.answers.items():
        last = max(a.number for a in answers)
        await until(lambda n=name, l=last: (f"{n}@{HOST}", l) in listener.news, f"{name}: the subscriber hears nothing of {last}")
        numbers = [n for s, n in listener.news if s == f"{name}@{HOST}"]
        assert numbers == list(range(numbers[0], last + 1)), (name, numbers)


async def joining(_):
    """A node comes: what hashing puts there goes there, with its state."""
    async with toys(2) as cluster:
        callers = [await Caller(u, n).begin() for u, n in zip(("romeo", "juliet"), cluster.nodes)]
        with Crowd(callers) as crowd:
            await crowd.some_more()
            before = {name: crowd.newest(name).node for name in crowd.answers}
            await moved(cluster, callers, crowd, cluster.join, "nobody")
        assert "n3" in crowd.serving(), crowd.serving()
        stayed = [n for n in NAMES if crowd.newest(n).node == before[n]]
        assert all(len({a.fence for a in crowd.answers[n]}) == 1 for n in stayed), "a place that stays is not claimed anew"
        for c in callers:
            await c.end()


async def lacking(_):
    """A node without the service comes: what hashing puts there is kept where it is, and served on when that node has gone, with its state."""
    async with toys(2) as cluster:
        romeo = await Caller("romeo", cluster.nodes[0]).begin()
        before = {name: await romeo.count(name) for name in NAMES}
        for name in NAMES:
            assert await romeo.ask(name, "subscribe") == "subscribed"
        other = Node(cluster, "n3", {})
        cluster.nodes.append(other)
        await other.start()
        await cluster.meet()
        await until(lambda: any("does not have this service" in n.log_text() for n in cluster.nodes[:2]), "a state is declined")
        lost = set()
        for name in NAMES:
            try:
                assert (await romeo.count(name)).fence == before[name].fence
            except Refused as refused:
                assert refused.condition == "remote-server-not-found", refused
                lost.add(name)
        assert lost and len(lost) < len(NAMES), lost
        await leaves(other)
        assert not await other.stop()
        cluster.nodes.remove(other)
        for name in sorted(lost):
            after = await romeo.count(name)
            assert after == Answer(before[name].number + 1, before[name].fence, before[name].node), (before[name], after)
            await until(lambda n=name, a=after: (f"{n}@{HOST}", a.number) in romeo.news, f"{name}: its state is gone")
        await romeo.end()


async def slow_way(_):
    """What is under way to a node that drains is taken before what is sent to the next one, though that way is far shorter."""
    await asyncio.to_thread(subprocess.run, ["make", "-s", "B=build/gcc", "CC=gcc", "SAN=", "build/gcc/tests/cluster/proxy"], cwd=ROOT, check=True)
    async with toys(2) as cluster:
        leaver = ToyNode(cluster, "n3", {})
        cluster.nodes.append(leaver)
        with Proxy((leaver.address, leaver.mesh_port)) as proxy:
            leaver.overrides["cluster.advertise"] = "%s:%d" % proxy.address
            await leaver.start()
            await cluster.meet()
            romeo = await Caller("romeo", cluster.nodes[0]).begin()
            name, before = await served_by(romeo, "n3")
            proxy.latency(800, "up")  # less than what is waited for
            asked, draining = [asyncio.create_task(romeo.count(name))], asyncio.create_task(drains(leaver))
            deadline = time.monotonic() + 40 * PATIENCE
            while not any(a.done() and a.result().node != "n3" for a in asked):
                asked.append(asyncio.create_task(romeo.count(name)))
                await asyncio.sleep(0.01)
                assert time.monotonic() < deadline, f"{name} does not move"
            answers = await asyncio.gather(*asked)
            numbers = [a.number for a in answers]
            assert numbers == list(range(before.number + 1, before.number + 1 + len(numbers))), f"out of order: {answers}"
            await draining
            assert await metric(cluster.nodes[0], "places_hurried_total") == 0
            await romeo.end()
            assert not await leaver.stop()
            cluster.nodes.remove(leaver)


def leaving(how):
    async def case(_):
        async with toys(3) as cluster:
            callers = [await Caller(u, n).begin() for u, n in zip(("romeo", "juliet"), cluster.nodes)]
            with Crowd(callers) as crowd:
                await moved(cluster, callers, crowd, lambda: how(cluster.nodes[2]), "n3")
            for c in callers:
                await c.end()
            if not cluster.nodes[2].running():
                assert not await cluster.nodes[2].stop()
                cluster.nodes.pop()
    return case


async def drains(node):
    assert (await node.ctl("drain"))[0] == 0


async def leaves(node):
    assert (await node.ctl("leave"))[0] == 0
    await asyncio.wait_for(node.process.wait(), 30 * PATIENCE)


async def is_told_to_end(node):
    assert not await node.halt()


async def killed(_):
    """A node dies: the others go on from what the store has. Of what was under way nobody knows; nothing that was answered is given again."""
    async with toys(3) as cluster:
        callers = [await Caller(u, n).begin() for u, n in zip(("romeo", "juliet"), cluster.nodes)]
        with Crowd(callers, errors=("resource-constraint", "silence")) as crowd:
            await crowd.some_more(400)
            assert "n3" in crowd.serving()
            fences = {name: crowd.newest(name).fence for name in crowd.answers if crowd.newest(name).node == "n3"}
            await cluster.nodes[2].kill()
            await until(lambda: "n3" not in crowd.serving(), "its places are served again", 60 * PATIENCE)
            assert crowd.errors["silence"] <= 2, crowd.errors  # of each caller, what was under way
            await crowd.some_more(400)
        await crowd.finish()
        check(crowd.answers, gaps=True)
        assert all(crowd.newest(n).fence > f for n, f in fences.items())
        for c in callers:
            await c.end()
        cluster.nodes[2].process = None


class Tap:
    """Between one node and PostgreSQL; shut, nothing goes through, and what came waits."""

    def __init__(self, postgres):
        self.postgres, self.open, self.server, self.held = postgres, asyncio.Event(), None, 0
        self.open.set()

    async def listen(self):
        self.server = await asyncio.start_server(self.pair, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def pair(self, reader, writer):
        path = os.path.join(self.postgres.dir, ".s.PGSQL.5432")
        far_reader, far_writer = await asyncio.open_unix_connection(path)
        await asyncio.gather(self.pump(reader, far_writer, True), self.pump(far_reader, writer, False))

    async def pump(self, reader, writer, up):
        while data := await reader.read(65536):
            if up and not self.open.is_set():
                self.held += len(data)
            if up:
                await self.open.wait()
            writer.write(data)
        writer.close()


async def frozen(_):
    """Its write is on its way as it freezes; another one takes the place over; the write arrives: it is refused, as the store knows a later fence."""
    async with toys(2) as cluster:
        tap = Tap(Starling.postgres)
        victim = ToyNode(cluster, "n3", {"store.postgres.host": "127.0.0.1", "store.postgres.port": await tap.listen()})
        cluster.nodes.append(victim)
        await victim.start()
        await cluster.meet()
        romeo = await Caller("romeo", cluster.nodes[0]).begin()
        name, before = await served_by(romeo, "n3")
        tap.open.clear()
        lost = asyncio.create_task(romeo.count(name))
        await until(lambda: tap.held, "the write is on its way")
        victim.process.send_signal(signal.SIGSTOP)
        try:
            juliet = await Caller("juliet", cluster.nodes[1]).begin()
            after = await juliet.count(name, 60 * PATIENCE)
            assert after.number in (before.number + 1, before.number + 2) and after.fence > before.fence and after.node != "n3", (before, after)
            for _ in range(5):
                after = await juliet.count(name)
            tap.open.set()
        finally:
            victim.process.send_signal(signal.SIGCONT)
        await until(lambda: "took this node for dead" in victim.log_text(), "it learns that it was dead")
        await until(lambda: victim.log_text().count("joined the cluster") == 2, "it comes back")
        await cluster.meet()
        # Whoever serves it now begins from the store: what came late has not changed it.
        await juliet.send(f"<message to='{name}@{HOST}'><body>close</body></message>")
        last = await juliet.count(name)
        assert last.number in (after.number + 1, after.number + 2) and last.fence >= after.fence, (after, last)
        lost.cancel()
        await asyncio.gather(lost, return_exceptions=True)
        for c in (romeo, juliet):
            await c.end()
        tap.server.close()


async def served_by(caller, node):
    for name in NAMES:
        answer = await caller.count(name)
        if answer.node == node:
            return name, answer
    raise AssertionError(f"{node} serves nothing")


async def without_redis(_):
    """What is served is served on; nothing begins. When it is back, with all forgotten, nothing has changed hands."""
    async with toys(2) as cluster:
        callers = [await Caller(u, n).begin() for u, n in zip(("romeo", "juliet"), cluster.nodes)]
        with Crowd(callers) as crowd:
            await crowd.some_more(200)
            cluster.redis.stop()
            await until(lambda: all("Redis is away" in n.log_text() for n in cluster.nodes), "they see that Redis is away")
            began = time.monotonic()
            refused = asyncio.create_task(callers[0].count("fresh", 60 * PATIENCE))
            await asyncio.wait([refused], timeout=60 * PATIENCE)
            assert refused.exception().condition == "resource-constraint", refused
            assert time.monotonic() - began > 10, "it waits longer than a lease lasts"
            cluster.redis.start()
            await crowd.some_more(200)
            assert (await callers[0].count("fresh")).number == 1
        await crowd.finish()
        check(crowd.answers)
        assert all(len({a.fence for a in answers}) == 1 for answers in crowd.answers.values()), "a place has been claimed anew"
        for c in callers:
            await c.end()


CASES = {
    "places, a node alone": alone,
    "places, a node alone ends while they are busy": ends_busy,
    "places, addresses": addresses,
    "places, one counter for clients of two nodes": one_counter,
    "places, a node joins": joining,
    "places, a node drains": leaving(drains),
    "places, a node leaves": leaving(leaves),
    "places, a node is told to end": leaving(is_told_to_end),
    "places, a node lacks their service": lacking,
    "places, the way to a node that drains is slow": slow_way,
    "places, a node is killed": killed,
    "places, a frozen node's write comes late": frozen,
    "places, Redis is away": without_redis,
}
