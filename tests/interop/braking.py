"""Somebody is sent more than may wait for him, by a client of another node, and does not read for a while: the sender is not read meanwhile, nobody
is closed, and all arrives in order. Wherever the two clients are, and where the recipient is at home."""
import asyncio
import collections
import socket
import time

from harness.client import Client
from harness.cluster import Cluster, surroundings
from harness.wire import PATIENCE

from resuming import SM, client_of, enable, word
from slow import metric

MESSAGES, BODY = 400, "x" * 50000  # 20 MB: more than waits for anybody, wherever it comes from
TAKEN_MAX = 10 << 20               # of them that her node's clients', and the sockets between, hold
BUFFER = 65536
CROWD_EACH = 34                    # messages of 10 kB


async def login(node, user, resource="r"):
    client = Client(user, node.endpoint, user, "localhost", "secret", resource, tls="none")
    await client.connect()
    client.wire.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    await client.send("<presence/>")
    await client.ping()
    return client


async def flood(a, to):
    """50 MB a second: what a node reads before any word of another can come is its links' matter."""
    for i in range(MESSAGES):
        if i % 20 == 19:
            await asyncio.sleep(0.02)
        await a.send(f"<message to='{to}' type='chat' id='m{i}'><body>{BODY}</body></message>")


async def braked(node, yes=True):
    deadline = time.monotonic() + 10 * PATIENCE
    while bool(await metric(node, "cluster_braked")) != yes:
        assert time.monotonic() < deadline, ("nobody is braked\n" if yes else "somebody is braked still\n") + node.log_tail()
        await asyncio.sleep(0.02)


async def taken(node):
    """What it has received when it takes nothing more."""
    last, now = -1, await metric(node, "received_bytes_total")
    while now != last:
        await asyncio.sleep(0.3)
        last, now = now, await metric(node, "received_bytes_total")
    return now


async def word_of_another(c, b):
    """Who says a word to somebody who is flooded does not wait."""
    await c.send(f"<message to='{b.jid}' type='chat' id='word'><body>a word</body></message>")
    await c.ping(timeout=2 * PATIENCE)


async def message(b):
    return (await b.await_stanza(lambda e: e.name == "message", "a message")).get("id")


async def cannot_be_resumed(node, b, ident):
    """It acknowledged nothing, and what it had not acknowledged passed the ceiling: its client got all, but must not lose its connection."""
    b.abort()
    again = client_of(node, b.user)
    await again.authenticate()
    await again.send(f"<resume xmlns='{SM}' previd='{ident}' h='0'/>")
    failed = await word(again, "resumed", "failed")
    assert failed.name == "failed" and failed.child("item-not-found") is not None, failed
    await again.close()


async def floods(cluster, tag, home, client, sender=0, acknowledges=False):
    """romeo, at home at the first node, floods juliet, who is at home at one node and whose client is at another."""
    nodes = cluster.nodes
    users = [f"{name}-{tag}" for name in ("romeo", "juliet", "nurse")]
    for user in users:
        await cluster.register(user, "localhost", "secret")
    anchors = [await login(nodes[0], users[0], "anchor"), await login(nodes[home], users[1], "anchor")]
    a, b, c = await login(nodes[sender], users[0]), await login(nodes[client], users[1]), await login(nodes[0], users[2])
    ident = await enable(b) if acknowledges else None
    before, told = await metric(nodes[sender], "received_bytes_total"), await metric(nodes[client], "cluster_brakes_told_total")
    b.wire.transport.pause_reading()
    await flood(a, b.jid)
    if nodes[client] is not nodes[0]:  # else its own worker holds him
        await braked(nodes[0])
    got = await taken(nodes[sender]) - before
    assert got < TAKEN_MAX, f"{tag}: {got} bytes were taken from the sender"
    await word_of_another(c, b)
    b.wire.transport.resume_reading()
    came = [await message(b) for _ in range(MESSAGES + 1)]
    assert "word" in came, "a word got lost"
    came.remove("word")
    assert came == [f"m{i}" for i in range(MESSAGES)], came
    assert await metric(nodes[client], "cluster_brakes_told_total") - told < MESSAGES / 2, "a record for every stanza"
    if acknowledges:
        await cannot_be_resumed(nodes[client], b, ident)
    else:
        await b.close()
    for each in (a, c, *anchors):
        await each.close()
    await braked(nodes[0], False)


