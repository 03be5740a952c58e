"""Connections that are too many, too slow, or never get anywhere."""
import asyncio
import base64
import resource
import socket
import time

from harness.wire import PATIENCE
from peer import HEADER, Peer, error_of
from watch import Watch

SHORT = {"c2s.login_timeout": "4s"}
LONG = {"c2s.login_timeout": "20s"}
# The first bytes of a TLS ClientHello that promises 512 more.
HALF_HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x5a" * 20


async def half_open_tls(server):
    """Some say nothing, some half a ClientHello, some only <starttls/>. All are gone when their time is up."""
    async with Watch(server) as watch:
        peers = []
        for i in range(200):
            peer = await Peer().connect(server, "direct")
            if i % 2:
                await peer.send(HALF_HELLO)
            peers.append(peer)
        for i in range(200):
            peer = await Peer().connect(server, "starttls")
            await peer.open()
            await peer.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            await peer.read_until(b"<proceed")
            if i % 2:
                await peer.send(HALF_HELLO)
            peers.append(peer)
        await watch.login(5)
        await asyncio.gather(*(p.read_all(timeout=15 * PATIENCE) for p in peers))
        for p in peers:
            p.close()
        await watch.check(peak_mib=48)
        return watch.note


async def garbage_tls(server):
    """What is no TLS at all ends at once, long before any timer."""
    async with Watch(server) as watch:
        for data in (b"\0" * 100, HEADER, b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\xff" * 200):
            peer = await Peer().connect(server, "direct")
            await peer.send(data)
            await peer.read_all(timeout=5 * PATIENCE)
            peer.close()
        await watch.check(peak_mib=8)
        return watch.note


async def slow_before_login(server):
    """A byte now and then keeps nobody in for longer than the login may take."""
    async def drip(peer):
        for byte in b"<stream:stream to='localhost' " + b" " * 5000:
            if not await peer.send(bytes([byte])):
                return
            await asyncio.sleep(0.05)
            if peer.sock.fileno() >= 0 and peer_has_input(peer):
                return
    async with Watch(server) as watch:
        peers = [await Peer().connect(server) for _ in range(200)]
        begin = time.monotonic()
        await asyncio.gather(*(drip(p) for p in peers))
        for p in peers:
            assert error_of(await p.read_all()) == "connection-timeout", p.seen
            p.close()
        assert time.monotonic() - begin < 20 * PATIENCE
        await watch.check(peak_mib=16)
        return watch.note


def peer_has_input(peer):
    try:
        return peer.sock.recv(1, socket.MSG_PEEK) is not None
    except BlockingIOError:
        return False
    except OSError:
        return True


async def slow_after_login(server):
    """Who is slow but honest is served: stanzas sent a byte at a time arrive whole."""
    async with Watch(server) as watch:
        user = f"slow-{server.tag}"
        await server.register(user, "localhost", "secret")
        peers = [await (await Peer().connect(server)).log_in(user, f"r{i}") for i in range(20)]

        async def drip(i, peer):
            for byte in b"<message to='%s@localhost/r%d' id='m%d'><body>slowly</body></message>" % (user.encode(), i, i):
                assert await peer.send(bytes([byte]))
                await asyncio.sleep(0.005)
            await peer.read_until(b"<body>slowly</body></message>")
            peer.close()
        await asyncio.gather(*(drip(i, p) for i, p in enumerate(peers)))
        await watch.check(peak_mib=8)
        return watch.note


def how_many(wanted):
    """As many as this machine's limit on files allows us and the server to have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - 500)


def open_many(server, count):
    """In a thread of its own: plain blocking sockets, half of which send a header."""
    socks = []
    for i in range(count):
        s = socket.create_connection((server.address, server.endpoint["plain"]), timeout=20)
        if i % 2:
            s.sendall(HEADER)
        socks.append(s)
    return socks


def read_to_the_end(socks):
    """What each was told before the server hung up."""
    told = []
    for s in socks:
        s.settimeout(30 * PATIENCE)
        seen = b""
        try:
            while piece := s.recv(65536):
                seen += piece
        except ConnectionResetError:
            pass
        told.append(error_of(seen))
        s.close()
    return told


async def ten_thousand(server):
    """They connect and never log in. Others are served, new ones get in, each costs little, and all are sent away when their time is up."""
    count = how_many(10000)
    async with Watch(server) as watch:
        socks = await asyncio.to_thread(open_many, server, count)
        await watch.login(10)
        each_kib = watch.grown(server.rss_kib()) * 1024 / count
        held = server.open_files() - watch.base_files
        told = await asyncio.to_thread(read_to_the_end, socks)
        assert held >= count, f"only {held} of {count} connections were open at once"
        assert told.count("connection-timeout") == count, {t: told.count(t) for t in set(told)}
        await watch.check(peak_mib=count * 12 / 1024, left_mib=count * 2 / 1024)
        return f"{count} connections of {each_kib:.1f} KiB; " + watch.note


async def come_and_go(server):
    """Thousands connect and vanish, some politely, some not."""
    def storm():
        for i in range(3000):
            s = socket.create_connection((server.address, server.endpoint[("plain", "starttls", "direct")[i % 3]]), timeout=20)
            if i % 2:
                s.sendall(HEADER)
            if i % 4 == 3:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            s.close()
    async with Watch(server) as watch:
        await asyncio.to_thread(storm)
        await watch.check(peak_mib=48)
        return watch.note


async def sasl_flood(server):
    """64 connections guess passwords as fast as they can; each failure is named, and honest people still get in."""
    stop = time.monotonic() + 4
    named = {}
    await server.register(f"target-{server.tag}", "localhost", "right")

    async def guess(i):
        n = 0
        while time.monotonic() < stop:
            peer = await Peer().connect(server)
            await peer.open()
            while time.monotonic() < stop:
                n += 1
                token = base64.b64encode(b"\0target-%s\0guess%d-%d" % (server.tag.encode(), i, n))
                await peer.send(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + token + b"</auth>")
                answer = await peer.read_until(b"</failure>", timeout=30 * PATIENCE)
                name = answer.split(b"><", 1)[1].split(b"/", 1)[0].decode()
                named[name] = named.get(name, 0) + 1
                if n % 10 == 0:
                    assert error_of(await peer.read_all()) == "policy-violation", peer.seen
                    break
            peer.close()
            n = 0
    async with Watch(server) as watch:
        flood = asyncio.gather(*(guess(i) for i in range(64)))
        await asyncio.sleep(0.5)
        login_s = await watch.login(15)
        await flood
        assert set(named) <= {"not-authorized", "temporary-auth-failure"} and named.get("not-authorized"), named
        await watch.check(peak_mib=32)
        return f"{named}; a login meanwhile took {login_s:.1f} s; " + watch.note


async def sasl_abandoned(server):
    """Attempts that are begun, and the client is gone before the answer."""
    async with Watch(server) as watch:
        for _ in range(300):
            peer = await Peer().connect(server)
            await peer.open()
            token = base64.b64encode(b"\0nobody\0x")
            await peer.send(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + token + b"</auth>")
            peer.close()
        await watch.check(peak_mib=16)
        return watch.note


CASES = {
    "400 half-open TLS handshakes": (half_open_tls, SHORT),
    "no TLS on the TLS port": (garbage_tls, {}),
    "200 slow one-byte senders before login": (slow_before_login, SHORT),
    "20 slow one-byte senders after login": (slow_after_login, {}),
    "10,000 connections that never authenticate": (ten_thousand, LONG),
    "3,000 connections that come and go": (come_and_go, {}),
    "SASL flooding": (sasl_flood, {}),
    "SASL attempts that are abandoned": (sasl_abandoned, {}),
}
