"""Sessions that are resumed at other nodes: of a node that empties itself, of one that was killed; and clients whose account's home is killed."""
import asyncio
import re
import signal
import time

from harness import http
from harness.client import Client
from harness.wire import PATIENCE

from fleet import two_nodes, within

SM = "urn:xmpp:sm:3"


def client_of(node, user, resource="r"):
    return Client(user, node.endpoint, user, "localhost", "secret", resource)


async def login(node, user, resource="r", priority=0):
    client = client_of(node, user, resource)
    await client.connect()
    await client.send(f"<presence><priority>{priority}</priority></presence>")
    await client.ping()
    return client


async def word(client, *names):
    return await client.await_stanza(lambda e: e.ns == SM and e.name in names, f"<{names[0]}/>")


async def enable(client):
    await client.send(f"<enable xmlns='{SM}' resume='true'/>")
    return (await word(client, "enabled")).get("id")


async def resume(node, user, ident, h):
    """Resumed at that node, by a new connection; with the server's <resumed/>."""
    client = client_of(node, user)
    await client.authenticate()
    await client.send(f"<resume xmlns='{SM}' previd='{ident}' h='{h}'/>")
    answer = await word(client, "resumed", "failed")
    assert answer.name == "resumed", answer
    client.stage, client.jid = "bound", f"{user}@localhost/r"
    return client, answer


async def handled(client):
    await client.send(f"<r xmlns='{SM}'/>")
    return int((await word(client, "a")).get("h"))


async def says(a, to, body):
    await a.send(f"<message to='{to}' type='chat'><body>{body}</body></message>")


async def hears(b, body):
    return await b.await_stanza(lambda e: e.child("body") is not None and e.child("body").text() == body, f"a message that says {body}")


async def leaves(node, client):
    """It empties itself, and tells the client so."""
    code, out, err = await node.ctl("leave")
    assert code == 0, out + err
    await shut_down(client)


async def gets_a_signal(node, client):
    """The same, where it is configured so."""
    node.process.send_signal(signal.SIGTERM)
    await shut_down(client)


async def shut_down(client):
    """Its stream ends with that, and it cuts its connection."""
    await client.await_stanza(lambda e: e.name == "error" and e.child("system-shutdown") is not None, "the end of its stream")
    client.abort()


async def has_ended(node):
    await within(30 * PATIENCE, lambda: not node.running(), "the node has ended\n" + node.log_tail(10))


def its_clients_resume_elsewhere(goes, **options):
    """They lose nothing: their sessions go along before it ends."""
    async def case(_):
        await a_node_goes(goes, options)
    return case


async def a_node_goes(goes, options):
    async with two_nodes(**options) as cluster:
        one, two = cluster.nodes
        for user in ("romeo", "juliet"):
            await cluster.register(user, "localhost", "secret")
        romeo, juliet = await login(two, "romeo"), await login(one, "juliet")
        ident = await enable(juliet)
        await says(romeo, juliet.jid, "before")
        await hears(juliet, "before")
        await juliet.ping()
        await goes(one, juliet)
        await says(romeo, juliet.jid, "between")
        juliet, answer = await resume(two, "juliet", ident, 0)
        assert answer.get("h") == "1", answer
        await hears(juliet, "before")
        await hears(juliet, "between")
        await has_ended(one)
        await says(romeo, juliet.jid, "after")
        await hears(juliet, "after")
        assert await handled(juliet) == 1
        for client in (romeo, juliet):
            await client.close()
        assert not await one.halt()


async def a_second_signal(_):
    """Whoever is in a hurry ends a node that waits for its clients to come elsewhere."""
    async with two_nodes(cluster__leave_on_signal=True) as cluster:
        one = cluster.nodes[0]
        await cluster.register("juliet", "localhost", "secret")
        juliet = await login(one, "juliet")
        await enable(juliet)
        await gets_a_signal(one, juliet)
        begin = time.monotonic()
        assert one.running()
        assert not await one.halt()
        assert time.monotonic() - begin < 5 * PATIENCE, "it waited for juliet"


async def a_signal_and_a_restart(_):
    """Whoever ends a node that was to restart does not get it back."""
    async with two_nodes(cluster__leave_on_signal=True) as cluster:
        one = cluster.nodes[0]
        code, out, err = await one.ctl("restart_kindly", "60")
        assert code == 0, out + err
        one.process.send_signal(signal.SIGTERM)
        await has_ended(one)
        assert one.process.returncode == 0


