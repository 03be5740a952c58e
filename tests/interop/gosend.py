"""go-sendxmpp, on the library xmppo/go-xmpp: a message to another client, and one that it receives."""
import asyncio
import os

from harness.client import Client


async def run(server, *args, stdin=b""):
    env = dict(os.environ, HOME=server.dir, XDG_CONFIG_HOME=server.dir, XDG_DATA_HOME=server.dir)
    if server.ca:
        env["SSL_CERT_FILE"] = server.ca
    p = await asyncio.create_subprocess_exec("go-sendxmpp", *args, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                                             stderr=asyncio.subprocess.STDOUT, env=env)
    out, _ = await asyncio.wait_for(p.communicate(stdin), 20)
    return p.returncode, out.decode(errors="replace")


async def send(server, direct):
    user, friend = f"go-{server.tag}", f"friend-{server.tag}"
    await server.register(user, "localhost", "secret")
    await server.register(friend, "localhost", "secret")
    juliet = Client("juliet", server.endpoint, friend, "localhost", "secret", "balcony")
    await juliet.connect()
    await juliet.send("<presence/>")
    await juliet.ping()
    port = server.endpoint["direct" if direct else "starttls"]
    options = ([] if server.ca else ["-n"]) + (["-t"] if direct else [])
    account = ["-u", f"{user}@localhost", "-p", "secret", "-j", f"localhost:{port}"]
    code, out = await run(server, *options, *account, f"{friend}@localhost", stdin=b"hello from Go")
    assert code == 0, out
    got = await juliet.await_stanza(lambda e: e.name == "message", "go-sendxmpp's message")
    assert got.child("body").text().strip() == "hello from Go" and got.get("from").startswith(f"{user}@localhost/"), got
    await juliet.close()


CASES = {"go-sendxmpp STARTTLS": lambda s: send(s, False), "go-sendxmpp direct TLS": lambda s: send(s, True)}
