"""docker/compose.yml as an operator uses it: nodes behind a balancer; one dies, one comes, all are replaced, and people chat on."""
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

from harness import pages  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.server import free_ports  # noqa: E402
from harness.wire import PATIENCE  # noqa: E402

PROJECT = f"starling-fleet-{os.getpid()}"
C2S, DIRECT, PROMETHEUS = free_ports(3)
ENV = dict(os.environ, STARLING_C2S=str(C2S), STARLING_DIRECT=str(DIRECT), STARLING_PROMETHEUS=str(PROMETHEUS), COMPOSE_HTTP_TIMEOUT="300")
AT = {"address": "127.0.0.1", "starttls": C2S, "direct": DIRECT}
PAIRS = 6
HEARD_S = 30 * PATIENCE
# The balancer may give a client to a container that has just gone; it must not take that for longer than a moment.
KNOCK_S = 3 * PATIENCE


def run(*command, timeout=600):
    p = subprocess.run(command, capture_output=True, text=True, env=ENV, cwd=ROOT, timeout=timeout)
    assert p.returncode == 0, f"{' '.join(command)} ended with {p.returncode}:\n{p.stdout[-3000:]}{p.stderr[-3000:]}"
    return p.stdout


def compose(*args, **more):
    return run("docker-compose", "-p", PROJECT, "-f", "docker/compose.yml", *args, **more)


def nodes():
    return compose("ps", "-q", "node").split()


def until(what, condition, seconds=90):
    deadline = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)
    return value


def ctl(container, *args):
    return run("docker", "exec", container, "starlingctl", *args)


def rows(container):
    p = subprocess.run(["docker", "exec", container, "starlingctl", "--json", "list_cluster"], capture_output=True, text=True, env=ENV)
    return json.loads(p.stdout)["data"] if p.returncode == 0 else []


def up(count):
    """So many nodes, all of which know one another."""
    compose("up", "-d", "--scale", f"node={count}", "--no-recreate")
    until(f"{count} nodes form one service", lambda: len(nodes()) == count and
          all(sum(r["state"] == "up" for r in rows(n)) == count for n in nodes()))


class Talker:
    """Sends numbered messages to its partner, and notes what comes. Logs in again when its stream ends."""

    def __init__(self, name, partner):
        self.name, self.partner = name, partner
        self.client, self.sent, self.got, self.breaks, self.stop, self.there = None, 0, [], 0, False, False

    async def login(self):
        deadline = time.monotonic() + 60
        while True:
            try:
                self.client = Client(self.name, AT, self.name, "localhost", "secret", "r", log=lambda *_: None)
                await asyncio.wait_for(self.client.connect(), 15)
                await self.client.send("<presence/>")
                self.there = True
                return
            except Exception:
                if time.monotonic() > deadline:
                    raise
                self.client.abort()
                await asyncio.sleep(0.3)

    async def read(self):
        while not self.stop:
            try:
                kind, e = await self.client.next(timeout=0.5)
            except Exception:
                continue
            if kind == "stanza" and e.name == "message" and e.get("type") == "chat":
                story, _, number = e.get("id").partition("-")
                if story == str(Crowd.stories):  # not what was kept of an earlier one
                    self.got.append(int(number))
            elif kind in ("eof", "close", "problem") and not self.stop:
                self.breaks += 1
                self.there = False
                self.client.abort()
                await self.login()

    async def talk(self):
        while not self.stop:
            await asyncio.sleep(0.02)
            if not self.there:
                continue
            self.sent += 1
            try:
                await self.client.send(f"<message to='{self.partner}@localhost/r' type='chat' id='{Crowd.stories}-{self.sent}'>"
                                       f"<body>{self.sent}</body></message>")
            except Exception:
                pass


