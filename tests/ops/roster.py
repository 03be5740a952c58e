"""Rosters from templates, as ejabberdctl's push_roster and push_roster_all take them."""
import asyncio
import json
import os

from harness.client import Client
from reload import ctl

PUSH = "jabber:iq:roster"


def template(node, text):
    path = os.path.join(node.dir, "template.cfg")
    with open(path, "w") as f:
        f.write(text)
    return path


async def roster(node, user, host="localhost"):
    return {c["jid"]: c for c in json.loads(await ctl(node, "--json", "get_roster", user, host))["data"]}


async def all_know_all(bench):
    node = await bench.start()
    people = [f"u{i}" for i in range(12)]
    for p in people:
        await node.register(p, "localhost", "secret")
    rows = ",\n ".join(f'{{"{p}", "localhost", "Workers", "User {p}"}}' for p in people)
    path = template(node, f"[{rows},\n {{<<\"ext\">>, <<\"far.example\">>, <<\"Friends\">>, <<\"J\\x{{fc}}rgen\">>}}].\n")
    watching = Client("u3", node.endpoint, "u3", "localhost", "secret", "r")
    await watching.connect()
    await watching.send(f"<iq type='get' id='g'><query xmlns='{PUSH}'/></iq>")
    await watching.await_stanza(lambda e: e.get("id") == "g", "the roster")
    got = json.loads(await ctl(node, "--json", "push_roster_all", path))
    assert got["data"] == {"rosters": 12, "contacts": 12 * 12, "of_other_services": 1}, got
    pushed = set()
    for _ in range(12):
        stanza = await watching.await_stanza(lambda e: e.get("type") == "set", "a push")
        pushed.add(stanza.child("query").child("item").get("jid"))
    assert pushed == {f"{p}@localhost" for p in people if p != "u3"} | {"ext@far.example"}, pushed
    await watching.close()
    for p in people:
        found = await roster(node, p)
        assert set(found) == {f"{o}@localhost" for o in people if o != p} | {"ext@far.example"}, (p, found)
        assert all(c["subscription"] == "both" for c in found.values())
        assert found["ext@far.example"]["nick"] == "J\u00fcrgen" and found["ext@far.example"]["groups"] == ["Friends"]
    # Again: nothing changes, nothing fails.
    await ctl(node, "push_roster_all", path)
    await node.register("late", "localhost", "secret")
    assert "1 roster changed, 13 contacts pushed" in await ctl(node, "push_roster", path, "late", "localhost")
    assert len(await roster(node, "late")) == 13


async def troubles(bench):
    node = await bench.start({"modules.roster.items": 3})
    for p in ("a", "b"):
        await node.register(p, "localhost", "secret")
    path = template(node, '[{"a","localhost","",""},{"b","localhost","",""},{"ghost","localhost","",""},{"guest","anon.localhost","",""}].')
    out = await ctl(node, "push_roster_all", path, code=1)
    assert "2 rosters changed, 6 contacts pushed; 2 failed" in out, out
    assert "ghost@localhost: there is no such account" in out and "guest@anon.localhost: its host has no rosters" in out, out
    full = template(node, '[{"a","localhost","",""},{"x","localhost","",""},{"y","localhost","",""}].')
    assert "a@localhost: the roster is full" in await ctl(node, "push_roster", full, "a", "localhost", code=1)
    before = await roster(node, "a")
    for text, what in (("[{\"a\",\"localhost\",\"\",\"\"},\n{\"b\",\n\"localhost\",\"\"}].", "line 3"), ("", "line 1"), ("[\n{\"a b\",\"localhost\",\"\",\"\"}].", "line 2"),
                       ("[{\"a\",\"localhost\",\"\",\"\\x{1}\"}].", "forbids"), ("[{\"a\",\"localhost\",\"\",\"\"}", "line 1")):
        out = await ctl(node, "push_roster_all", template(node, text), code=1)
        assert "nothing was pushed" in out and what in out, (text, out)
    assert await roster(node, "a") == before
    os.mkfifo(os.path.join(node.dir, "pipe"))
    assert "no plain file" in await ctl(node, "push_roster_all", os.path.join(node.dir, "pipe"), code=1)
    assert "command=push_roster_all" in node.log_text() and "command=get_roster" not in node.log_text()


async def stops_amid_it(bench):
    """A node that is told to stop does not wait for a long push; what it answered for lasts."""
    node = await bench.start()
    people = [f"u{i}" for i in range(150)]
    await asyncio.gather(*(node.register(p, "localhost", "secret") for p in people[:5]))
    rows = ",".join(f'{{"{p}","localhost","",""}}' for p in people)
    path = template(node, f"[{rows}].")
    push = asyncio.create_task(node.ctl("push_roster_all", path))
    while not await roster(node, "u0"):
        pass
    await ctl(node, "stop")
    await asyncio.wait_for(node.process.wait(), 20)
    await push
    await bench.start(node=node)
    assert set(await roster(node, "u0")) <= {f"{p}@localhost" for p in people[1:]}


CASES = {
    "a template for all": all_know_all,
    "what fails is told": troubles,
    "the end amid a push": stops_amid_it,
}
