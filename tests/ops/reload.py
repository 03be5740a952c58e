"""reload_config and SIGHUP: what changes is shown, applied whole or not at all."""
import asyncio
import json
import os
import re
import signal
import time

from harness import http
from harness.client import Client, Unexpected
from harness.starling import Starling, binary
from harness.wire import PATIENCE


async def ctl(node, *args, code=0):
    got, out, err = await node.ctl(*args)
    assert got == code, f"{args} ended with {got}: {out}{err}"
    return out + err


async def until(what, condition, seconds=10):
    deadline = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)


def rewrite(node, **overrides):
    node.overrides.update({k.replace("__", "."): v for k, v in overrides.items()})
    node.prepare()


async def login(node, user, password="secret"):
    client = Client(user, node.endpoint, user, "localhost", password, "r")
    await client.connect()
    return client


async def shows_and_applies(bench):
    node = await bench.start({"limits.resources": 5})
    await node.register("romeo", "localhost", "secret")
    first = await login(node, "romeo")
    rewrite(node, limits__resources=1, workers=3, log__level="debug")
    dry = await ctl(node, "reload_config", "--dry-run")
    assert "limits.resources: 5 -> 1" in dry and "workers: 2 -> 3 (needs a restart)" in dry, dry
    assert "3 options would change" in dry, dry
    assert "limits.resources = 5" in await ctl(node, "dump_config"), "a dry run changed something"
    got = json.loads(await ctl(node, "--json", "reload_config"))
    changes = {c["option"]: c for c in got["data"]}
    assert changes["workers"]["needs_restart"] and not changes["limits.resources"]["needs_restart"], changes
    dump = await ctl(node, "dump_config")
    assert "limits.resources = 1 " in dump, dump
    assert "after a restart: 3" in dump, dump
    # One resource is allowed now: the second login with another resource is refused, the first goes on.
    second = Client("second", node.endpoint, "romeo", "localhost", "secret", "other")
    try:
        await second.connect()
        raise AssertionError("a second resource was let in")
    except Unexpected:
        pass
    await first.ping()
    assert "debug" in await ctl(node, "get_loglevel")
    assert "Nothing changed" in await ctl(node, "reload_config")
    await first.close()


async def all_or_nothing(bench):
    node = await bench.start()
    rewrite(node, limits__resources=3, limits__depht=9)
    out = await ctl(node, "reload_config", code=1)
    assert "nothing changed" in out and "did you mean" in out and "depth" in out, out
    assert "limits.resources = 64" in await ctl(node, "dump_config")
    del node.overrides["limits.depht"]
    rewrite(node, tls__certificate="/nonexistent.pem")
    out = await ctl(node, "reload_config", code=1)
    assert "nonexistent.pem" in out, out
    assert "limits.resources = 64" in await ctl(node, "dump_config"), "half of a configuration was applied"
    os.unlink(os.path.join(node.dir, "starling.yml"))
    assert "nothing changed" in await ctl(node, "reload_config", code=1)


async def by_signal(bench):
    node = await bench.start()
    rewrite(node, limits__resources=7)
    node.process.send_signal(signal.SIGHUP)
    await until("the log tells", lambda: "limits.resources: 64 -> 7" in node.log_text())
    await until("the end is told", lambda: "loaded again" in node.log_text())
    assert "limits.resources = 7" in await ctl(node, "dump_config")
    rewrite(node, limits__resources="many")
    node.process.send_signal(signal.SIGHUP)
    await until("the error is told", lambda: "configuration stays as it was" in node.log_text())


async def hosts_and_modules(bench):
    node = await bench.start()
    rewrite(node, **{"hosts.new\\.example": {}, "hosts.example\\.net": {"sasl": {"iterations": 5000}}})
    node.overrides["modules.version.show_os"] = True
    node.prepare()
    out = await ctl(node, "reload_config")
    assert "hosts.new.example: new (needs a restart)" in out, out
    assert "hosts.example.net.sasl.iterations: 10000 -> 5000" in out, out
    await node.register("romeo", "localhost", "secret")
    client = await login(node, "romeo")
    await client.send("<iq type='get' to='localhost' id='v'><query xmlns='jabber:iq:version'/></iq>")
    answer = await client.await_stanza(lambda e: e.get("id") == "v", "the version")
    assert "Linux" in str(answer), "the module did not see its new option: %s" % answer
    await client.close()
    code, _, err = await node.ctl("register_identified", "x", "new.example", "y")
    assert code == 1 and "does not serve" in err, err


