"""Two nodes of which one is sent much and takes nothing for a while, as the way to it is stalled: what waits for it arrives, in order; of presence the
last, and requests are refused meanwhile."""
import asyncio
import re
import subprocess
import time

from harness import http
from harness.client import Client
from harness.cluster import Cluster, surroundings
from harness.proxy import Proxy
from harness.starling import ROOT
from harness.wire import PATIENCE

CROWD, BODY = 36, "x" * 250000  # more than a link's window of 8 MiB, but one for each: nobody waits for more to one account (node/core/leash.h)


async def login(node, user):
    await node.register(user, "localhost", "secret")
    client = Client(user, node.endpoint, user, "localhost", "secret", "r")
    await client.connect()
    await client.send("<presence/>")
    await client.ping()
    return client


async def metric(node, name):
    """The sum over its labels."""
    text = (await http.get(node.endpoint["http"], "/metrics")).text()
    found = re.findall(rf"^starling_{name}(?:\{{.*\}})? (\d+)$", text, re.MULTILINE)
    assert found, name
    return sum(map(int, found))


async def until(node, name, value):
    deadline = time.monotonic() + 30 * PATIENCE
    while await metric(node, name) != value:
        assert time.monotonic() < deadline, f"{name} does not become {value}\n" + node.log_tail()
        await asyncio.sleep(0.1)


async def befriend(a, b):
    """b sees the presence of a."""
    await b.send("<presence to='romeo@localhost' type='subscribe'/>")
    await a.await_stanza(lambda e: e.get("type") == "subscribe", "the request")
    await a.send("<presence to='juliet@localhost' type='subscribed'/>")
    await b.await_stanza(lambda e: e.get("from") == a.jid, "his presence")


async def change_presence(a, *numbers):
    for i in numbers:
        await a.send(f"<presence id='p{i}'/>")
    await a.await_stanza(lambda e: e.get("id") == f"p{numbers[-1]}", "his own presence")


async def ask_in_vain(a, b):
    await a.send(f"<iq to='{b.jid}' type='get' id='q'><ping xmlns='urn:xmpp:ping'/></iq>")
    got = await a.await_stanza(lambda e: e.get("id") == "q", "the refusal")
    error = got.child("error")
    assert got.get("from") == b.jid and error is not None, got
    assert error.get("type") == "wait" and error.child("resource-constraint") is not None, error


async def stalled(node, proxy, a, b, crowd):
    """a is at this node, b and the crowd at the other one, to which the way is the proxy."""
    await befriend(a, b)
    proxy.stall()
    for c in (b, *crowd):
        await a.send(f"<message to='{c.jid}' type='chat' id='m'><body>{BODY}</body></message>")
    await until(node, "cluster_link_slow", 1)
    await change_presence(a, *range(20))
    await ask_in_vain(a, b)
    assert await metric(node, "cluster_presences_coalesced_total") == 19
    assert await metric(node, "cluster_slow_refused_total") == 1
    await a.send(f"<message to='{b.jid}' type='chat' id='late'><body>late</body></message>")
    await change_presence(a, *range(20, 25))
    proxy.flow()
    for wanted in ("m", "p19", "late", "p24"):
        got = await b.await_stanza(lambda e: e.get("from") == a.jid, wanted)
        assert got.get("id") == wanted, (wanted, got.get("id"))
    for c in crowd:
        await c.await_stanza(lambda e: e.get("id") == "m", "what was sent to each")
    await until(node, "cluster_link_slow", 0)
    assert await metric(node, "cluster_presences_coalesced_total") == 19 + 4
    await a.send(f"<iq to='{b.jid}' type='get' id='again'><ping xmlns='urn:xmpp:ping'/></iq>")
    got = await a.await_stanza(lambda e: e.get("id") == "again", "an answer")
    assert got.child("error").child("service-unavailable") is not None, got  # from her home: he may not see her


async def node_takes_nothing(_):
    await asyncio.to_thread(subprocess.run, ["make", "-s", "B=build/gcc", "CC=gcc", "SAN=", "build/gcc/tests/cluster/proxy"], cwd=ROOT, check=True)
    with surroundings():
        cluster = Cluster(nodes=2)
        one, two = cluster.nodes
        with Proxy((two.address, two.mesh_port)) as proxy:
            two.overrides["cluster.advertise"] = "%s:%d" % proxy.address
            try:
                await cluster.start()
                a, b = await login(one, "romeo"), await login(two, "juliet")
                crowd = [await login(two, f"c{i}") for i in range(CROWD)]
                await stalled(one, proxy, a, b, crowd)
                for client in (a, b, *crowd):
                    await client.close()
            finally:
                proxy.flow()
                problems = await cluster.stop()
    assert not problems, problems


CASES = {"a node takes nothing for a while": node_takes_nothing}