async def two_clients_of_a_node_that_drains(_):
    """They come to another node one after the other: one logs in anew, as some do that were told of a shutdown, while the other's session waits
    for it still; then that resumes. Neither is kept waiting, and both go on with their account at one home."""
    async with two_nodes() as cluster:
        one, two = cluster.nodes
        for user in ("romeo", "juliet"):
            await cluster.register(user, "localhost", "secret")
        romeo, phone, desk = await login(two, "romeo"), await login(one, "juliet", "phone"), await login(one, "juliet", "r")
        await enable(phone)
        ident = await enable(desk)
        await says(romeo, phone.jid, "the phone has it")
        await hears(phone, "the phone has it")
        code, out, err = await one.ctl("leave")
        assert code == 0, out + err
        await word(phone, "r")  # it is asked before its stream ends: if it does not resume, it shall get nothing twice
        await phone.send(f"<a xmlns='{SM}' h='1'/>")
        await shut_down(phone)
        desk.abort()
        phone = await login(two, "juliet", "phone")
        await says(romeo, desk.jid, "for the desk")
        await says(phone, romeo.jid, "from the phone")
        await hears(romeo, "from the phone")
        desk, _ = await resume(two, "juliet", ident, 0)
        await hears(desk, "for the desk")
        await has_ended(one)
        for client in (phone, desk):
            await says(romeo, client.jid, "after")
            await hears(client, "after")
        await says(phone, desk.jid, "to one another")
        await hears(desk, "to one another")
        for client in (romeo, phone, desk):
            await client.close()
        assert not await one.halt()


async def the_clients_node_is_killed(_):
    """At once: nobody waits until the node counts as dead."""
    async with two_nodes() as cluster:
        one, two = cluster.nodes
        await cluster.register("juliet", "localhost", "secret")
        anchor = await login(one, "juliet", "anchor", -1)  # makes this node the account's home
        juliet = await login(two, "juliet")
        ident = await enable(juliet)
        await says(juliet, anchor.jid, "hello")
        await hears(anchor, "hello")
        await two.kill()
        juliet.abort()
        await says(anchor, juliet.jid, "while she was away")
        juliet, answer = await resume(one, "juliet", ident, 0)
        assert answer.get("h") == "1", answer
        await hears(juliet, "while she was away")
        for client in (anchor, juliet):
            await client.close()
        await two.start()  # to end in order


async def away_from_home(cluster):
    """Both are connected to the second node; juliet's account is at home at the first, because of another client of hers. One message has
    come to her, and one from her is under way."""
    one, two = cluster.nodes
    for user in ("romeo", "juliet"):
        await cluster.register(user, "localhost", "secret")
    anchor = await login(one, "juliet", "anchor", -1)
    juliet, romeo = await login(two, "juliet"), await login(two, "romeo")
    ident = await enable(juliet)
    await says(romeo, juliet.jid, "before")
    await hears(juliet, "before")
    await says(juliet, romeo.jid, "one")
    return one, two, anchor, juliet, romeo, ident


async def the_home_is_killed(_):
    """The client's connection lives, and notices nothing: the numbers go on."""
    async with two_nodes() as cluster:
        one, two, anchor, juliet, romeo, ident = await away_from_home(cluster)
        await hears(romeo, "one")
        await one.kill()
        anchor.abort()
        await says(juliet, romeo.jid, "two")
        await says(juliet, romeo.jid, "three")
        for body in ("two", "three"):
            await hears(romeo, body)
        assert await handled(juliet) == 3
        await juliet.send(f"<a xmlns='{SM}' h='1'/>")
        await says(romeo, juliet.jid, "after")
        await hears(juliet, "after")
        juliet.abort()
        juliet, answer = await resume(two, "juliet", ident, 1)
        assert answer.get("h") == "3", answer
        await hears(juliet, "after")
        for client in (romeo, juliet):
            await client.close()
        await one.start()


