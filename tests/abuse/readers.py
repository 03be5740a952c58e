"""Clients that do not read what they are sent."""
import asyncio
import time

from harness.wire import PATIENCE
from peer import Peer, error_of
from watch import Watch

MESSAGE = b"<message to='%s@localhost/r' type='chat' id='m%d'><body>" + b"x" * 4000 + b"</body></message>"

SLOW_RATE = 64 << 10        # bytes a second
SLOW_MESSAGES = 250         # a megabyte: much more than may wait, by this configuration
SMALL = {"limits.unsent_bytes": 256 << 10}


async def read_once_cut(server, victim, user):
    """What it finds when it reads at last. The server waits five seconds for that, which a slow sender would let pass."""
    while not any("error=resource-constraint" in line and f"jid={user}@" in line for line in server.log_text().splitlines()):
        await asyncio.sleep(0.02)
    return await victim.read_all(timeout=30)


async def never_reads(server):
    """Another user's messages pile up for it: up to the ceiling, then its stream ends, and the sender is told that nobody is there."""
    deaf, sender = f"deaf-{server.tag}", f"sender-{server.tag}"
    await server.register(deaf, "localhost", "secret")
    await server.register(sender, "localhost", "secret")
    async with Watch(server) as watch:
        victim = await (await Peer().connect(server, receive_buffer=4096)).log_in(deaf)
        writer = await (await Peer().connect(server)).log_in(sender)
        reading = asyncio.create_task(read_once_cut(server, victim, deaf))
        for i in range(5000):
            assert await writer.send(MESSAGE % (deaf.encode(), i)), "the sender was cut off"
            if i % 100 == 99:
                await writer.send(b"<iq type='get' id='p%d' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>" % i)
                answer = await writer.read_until(b"id='p%d'" % i)
                if b"service-unavailable" in answer:
                    break
        else:
            raise AssertionError("20 MB went somewhere")
        assert error_of(await asyncio.wait_for(reading, 30)) == "resource-constraint", victim.seen[-500:]
        victim.close()
        writer.close()
        await watch.check(peak_mib=28)  # unsent, waiting for the store as for somebody who is away, and its cache
        return f"{i + 1} messages of 4 KB were taken; " + watch.note


async def asks_and_never_reads(server):
    """It asks and asks. The server stops reading from it, or ends its stream; it does not store answers without end."""
    user = f"asker-{server.tag}"
    await server.register(user, "localhost", "secret")
    request = b"<iq type='get' id='d' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" * 100
    async with Watch(server) as watch:
        asker = await (await Peer().connect(server, receive_buffer=4096)).log_in(user)
        sent, begin = 0, time.monotonic()
        while await asker.send(request, timeout=2):
            sent += len(request)
            assert time.monotonic() - begin < 20 * PATIENCE, f"{sent >> 20} MiB of requests were taken from a client that reads no answer"
        asker.close()
        await watch.check(peak_mib=16)
        return f"{sent >> 10} KiB of requests were taken; " + watch.note


async def many_never_read(server):
    """Fifty of them at once: the ceilings add up to a bound."""
    user = f"crowd-{server.tag}"
    await server.register(user, "localhost", "secret")
    request = b"<iq type='get' id='d' to='localhost'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>" * 100

    async def one(i):
        asker = await (await Peer().connect(server, receive_buffer=4096)).log_in(user, f"r{i}")
        for _ in range(500):
            if not await asker.send(request, timeout=2):
                break
        return asker
    async with Watch(server) as watch:
        askers = await asyncio.gather(*(one(i) for i in range(50)))
        for a in askers:
            a.close()
        await watch.check(peak_mib=96, left_mib=24)
        return watch.note


async def reads_late(server):
    """Who reads late, but before the ceiling, loses nothing."""
    late, sender = f"later-{server.tag}", f"sender2-{server.tag}"
    await server.register(late, "localhost", "secret")
    await server.register(sender, "localhost", "secret")
    async with Watch(server) as watch:
        victim = await (await Peer().connect(server, receive_buffer=4096)).log_in(late)
        writer = await (await Peer().connect(server)).log_in(sender)
        for i in range(100):
            await writer.send(MESSAGE % (late.encode(), i))
        await writer.send(b"<message type='chat' id='end' to='%s@localhost/r'><body>that is all</body></message>" % late.encode())
        await asyncio.sleep(0.5)
        got = await victim.read_until(b"that is all", timeout=20)
        order = [int(part.split(b"'", 1)[0]) for part in got.split(b"id='m")[1:]]
        assert order == list(range(100)), order
        victim.close()
        writer.close()
        await watch.check(peak_mib=8)
        return watch.note


async def reads_slowly(server):
    """64 KiB/s over a slow link, while one sender sends as fast as it can: the sender is slowed down, all arrives, in order, and nobody is closed.
    Somebody else's word to the same client, and the sender's friends, do not wait for the slow one."""
    slow, sender, friend = f"slow-{server.tag}", f"sender3-{server.tag}", f"friend-{server.tag}"
    for user in (slow, sender, friend):
        await server.register(user, "localhost", "secret")
    async with Watch(server) as watch:
        victim = await (await Peer().connect(server, receive_buffer=4096)).log_in(slow)
        writer = await (await Peer().connect(server)).log_in(sender)
        other = await (await Peer().connect(server)).log_in(friend)
        flood = asyncio.create_task(flood_of(writer, slow.encode(), SLOW_MESSAGES))
        got, begin, word_s = b"", time.monotonic(), None
        while b"id='end'" not in got[-200:]:
            got += await victim.read(timeout=30 * PATIENCE, at_most=16384)
            assert not victim.ended, f"the slow reader was closed: {got[-300:]!r}"
            if word_s is None and len(got) > 100_000:
                sent = time.monotonic()
                await other.send(b"<message to='%s@localhost/r' type='chat' id='word'><body>a word</body></message>"
                                 b"<iq type='get' id='p' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>" % slow.encode())
                await other.read_until(b"id='p'", timeout=2 * PATIENCE)
                word_s = time.monotonic() - sent
            await asyncio.sleep(max(0, len(got) / SLOW_RATE - (time.monotonic() - begin)))
        took = time.monotonic() - begin
        await flood
        order = [int(part.split(b"'", 1)[0]) for part in got.split(b"id='m")[1:]]
        assert order == list(range(SLOW_MESSAGES)), f"{len(order)} messages came"
        assert b"id='word'" in got, "a word got lost"
        assert took > 0.9 * len(got) / SLOW_RATE, "it was not slow"
        assert b"error" not in writer.seen, writer.seen[:500]
        await writer.send(b"<iq type='get' id='q' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        await writer.read_until(b"id='q'")
        for peer in (victim, writer, other):
            peer.close()
        await watch.check(peak_mib=8)
        return f"{len(got) >> 10} KiB in {took:.1f} s, a word of somebody else took {word_s * 1000:.0f} ms; " + watch.note


async def flood_of(writer, to, count):
    for i in range(count):
        assert await writer.send(MESSAGE % (to, i), timeout=60 * PATIENCE), "the sender was cut off"
    await writer.send(b"<message type='chat' id='end' to='%s@localhost/r'><body>that is all</body></message>" % to)


CASES = {
    "a client that never reads": (never_reads, {}),
    "a client that asks and never reads": (asks_and_never_reads, {}),
    "50 clients that never read": (many_never_read, {}),
    "a client that reads late": (reads_late, {}),
    "a slow link that is flooded": (reads_slowly, SMALL),
}