async def across_nodes(_):
    with surroundings():
        cluster = Cluster(nodes=3)
        try:
            await cluster.start()
            await floods(cluster, "home", home=1, client=1)
            await floods(cluster, "third", home=1, client=2)
            await floods(cluster, "same", home=1, client=0)
            await floods(cluster, "edge", home=1, client=1, sender=2)
            await floods(cluster, "sm", home=1, client=1, acknowledges=True)
        finally:
            problems = await cluster.stop()
    assert not problems, problems


async def senders_of(node, tag, accounts=12, each=10):
    """So many clients."""
    users = [f"crowd{i}-{tag}" for i in range(accounts)]
    await asyncio.gather(*(node.register(user, "localhost", "secret") for user in users))
    return [await login(node, user, f"r{i}") for user in users for i in range(each)]


async def got_back(a):
    """The ids of what was refused to this client, which has no other errors."""
    await a.ping(timeout=20 * PATIENCE)
    errors, a.kept = [e for _, e in a.kept if e.name == "message"], []
    assert all(e.get("type") == "error" and e.child("error").child("resource-constraint") is not None for e in errors), list(map(str, errors))
    return [int(e.get("id")) for e in errors]


async def refused_to(a, came):
    """The ids of what was refused to this client, when all that it sent has come or was."""
    ids, deadline = [], time.monotonic() + 30 * PATIENCE
    while len(ids) + len(came[a.jid]) < CROWD_EACH:
        assert time.monotonic() < deadline, f"of {a.jid} came {came[a.jid]}, and was refused {ids}"
        await asyncio.sleep(0.02)
        ids += await got_back(a)
    return ids


async def read_all(b, came):
    """The ids of what comes from each sender, until the end."""
    while (e := await b.await_stanza(lambda e: e.name == "message", "a message", 30 * PATIENCE)).get("id") != "end":
        came[e.get("from")].append(int(e.get("id")))


async def crowd(cluster, tag, home, client, refuses=False):
    """120 clients of the first node write 40 MB to juliet, each as fast as he can, while she does not read. What does not come is refused."""
    await cluster.register(f"juliet-{tag}", "localhost", "secret")
    anchor = await login(cluster.nodes[home], f"juliet-{tag}", "anchor")
    senders, b = await senders_of(cluster.nodes[0], tag), await login(cluster.nodes[client], f"juliet-{tag}")
    text = "".join(f"<message to='{b.jid}' type='chat' id='{i}'><body>{'x' * 10000}</body></message>" for i in range(CROWD_EACH))
    b.wire.transport.pause_reading()
    before = await metric(cluster.nodes[0], "received_bytes_total")
    for a in senders:
        a.wire.transport.write(text.encode())
    got = await taken(cluster.nodes[0]) - before
    b.wire.transport.resume_reading()
    came = collections.defaultdict(list)
    reading = asyncio.create_task(read_all(b, came))
    back = {a.jid: await refused_to(a, came) for a in senders}
    await senders[0].send(f"<message to='{b.jid}' type='chat' id='end'/>")
    await reading
    assert bool(sum(map(len, back.values()))) == refuses, f"{got >> 10} KiB were taken, refused: {back}"
    for jid, ids in back.items():
        assert ids == sorted(ids) and came[jid] == sorted(set(range(CROWD_EACH)) - set(ids)), (jid, ids, came[jid])
    for each in (anchor, b, *senders):
        await each.close()


async def many_write_to_one(_):
    with surroundings():
        cluster = Cluster({"limits.connections_per_address": 0}, nodes=3)
        try:
            await cluster.start()
            await crowd(cluster, "here", home=0, client=0)
            await crowd(cluster, "there", home=1, client=2)
        finally:
            problems = await cluster.stop()
    assert not problems, problems


async def more_than_may_wait(_):
    """Senders hear what did not come, and she keeps her stream."""
    with surroundings():
        cluster = Cluster({"limits.connections_per_address": 0, "limits.late_bytes": 1 << 20}, nodes=2)
        try:
            await cluster.start()
            await crowd(cluster, "much", home=1, client=1, refuses=True)
        finally:
            problems = await cluster.stop()
    assert not problems, problems


CASES = {"a client is flooded from another node": across_nodes, "many clients write to one that does not read": many_write_to_one,
         "more is written than may wait": more_than_may_wait}