async def the_home_drains(_):
    """The session moves with its numbers and with what was not acknowledged."""
    async with two_nodes() as cluster:
        one, two, anchor, juliet, romeo, ident = await away_from_home(cluster)
        await leaves(one, anchor)
        await has_ended(one)
        await says(juliet, romeo.jid, "two")
        for body in ("one", "two"):
            await hears(romeo, body)
        assert await handled(juliet) == 2
        await says(romeo, juliet.jid, "after")
        await hears(juliet, "after")
        juliet.abort()
        juliet, answer = await resume(two, "juliet", ident, 0)
        assert answer.get("h") == "2", answer
        for body in ("before", "after"):
            await hears(juliet, body)
        for client in (romeo, juliet):
            await client.close()
        assert not await one.halt()


class Listener:
    """A client with stream management that keeps the numbers that it is sent."""

    def __init__(self, client):
        self.client, self.numbers, self.task = client, [], asyncio.create_task(self.listen())

    async def listen(self):
        while True:
            kind, e = await self.client.next(3600)
            assert kind == "stanza", (self.client.name, kind, e)
            if e.name == "message" and e.child("body") is not None:
                self.numbers.append(int(e.child("body").text()))

    async def has(self, n):
        deadline = time.monotonic() + 30 * PATIENCE
        while len(self.numbers) < n:
            assert not self.task.done() and time.monotonic() < deadline, (self.client.name, n, self.missing(n), self.task)
            await asyncio.sleep(0.05)

    def missing(self, n):
        return sorted(set(range(1, n + 1)) - set(self.numbers))

    async def end(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.client.abort()


async def echoes(node):
    """How often it has waited for what was under way to a home that has moved; how often not to the end."""
    text = (await http.get(node.endpoint["http"], "/metrics")).text()
    return tuple(int(re.search(rf"^starling_cluster_home_{what}_total (\d+)", text, re.M)[1]) for what in ("echoes", "hurried"))


async def the_homes_of_many_drain_under_way(_):
    """What somebody at a third node sends them all the while comes in its order, all of it, once: RFC 6120 section 10.1."""
    async with two_nodes(nodes=3) as cluster:
        one, two, three = cluster.nodes
        users = [f"juliet{i}" for i in range(8)]
        for user in ["romeo"] + users:
            await cluster.register(user, "localhost", "secret")
        anchors = [await login(one, user, "anchor", -1) for user in users]  # make it their home, which it stays
        juliets = [await login(two, user) for user in users]
        for juliet in juliets:
            await enable(juliet)
        listeners = [Listener(juliet) for juliet in juliets]
        for anchor in anchors:
            await anchor.close()
        romeo = await login(three, "romeo")
        enough, sent = asyncio.Event(), 0

        async def stream():
            nonlocal sent
            while not enough.is_set():
                sent += 1
                for user in users:
                    await says(romeo, f"{user}@localhost", sent)
                await asyncio.sleep(0.01)
        streaming = asyncio.create_task(stream())
        await listeners[-1].has(50)
        code, out, err = await one.ctl("leave")
        assert code == 0, out + err
        await within(30 * PATIENCE, lambda: not one.running(), "the node has ended\n" + one.log_tail(10))
        await listeners[-1].has(sent + 50)
        enough.set()
        await streaming
        for listener in listeners:
            await listener.has(sent)
        deadline = time.monotonic() + 10 * PATIENCE
        while (await echoes(three))[0] < 1:  # it is told twice a second
            assert time.monotonic() < deadline, "nobody has waited for anything"
            await asyncio.sleep(0.05)
        in_order = (await echoes(three))[1] == 0  # a machine so busy that an answer takes 2 s: no order is promised then
        for listener in listeners:
            numbers = listener.numbers if in_order else sorted(listener.numbers)
            assert numbers == list(range(1, sent + 1)), (listener.client.name, sent, in_order, listener.numbers)
        romeo.abort()
        for listener in listeners:
            await listener.end()
        assert not await one.halt()


CASES = {
    "a client goes on when its account's home drains": the_home_drains,
    "messages keep their order as their recipients' home drains": the_homes_of_many_drain_under_way,
    "a client resumes elsewhere when its node drains": its_clients_resume_elsewhere(leaves),
    "a client resumes elsewhere when its node gets a signal": its_clients_resume_elsewhere(gets_a_signal, cluster__leave_on_signal=True),
    "a second signal ends a node at once": a_second_signal,
    "a signal ends a node that was to restart": a_signal_and_a_restart,
    "two clients of a node that drains come elsewhere": two_clients_of_a_node_that_drains,
    "a client resumes elsewhere when its node is killed": the_clients_node_is_killed,
    "a client goes on when its account's home is killed": the_home_is_killed,
}