class Crowd:
    stories = 0

    def __init__(self):
        Crowd.stories += 1
        self.pairs = [(Talker(f"a{i}", f"b{i}"), Talker(f"b{i}", f"a{i}")) for i in range(PAIRS)]
        self.all = [t for p in self.pairs for t in p]

    async def begin(self):
        for t in self.all:
            await t.login()
        self.tasks = [asyncio.create_task(f()) for t in self.all for f in (t.read, t.talk)]

    async def all_there(self):
        deadline = time.monotonic() + HEARD_S
        while not all(t.there for t in self.all):
            assert time.monotonic() < deadline, [t.name for t in self.all if not t.there]
            await asyncio.sleep(0.1)

    def heard_all(self):
        """Everybody is there, and has the last that was said, or the last but one: see end()."""
        return all(reader.there and sender.sent - 1 <= (reader.got[-1] if reader.got else 0)
                   for one, two in self.pairs for sender, reader in ((one, two), (two, one)))

    async def end(self):
        """Those whose streams stayed must have everything, once and in order."""
        for task in self.tasks[1::2]:
            task.cancel()
        deadline = time.monotonic() + HEARD_S
        while not self.heard_all() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # what comes twice comes soon
        for t in self.all:
            t.stop = True
        await asyncio.gather(*self.tasks, return_exceptions=True)
        whole = 0
        for one, two in self.pairs:
            if one.breaks or two.breaks:
                continue
            whole += 1
            for sender, reader in ((one, two), (two, one)):
                wanted = list(range(1, sender.sent + 1))
                lacks, twice = sorted(set(wanted) - set(reader.got)), len(reader.got) - len(set(reader.got))
                # The last one may have been on its way as its sender was stopped.
                assert reader.got in (wanted, wanted[:-1]), \
                    f"{reader.name} got {len(reader.got)} of {sender.sent}: lacks {lacks[:10]}, has {twice} twice, in order: {reader.got == sorted(reader.got)}"
        for t in self.all:
            t.client.abort()
        return whole, [t.breaks for t in self.all]


