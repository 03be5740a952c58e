"""Stanzas that are too much: too long, too deep, too clever."""
from peer import HEADER, Peer, error_of
from watch import Watch

GIGABYTE = 1 << 30
CHUNK = b"x" * (1 << 18)


async def pour(peer, head):
    """Sends up to a gigabyte, whatever the server says, until it takes no more; gives what it took."""
    sent = 0
    await peer.send(head)
    while sent < GIGABYTE and await peer.send(CHUNK, timeout=3):
        sent += len(CHUNK)
    return sent


async def member(server):
    user = f"member-{server.tag}"
    await server.register(user, "localhost", "secret")
    return await (await Peer().connect(server)).log_in(user)


async def huge_before_login(server):
    async with Watch(server) as watch:
        peer = await Peer().connect(server)
        await peer.open()
        await pour(peer, b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>")
        assert error_of(await peer.read_all()) == "policy-violation", peer.seen
        peer.close()
        await watch.check(peak_mib=8)
        return watch.note


async def huge_header(server):
    async with Watch(server) as watch:
        peer = await Peer().connect(server)
        await pour(peer, b"<stream:stream to='")
        assert error_of(await peer.read_all()) == "policy-violation", peer.seen
        peer.close()
        await watch.check(peak_mib=8)
        return watch.note


async def huge_after_login(server):
    async with Watch(server) as watch:
        peer = await member(server)
        await pour(peer, b"<message to='localhost'><body>")
        assert error_of(await peer.read_all()) == "policy-violation", peer.seen
        peer.close()
        await watch.check(peak_mib=8)
        return watch.note


async def huge_white_space(server):
    """Keepalives are free, but a gigabyte of them must not be kept."""
    async with Watch(server) as watch:
        peer = await member(server)
        sent = 0
        while sent < (64 << 20) and await peer.send(b" " * (1 << 18), timeout=3):
            sent += 1 << 18
        peer.close()
        await watch.check(peak_mib=8)
        return watch.note


async def refused(server, data, condition, log_in=True):
    async with Watch(server) as watch:
        peer = await member(server) if log_in else await Peer().connect(server)
        await peer.send(data)
        seen = await peer.read_all()
        assert error_of(seen) == condition, seen[-500:]
        peer.close()
        await watch.check(peak_mib=8)
        return watch.note


def bomb():
    lines = [b"<!ENTITY lol0 'lol'>"] + [b"<!ENTITY lol%d '%s'>" % (i, b"&lol%d;" % (i - 1) * 10) for i in range(1, 10)]
    return b"<!DOCTYPE lolz [" + b"".join(lines) + b"]>"


async def new_names(server):
    """Ever new element and attribute names fill a parser's dictionary; it must not grow without end."""
    async with Watch(server) as watch:
        peer = await member(server)
        for i in range(2000):
            names = b"".join(b"<n%dx%d a%dx%d='1'/>" % (i, j, i, j) for j in range(50))
            stanza = b"<iq type='result' id='x' to='localhost'><q xmlns='urn:x'>" + names + b"</q></iq>"
            assert await peer.send(stanza), "the server hung up"
        await peer.send(b"<iq type='get' id='end' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        await peer.read_until(b"id='end'", timeout=60)
        peer.close()
        await watch.check(peak_mib=32)
        return watch.note


async def namespace_bomb(server):
    """Deep elements that each declare many prefixes cost work to resolve; the ceilings bound it."""
    body = b"".join(b"<a " + b" ".join(b"xmlns:p%dq%d='urn:%d:%d'" % (i, j, i, j) for j in range(60)) + b">" for i in range(60))
    async with Watch(server) as watch:
        peer = await member(server)
        for _ in range(20):
            if not await peer.send(b"<message to='localhost' type='headline'>" + body + b"</a>" * 60 + b"</message>"):
                break
        await peer.send(b"<iq type='get' id='end' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        while not peer.ended and b"id='end'" not in peer.seen:
            await peer.read(20)
        assert b"id='end'" in peer.seen or error_of(peer.seen) == "policy-violation", peer.seen[-500:]
        peer.close()
        await watch.check(peak_mib=32)
        return watch.note


TOO_DEEP = b"<message to='localhost'>" + b"<a>" * 10000
TOO_WIDE = b"<message " + b" ".join(b"a%d='1'" % i for i in range(10000)) + b"/>"
LAUGH = b"<message to='localhost'><body>&lol9;</body></message>"
DECLARED = b"<?xml version='1.0'?>" + bomb() + HEADER

CASES = {
    "a stanza of 1 GB before login": (huge_before_login, {}),
    "a header of 1 GB": (huge_header, {}),
    "a stanza of 1 GB after login": (huge_after_login, {}),
    "64 MB of white space": (huge_white_space, {}),
    "10,000 levels": (lambda s: refused(s, TOO_DEEP, "policy-violation"), {}),
    "3,000 levels before login": (lambda s: refused(s, HEADER + b"<a>" * 3000, "policy-violation", log_in=False), {}),
    "10,000 attributes": (lambda s: refused(s, TOO_WIDE, "policy-violation"), {}),
    "billion laughs before the header": (lambda s: refused(s, DECLARED, "restricted-xml", log_in=False), {}),
    "billion laughs in the stream": (lambda s: refused(s, bomb() + LAUGH, "restricted-xml"), {}),
    "an entity that nobody declared": (lambda s: refused(s, LAUGH, "restricted-xml"), {}),
    "200,000 different names": (new_names, {}),
    "thousands of namespace declarations": (namespace_bomb, {}),
}