async def under_load(bench):
    """Clients chat while the configuration is loaded again and again: nothing is lost, no sanitizer complains."""
    node = await bench.start()
    clients = []
    for i in range(4):
        await node.register(f"u{i}", "localhost", "secret")
        clients.append(await login(node, f"u{i}"))
        await clients[-1].send("<presence/>")
        await clients[-1].ping()
    done = asyncio.Event()

    async def chat(a, b):
        count = 0
        while not done.is_set():
            count += 1
            await a.send(f"<message to='{b.jid}' id='m{count}'><body>{count}</body></message>")
            await b.await_stanza(lambda e, c=count: e.get("id") == f"m{c}", "the next message")
        return count
    chats = [asyncio.create_task(chat(clients[0], clients[1])), asyncio.create_task(chat(clients[2], clients[3]))]
    for n in range(10):
        rewrite(node, limits__resources=10 + n)
        await ctl(node, "reload_config")
    done.set()
    counts = await asyncio.gather(*chats)
    assert min(counts) > 0, counts
    for c in clients:
        await c.close()


class FromEnvironment(Starling):
    """A node with more in its environment."""
    variables = {}

    def environment(self):
        return {**super().environment(), **self.variables}


def variables_of_reference(text):
    """{variable: (option, default)} of the reference; what cannot be a single variable is part of one that is a list of maps."""
    found, section = {}, ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = "" if line == "## Top level" else line[3:] + "."
        row = re.match(r"\| `([a-z0-9_]+)` \| [^|]+ \| ([^|]*) \|", line)
        if row and not section.startswith("hosts."):
            option = section + row.group(1)
            found["STARLING_" + option.upper().replace(".", "_")] = option, row.group(2).strip()
    return found


async def every_option_by_environment(bench):
    """Each option of the reference, given its default by STARLING_<SECTION>_<NAME>, is in force and says where it came from."""
    p = await asyncio.create_subprocess_exec(binary(), "--print-reference", stdout=asyncio.subprocess.PIPE)
    text = (await p.communicate())[0].decode()
    found = variables_of_reference(text)
    assert len(found) > 80 and "STARLING_MODULES_ROSTER_ITEMS" in found, found
    ours = {"STARLING_LISTEN", "STARLING_DATA_DIR", "STARLING_HTTP_PORT"}  # a test's node has its own
    given = {name: default.strip('"') for name, (_, default) in found.items() if default and name not in ours}
    node = FromEnvironment()
    node.variables = given
    await bench.start(node=node)
    dump = (await ctl(node, "dump_config")).splitlines()
    for name in given:
        option = found[name][0]
        assert any(line.startswith(option + " = ") and re.search(rf"# {name}(:\d+)*$", line) for line in dump), f"{option} was not set by {name}"
    without = sorted(found[name][0] for name in found if name not in given and name not in ours)
    assert all(not found["STARLING_" + o.upper().replace(".", "_")][1] for o in without), without


async def secret_from_a_file(bench):
    """STARLING_<...>_FILE: the secret is what the file holds, and is shown nowhere."""
    node = FromEnvironment()
    path = os.path.join(node.dir, "token")
    with open(path, "w") as f:
        f.write("correct-horse-battery-staple\n")
    node.variables = {"STARLING_API_ENABLED": "true", "STARLING_API_PORT": str(node.endpoint["api"]), "STARLING_API_ADMIN_TOKEN_FILE": path}
    await bench.start(node=node)
    async with http.Http(node.endpoint["api"]) as h:
        for token, status in (("correct-horse-battery-staple", 200), (path, 401)):
            got = await h.request("POST", "/api/status", {"Authorization": "Bearer " + token, "Content-Type": "application/json"}, b"{}")
            assert got.status == status, (token, got.status, got.body)
    dump = await ctl(node, "dump_config")
    assert "STARLING_API_ADMIN_TOKEN_FILE" in dump and "battery" not in dump + node.log_text(), dump


CASES = {
    "every option by the environment": every_option_by_environment,
    "a secret from a file": secret_from_a_file,
    "shows and applies what changed": shows_and_applies,
    "applies all or nothing": all_or_nothing,
    "by SIGHUP": by_signal,
    "hosts and modules": hosts_and_modules,
    "while clients chat": under_load,
}
