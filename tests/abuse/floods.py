"""Floods of what the store must take: it is slower than the network, and its queue must not become the place where a flood lies."""
import asyncio
import re
import time

from harness.wire import PATIENCE
from peer import Peer
from watch import Watch

SENDERS = 8
EACH = 100          # messages of a sender
KEPT = 500          # of all of them, by configuration
BODY = b"x" * (100 << 10)
MESSAGE = b"<message to='%s@localhost' type='chat' id='%s-%d'><body>" + BODY + b"</body></message>"
FLOOD_S = 60 * PATIENCE


class Flooder:
    """Sends as fast as it is read; notes whose errors come back."""

    def __init__(self, server, name, to):
        self.server, self.name, self.to = server, name, to
        self.refused = {}

    async def log_in(self):
        await self.server.register(self.name, "localhost", "secret")
        self.peer = await (await Peer().connect(self.server)).log_in(self.name)

    async def flood(self):
        for i in range(EACH):
            assert await self.peer.send(MESSAGE % (self.to.encode(), self.name.encode(), i), timeout=FLOOD_S), f"{self.name} was cut off"

    async def listen(self):
        while True:
            await self.peer.read(timeout=FLOOD_S * 2)
            assert not self.peer.ended, f"{self.name} was cut off: {self.peer.seen[-500:]!r}"
            done, _, self.peer.seen = self.peer.seen.rpartition(b"</message>")
            for answer in done.split(b"</message>"):
                if b"type='error'" in answer:
                    number = int(re.search(rb"id='[^']*-(\d+)'", answer).group(1))
                    self.refused[number] = re.search(rb"<([a-z-]+) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'", answer).group(1).decode()

    def close(self):
        self.peer.close()


async def kept_count(server, user):
    code, out, err = await server.ctl("get_offline_count", user, "localhost")
    assert code == 0, out + err
    return int(out)


async def wait_for_all(server, user, flooders):
    """Every message is either kept, or its sender has heard why not."""
    deadline = time.monotonic() + FLOOD_S
    while (kept := await kept_count(server, user)) + (refused := sum(len(f.refused) for f in flooders)) < SENDERS * EACH:
        assert time.monotonic() < deadline, f"of {SENDERS * EACH} messages {kept} were kept and {refused} refused"
        await asyncio.sleep(0.1)
    return kept


async def read_kept(server, user, flooders, kept):
    """Logs in and gets them all: name to numbers, in the order of their coming. A ping tells the node that all before it was read."""
    reader = await (await Peer().connect(server)).log_in(user)
    await reader.send(b"<presence/>")
    got = {f.name: [] for f in flooders}
    while sum(map(len, got.values())) < kept:
        stanza = await reader.read_until(b">", timeout=FLOOD_S)
        ident = re.search(rb"<(?:message|iq) [^>]*id='([^']*)'", stanza)
        if stanza.startswith(b"<message"):
            name, _, number = ident.group(1).decode().rpartition("-")
            got[name].append(int(number))
            await reader.read_until(b"</message>", timeout=FLOOD_S)
        elif stanza.startswith(b"<iq"):
            await reader.send(b"<iq type='result' to='localhost' id='%s'/>" % ident.group(1))
            await reader.read_until(b"</iq>", timeout=FLOOD_S)
    reader.close()
    return got


async def offline_flood(server):
    """Eight people send 80 MB to somebody who is away. The node holds little of it in memory: who sends is slowed down to the pace of the
    disk, all that the account may keep is kept, and the senders hear of the rest."""
    user = f"away-{server.tag}"
    await server.register(user, "localhost", "secret")
    flooders = [Flooder(server, f"flood{i}-{server.tag}", user) for i in range(SENDERS)]
    async with Watch(server) as watch:
        for f in flooders:
            await f.log_in()
        ears = [asyncio.create_task(f.listen()) for f in flooders]
        begin = time.monotonic()
        await asyncio.gather(*(f.flood() for f in flooders))
        kept = await wait_for_all(server, user, flooders)
        took = time.monotonic() - begin
        for ear in ears:
            ear.cancel()
        problems = [p for p in await asyncio.gather(*ears, return_exceptions=True) if not isinstance(p, asyncio.CancelledError)]
        assert not problems, problems
        assert kept == KEPT, f"{kept} were kept"
        answers = {a for f in flooders for a in f.refused.values()}
        assert answers == {"service-unavailable"}, answers
        for f in flooders:
            f.close()
        await watch.check(peak_mib=48, left_mib=14)
    got = await read_kept(server, user, flooders, kept)
    for f in flooders:
        assert sorted(got[f.name] + list(f.refused)) == list(range(EACH)), f"{f.name}: {got[f.name]}, refused {sorted(f.refused)}"
        assert got[f.name] == sorted(got[f.name]), f"{f.name}: {got[f.name]}"
    return f"{SENDERS * EACH * len(BODY) / took / 1e6:.0f} MB/s; " + watch.note


CONFIG = {"modules.offline.message_bytes": 128 << 10, "modules.offline.messages": KEPT}
CASES = {
    "a flood for somebody who is away": (offline_flood, CONFIG),
}
