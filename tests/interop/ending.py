"""The node's end while much is under way: logins, connections that arrive, commands. It must end with 0, soon, and leak nothing."""
import asyncio
import random
import signal

from harness.client import Client
from harness.server import ServerProblem

from program import with_node

ROUNDS = 3


def ends_well(problems):
    assert not problems, problems


async def log_in_again_and_again(node, user, until):
    """Chats a little each time; any error is fine once the node is ending."""
    while not until.is_set():
        c = Client(user, node.endpoint, user, "localhost", "secret", tls=random.choice(["none", "none", "starttls", "direct"]))
        try:
            await c.connect()
            await c.close()
        except Exception:
            if not until.is_set() and node.running():
                await asyncio.sleep(0.01)


async def during_logins(server):
    """Streams move to their account's worker while the workers end."""
    async def check(node):
        users = [f"u{i}" for i in range(8)]
        for u in users:
            await node.register(u, "localhost", "secret")
        ending = asyncio.Event()
        tasks = [asyncio.create_task(log_in_again_and_again(node, u, ending)) for u in users * 3]
        await asyncio.sleep(0.2 + random.random() * 0.3)
        ending.set()
        ends_well(await node.halt())
        for t in tasks:
            t.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(ROUNDS):
        await with_node(check)


async def during_commands(server):
    """A command that was taken is answered, or its asker hears that the node has gone; nothing hangs, nothing leaks."""
    async def check(node):
        async def one(i):
            try:
                return (await node.ctl("register_identified", f"c{i}", "localhost", "secret"))[0]
            except ServerProblem:
                return None
        tasks = [asyncio.create_task(one(i)) for i in range(12)]
        await asyncio.sleep(0.03 + random.random() * 0.1)
        ends_well(await node.halt())
        codes = await asyncio.gather(*tasks)
        assert None not in codes, codes
    for _ in range(ROUNDS):
        await with_node(check, overrides={"sasl.iterations": 50000})


async def with_open_connections(server):
    """Half-open handshakes, silent connections, clients that never read the farewell: the node waits for none of them for long."""
    async def check(node):
        open_ones = []
        for kind, words in (("direct", b"\x16\x03\x01"), ("starttls", b""), ("starttls", b"<stream:stream"), ("proxied", b"PROXY ")) * 5:
            _, writer = await asyncio.open_connection(node.address, node.endpoint[kind])
            writer.write(words)
            open_ones.append(writer)
        await asyncio.sleep(0.1)
        begin = asyncio.get_running_loop().time()
        ends_well(await node.halt(signal.SIGINT))
        assert asyncio.get_running_loop().time() - begin < 9
        for w in open_ones:
            w.close()
    await with_node(check)


CASES = {
    "the end during logins": during_logins,
    "the end during commands": during_commands,
    "the end with open connections": with_open_connections,
}
