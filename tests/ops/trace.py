"""trace: one account's stanzas, live."""
import asyncio
import json
import os
import signal

from harness.client import Client
from harness.cluster import Cluster, surroundings
from harness.starling import control_binary
from reload import ctl, login, until


class Trace:
    """starlingctl trace, and the lines that it has told."""

    async def start(self, node, *args):
        self.node = node
        before = node.log_text().count("trace begins")
        self.process = await asyncio.create_subprocess_exec(
            control_binary(), "--socket", node.socket, "--json", "trace", *args, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        self.lines, self.rest = [], ""
        self.task = asyncio.create_task(self.read())
        await until("the trace begins", lambda: node.log_text().count("trace begins") > before)
        return self

    async def read(self):
        while line := await self.process.stdout.readline():
            text = line.decode()
            if not text.endswith("\n"):
                break  # the signal ended it in the middle of a line
            if text.startswith('{"time"'):
                self.lines.append(json.loads(text))
            else:
                self.rest += text

    async def end(self):
        self.process.send_signal(signal.SIGTERM)  # a shell in the background has its children ignore SIGINT
        await asyncio.wait_for(self.process.wait(), 10)
        await self.task

    def stanzas(self, direction):
        return [x["stanza"] for x in self.lines if x["direction"] == direction]


async def two(node):
    await node.register("romeo", "localhost", "secret")
    await node.register("juliet", "localhost", "secret")
    clients = [await login(node, "romeo"), await login(node, "juliet")]
    for c in clients:
        await c.send("<presence><show>away</show><status>at sea</status></presence>")
        await c.ping()
    return clients


async def say(a, b, text, number):
    await a.send(f"<message to='{b.jid}' id='m{number}' type='chat'><body>{text}</body></message>")
    await b.await_stanza(lambda e: e.get("id") == f"m{number}", "the message")


async def follows(bench):
    node = await bench.start()
    romeo, juliet = await two(node)
    t = await Trace().start(node, "romeo@localhost")
    await romeo.send("<presence><show>dnd</show><status>a secret place</status></presence>")
    await say(romeo, juliet, "wherefore art thou", 1)
    await say(juliet, romeo, "deny thy father", 2)
    await until("both are shown", lambda: any("m2" in x for x in t.stanzas("out")) and any("m1" in x for x in t.stanzas("in")))
    shown = "".join(x["stanza"] for x in t.lines)
    assert "wherefore" not in shown and "deny" not in shown and "secret place" not in shown, shown
    assert "<body>(18 bytes)</body>" in shown and "<show>dnd</show>" in shown, shown
    assert all(x["jid"] == "romeo@localhost/r" for x in t.lines)
    await t.end()
    await say(juliet, romeo, "again", 3)
    await until("the end is in the audit log", lambda: "command=trace" in node.log_text())
    for c in (romeo, juliet):
        await c.close()


async def bodies_and_bounds(bench):
    node = await bench.start()
    romeo, juliet = await two(node)
    t = await Trace().start(node, "juliet@localhost/r", "--bodies", "--stanzas", "3")
    for n in range(5):
        await say(romeo, juliet, f"line {n}", n)
    await asyncio.wait_for(t.process.wait(), 10)
    await t.task
    assert [x.count("<body>line") for x in t.stanzas("out")] == [1, 1, 1], t.lines
    assert '"seen": 3' in t.rest, t.rest
    out = await ctl(node, "trace", "juliet@localhost", "--seconds", "1")
    assert "0 stanzas" in out
    assert "no account" in await ctl(node, "trace", "juliet@elsewhere.example", code=1)
    assert "no account" in await ctl(node, "trace", "localhost", code=1)
    await ctl(node, "trace", "juliet@localhost", "--stanzas", "0", code=2)
    for c in (romeo, juliet):
        await c.close()


async def slow_reader(bench):
    """An administrator who does not read: lines are lost, the clients notice nothing, the node's memory stays."""
    node = await bench.start()
    romeo, juliet = await two(node)
    t = await Trace().start(node, "romeo@localhost", "--bodies", "--stanzas", "100000")
    os.kill(t.process.pid, signal.SIGSTOP)
    before = node.rss_kib()
    text = "x" * 50000
    for n in range(400):
        await say(romeo, juliet, text, n)
    if "-address" not in os.environ.get("STARLING_BIN", ""):  # a sanitizer keeps freed memory back
        assert node.rss_kib() - before < 60000, "what nobody reads is kept"
    os.kill(t.process.pid, signal.SIGCONT)
    await t.end()
    for c in (romeo, juliet):
        await c.close()


async def node_stops(bench):
    """The node ends while a trace runs, and while more than it allows are asked for."""
    node = await bench.start()
    romeo, juliet = await two(node)
    traces = [await Trace().start(node, "romeo@localhost") for _ in range(8)]
    await until("all are there", lambda: node.log_text().count("trace begins") == 8)
    assert "under way already" in await ctl(node, "trace", "romeo@localhost", code=1)
    await say(romeo, juliet, "x", 1)
    assert await node.halt() == []
    for t in traces:
        await asyncio.wait_for(t.process.wait(), 10)
        await t.task


async def of_a_cluster(_):
    """An account is traced where it is at home; another node says where that is, at once or when the account gets a home."""
    with surroundings():
        cluster = Cluster()
        n1, n2 = cluster.nodes
        try:
            await cluster.start()
            for user in ("romeo", "juliet"):
                await cluster.register(user, "localhost", "secret")
            early = await Trace().start(n1, "juliet@localhost")
            romeo = await login(n1, "romeo")
            juliet = await login(n2, "juliet")
            await asyncio.wait_for(early.process.wait(), 20)
            await early.task
            assert early.process.returncode == 1 and "juliet@localhost is at home at the node n2 now: ask there" in early.rest, early.rest
            out = await ctl(n1, "trace", "juliet@localhost", code=1)
            assert "juliet@localhost is at home at the node n2: ask there" in out, out
            t = await Trace().start(n2, "juliet@localhost")
            await say(romeo, juliet, "who is there", 1)
            await until("the message is shown", lambda: any("m1" in x for x in t.stanzas("out")))
            away = await Client("away", n1.endpoint, "juliet", "localhost", "secret", "away").connect()
            await away.send("<presence><status>here, too</status></presence>")
            await until("so is what her other client sends", lambda: any("presence" in x and "status" in x for x in t.stanzas("in")))
            await t.end()
            for c in (romeo, juliet, away):
                await c.close()
        finally:
            problems = await cluster.stop()
    assert not problems, problems


CASES = {
    "follows an account": follows,
    "bodies and bounds": bodies_and_bounds,
    "nobody reads it": slow_reader,
    "the node stops": node_stops,
    "an account of a cluster": of_a_cluster,
}