async def features():
    reader, writer = await asyncio.open_connection("127.0.0.1", C2S)
    try:
        writer.write(b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
        await reader.readuntil(b"</stream:features>")
    finally:
        writer.close()


async def knock():
    """How long somebody new waits until a node serves him; one that ends just then sends him away, and he comes again."""
    since = time.monotonic()
    while True:
        try:
            await features()
            return time.monotonic() - since
        except (asyncio.IncompleteReadError, ConnectionError):
            await asyncio.sleep(0.1)


async def knock_while(task):
    """Twenty times a second; the longest wait."""
    knocks = []
    while not task.done():
        knocks.append(asyncio.create_task(knock()))
        await asyncio.sleep(0.05)
    await task
    return max(await asyncio.gather(*knocks))


async def in_thread(f, *args):
    return await asyncio.to_thread(f, *args)


def forms(_):
    """docs/cluster.md, as typed: three nodes; then accounts, and a chat across nodes."""
    page = os.path.join(ROOT, "docs/cluster.md")
    lines = [line for block in pages.blocks(page, "sh compose") for line in pages.commands(block)]
    for line in lines:
        def typed():
            return subprocess.run(line.replace("docker compose", f"docker-compose -p {PROJECT}").replace(" exec ", " exec -T "), shell=True,
                                  capture_output=True, text=True, env=ENV, cwd=ROOT, timeout=900)
        # Who types takes a moment after `up`: the nodes meet.
        until(line, lambda: typed().returncode == 0)
    up(3)
    for i in range(PAIRS):
        for side in "ab":
            assert "successfully registered" in ctl(nodes()[0], "register_identified", f"{side}{i}", "localhost", "secret")

    async def chats():
        crowd = Crowd()
        await crowd.begin()
        first = (await in_thread(nodes))[0]

        def spread():
            return [r["sessions"] for r in rows(first)]
        # A node tells the others how many sessions it has a moment after they begin.
        await in_thread(until, "all nodes have sessions", lambda: min(spread() or [0]) > 0)
        await asyncio.sleep(3)  # they talk for a while
        whole, breaks = await crowd.end()
        assert whole == PAIRS, (whole, breaks)
    asyncio.run(chats())


def one_dies(_):
    """SIGKILL: who was on it logs in again elsewhere; the others notice nothing."""
    async def story():
        crowd = Crowd()
        await crowd.begin()
        await asyncio.sleep(2)
        victim = (await in_thread(nodes))[-1]
        await in_thread(run, "docker", "update", "--restart=no", victim)
        await in_thread(run, "docker", "kill", victim)
        await asyncio.sleep(20)  # what is not noticed by then is not noticed
        whole, breaks = await crowd.end()
        assert 0 < whole < PAIRS or sum(breaks) == 0, (whole, breaks)
        assert all(b <= 1 for b in breaks), breaks
        await in_thread(run, "docker", "rm", "-f", "-v", victim)
    asyncio.run(story())
    up(2)


def come(_):
    """More nodes while people talk: nobody notices."""
    async def story():
        crowd = Crowd()
        await crowd.begin()
        await in_thread(up, 4)
        await asyncio.sleep(1)
        whole, breaks = await crowd.end()
        assert whole == PAIRS and not any(breaks), breaks
    asyncio.run(story())


def go(_):
    """Fewer, while people talk: who was there logs in again; nobody else notices, and who comes just then is served soon."""
    async def story():
        crowd = Crowd()
        await crowd.begin()
        await in_thread(until, "all nodes have sessions", lambda: min([r["sessions"] for r in rows(nodes()[0])] or [0]) > 0)
        longest = await knock_while(asyncio.create_task(in_thread(up, 3)))
        await crowd.all_there()
        await asyncio.sleep(1)  # and say something
        whole, breaks = await crowd.end()
        assert max(breaks) == 1 and whole > 0, breaks
        assert longest < KNOCK_S, f"somebody waited for {longest:.1f} s"
    asyncio.run(story())


def rolls(_):
    """Every node is replaced, one after the other."""
    async def story():
        crowd = Crowd()
        await crowd.begin()
        for c in await in_thread(nodes):
            await in_thread(run, "docker", "restart", c)
            await in_thread(until, "it is back", lambda c=c: sum(r["state"] == "up" for r in rows(c)) == 3)
        await crowd.all_there()
        await asyncio.sleep(1)  # and say something
        await crowd.end()
        assert all(0 < t.breaks <= 8 for t in crowd.all), [t.breaks for t in crowd.all]
        for one, two in crowd.pairs:
            assert one.got[-1] >= two.sent - 1 and two.got[-1] >= one.sent - 1, (one.name, one.sent, one.got[-3:], two.sent, two.got[-3:])
    asyncio.run(story())


def by_hand(_):
    """The configuration of docs/cluster.md is one."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        text = pages.blocks(os.path.join(ROOT, "docs/cluster.md"), "yaml cluster")[0]
        for name, content in (("starling.yml", text), ("cluster", "x" * 40), ("postgres", "secret")):
            with open(os.path.join(folder, name), "w") as f:
                f.write(content)
        run("docker", "run", "--rm", "-v", f"{folder}:/etc/starling:ro", "starling", "--check-config", "/etc/starling/starling.yml")


def watched(_):
    """Prometheus finds every node."""
    import urllib.request

    def targets():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PROMETHEUS}/api/v1/query?query=starling_ready", timeout=10) as r:
                return sum(s["value"][1] == "1" for s in json.load(r)["data"]["result"]) == len(nodes())
        except OSError:  # it does not listen yet
            return False
    until("Prometheus has them all", targets)


CASES = {
    "three nodes form one service": forms,
    "one node dies": one_dies,
    "nodes come": come,
    "nodes go": go,
    "all nodes are replaced": rolls,
    "Prometheus watches them": watched,
    "a configuration by hand": by_hand,
}


def main():
    passed = failed = 0
    run("docker/make-secrets")
    try:
        compose("build", "balancer", "redis", "postgres", "prometheus", timeout=900)
        for name, case in CASES.items():
            begin = time.monotonic()
            try:
                case(None)
                print(f"ok    compose: {name} ({time.monotonic() - begin:.1f} s)", flush=True)
                passed += 1
            except Exception as err:
                logs = re.sub(r"(?m)^.*level=debug.*\n", "", subprocess.run(
                    ["docker-compose", "-p", PROJECT, "-f", "docker/compose.yml", "logs", "--no-color", "--tail", "25"], capture_output=True, text=True,
                    env=ENV, cwd=ROOT).stdout)
                print(f"FAIL  compose: {name}", *traceback.format_exception(err), logs, sep="\n", flush=True)
                failed += 1
    finally:
        subprocess.run(["docker-compose", "-p", PROJECT, "-f", "docker/compose.yml", "down", "-v", "--timeout", "10"], capture_output=True, env=ENV, cwd=ROOT)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
