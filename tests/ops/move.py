"""Accounts move: from ejabberd's and Prosody's real files (data/), between two of our nodes, and again after a crash in the middle."""
import asyncio
import os
import re
import shutil
import subprocess
import tempfile

from harness.client import Client
from harness.stanza import parse
from harness.starling import Starling, control_binary
from reload import ctl, until

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
DELAY = "urn:xmpp:delay"


async def login(node, user, password, host="localhost", mech=None):
    c = Client(user, node.endpoint, user, host, password, resource="moved", mech=mech)
    await c.connect()
    return c


async def ask(client, payload):
    """The payload that comes back, or None; other stanzas are kept for later."""
    ident = f"ask{next(client.ids)}"
    await client.send(f"<iq type='get' id='{ident}'>{payload}</iq>")
    answer = await client.await_stanza(lambda e: e.name == "iq" and e.get("id") == ident, payload, 10)
    return next(iter(answer.elems()), None) if answer.get("type") == "result" else None


def texts(elem, name):
    return [e.text() for e in elem.elems() if e.name == name]


async def offline(client, count):
    """Kept messages, as (body, stamp); answered, so that they are gone then."""
    await client.send("<presence/>")
    got = []
    while len(got) < count:
        m = await client.await_stanza(lambda e: e.name == "message", "a kept message", 10)
        got.append((texts(m, "body")[0], m.child("delay", DELAY).get("stamp")))
    ping = await client.await_stanza(lambda e: e.name == "iq" and e.get("type") == "get", "the ping behind them", 10)
    await client.send(f"<iq type='result' id='{ping.get('id')}' to='localhost'/>")
    await client.ping()
    return got


def contacts(roster):
    return {e.get("jid"): (e.get("subscription"), e.get("ask"), e.get("name"), sorted(texts(e, "group"))) for e in roster.elems()}


async def romeo_is_whole(node, password, stamp, nurse=True):
    """What Romeo had at ejabberd or at Prosody."""
    romeo = await login(node, "romeo", password, mech="SCRAM-SHA-1")
    roster = contacts(await ask(romeo, "<query xmlns='jabber:iq:roster'/>"))
    assert roster["juliet@localhost"][:3] == ("both", None, "Jul & <iet>"), roster
    assert "Friends" in roster["juliet@localhost"][3], roster
    if nurse:
        assert roster["nurse@capulet.example"] == ("to", None, None, []), roster
    else:
        assert roster["tybalt@example.net"] == ("none", "subscribe", None, []), roster
    card = await ask(romeo, "<vCard xmlns='vcard-temp'/>")
    assert texts(card, "FN") == ["Romeo <M>"], card
    data = await ask(romeo, "<query xmlns='jabber:iq:private'><exodus xmlns='exodus:prefs'/></query>")
    assert texts(next(iter(data.elems())), "nick") == ["R"], data
    if stamp:
        got = await offline(romeo, 2)
        assert [b for b, _ in got] == ["hello & <you>", "second"] and got[0][1].startswith(stamp), got
    await romeo.close()


async def blocked(client):
    return sorted(e.get("jid") for e in (await ask(client, "<blocklist xmlns='urn:xmpp:blocking'/>")).elems())


async def from_ejabberd(bench):
    """The main file includes those of the hosts; its SCRAM keys are encoded twice."""
    node = await bench.start({"sasl.strongest_scram": "sha-1"})
    out = await ctl(node, "import", f"{DATA}/ejabberd/20261122-092236.xml")
    for part in ("4 accounts imported", "3 roster items", "2 offline messages", "1 vCards", "1 private data", "2 blocked addresses",
                 "1 subscription requests", "4 accounts with SHA-1 keys alone", "0 left out"):
        assert part in out, out
    await romeo_is_whole(node, "secret romeo", "2026-11-22T09:22:35")
    juliet = await login(node, "juliet", "secret juliet")
    assert juliet.mechanism.startswith("SCRAM-SHA-1"), juliet.mechanism
    assert await blocked(juliet) == ["evil.example", "tybalt@example.net"]
    await juliet.send("<presence/>")
    request = await juliet.await_stanza(lambda e: e.name == "presence" and e.get("type") == "subscribe", "the request that waited", 10)
    assert request.get("from") == "paris@example.net" and texts(request, "status") == ["marry me"], request
    await juliet.close()
    await (await login(node, "d\\27artagnan", "secret d\\27artagnan", mech="PLAIN")).close()


async def from_ejabberd_plain(bench):
    """Passwords in the clear become keys of all kinds; a file of one host."""
    node = await bench.start()
    out = await ctl(node, "import", f"{DATA}/ejabberd/plain_localhost.xml")
    assert "3 accounts imported" in out and "SHA-1 keys" not in out, out
    romeo = await login(node, "romeo", "secret romeo")
    assert romeo.mechanism.startswith("SCRAM-SHA-512"), romeo.mechanism
    await romeo.close()


async def from_prosody(bench):
    node = await bench.start({"sasl.strongest_scram": "sha-1"})
    out = await ctl(node, "import", f"{DATA}/prosody")
    for part in ("4 accounts imported", "3 roster items", "2 offline messages", "1 vCards", "2 private data", "2 blocked addresses",
                 "1 subscription requests", "2 left out", "data of 'pep' nothing here keeps it"):
        assert part in out, out
    await romeo_is_whole(node, "secret romeo", None, nurse=False)
    juliet = await login(node, "juliet", "secret juliet")
    assert await blocked(juliet) == ["evil.example", "tybalt@example.net/z"]
    got = await offline(juliet, 2)
    assert [b for b, _ in got] == ["hello & <you>", "second\u00e9"] and got[0][1].startswith("2026-11-22T09:23:20"), got
    await juliet.close()
    tybalt = await login(node, "tybalt", "secret tybalt", host="example.net")
    await tybalt.send("<presence/>")
    request = await tybalt.await_stanza(lambda e: e.name == "presence" and e.get("type") == "subscribe", "the request that waited", 10)
    assert request.get("from") == "romeo@localhost" and texts(request, "status") == ["hey"], request
    await tybalt.close()


def children(path):
    """user -> its children, as text without what import cannot keep: the order of rows of a map."""
    with open(path) as f:
        hosts = parse(f.read().split("?>", 1)[1].strip())[0]
    return {(h.get("jid"), u.get("name")): sorted(str(c) for c in u.elems()) for h in hosts.elems() for u in h.elems()}


async def there_and_back(bench):
    """Export, import into another node, export again: the same, keys and times included."""
    one, two = await bench.start(), await bench.start()
    await ctl(one, "import", f"{DATA}/ejabberd/20261122-092236.xml")
    await one.register("mercutio", "localhost", "secret mercutio")
    assert (await one.ctl("ban_account", "mercutio", "localhost", "a plague"))[0] == 0
    first, second = os.path.join(one.dir, "first.xml"), os.path.join(two.dir, "second.xml")
    assert "Exported 5 accounts" in await ctl(one, "export", first)
    assert os.stat(first).st_mode & 0o777 == 0o600, "others may read the keys"
    assert "5 accounts imported" in await ctl(two, "import", first)
    assert "Exported 5 accounts" in await ctl(two, "export", second)
    assert children(first) == children(second)
    assert ("localhost", "mercutio") in children(second)
    only = os.path.join(one.dir, "only.xml")
    assert "Exported 1 account " in await ctl(one, "export", only, "example.net")


async def again(bench):
    """A second import changes nothing; accounts that were made here stay as they are."""
    node = await bench.start({"sasl.strongest_scram": "sha-1"})
    await node.register("romeo", "localhost", "mine")
    path = f"{DATA}/ejabberd/20261122-092236.xml"
    assert "3 accounts imported, 1 there already" in await ctl(node, "import", path)
    await (await login(node, "romeo", "mine")).close()
    juliet = await login(node, "juliet", "secret juliet")
    await juliet.send("<iq type='set' id='s1'><vCard xmlns='vcard-temp'><FN>New</FN></vCard></iq>")
    await juliet.ping()
    assert "0 accounts imported, 4 there already, 0 failed, 0 of other hosts; 0 left out" in await ctl(node, "import", path)
    assert texts(await ask(juliet, "<vCard xmlns='vcard-temp'/>"), "FN") == ["New"]
    await juliet.close()


async def dry_run(bench):
    node = await bench.start()
    out = await ctl(node, "import", f"{DATA}/prosody", "--dry_run")
    assert "4 accounts would be imported" in out and "3 roster items" in out, out
    assert (await ctl(node, "registered_users", "localhost")).strip() == ""


def many(path, users, items):
    with open(path, "w") as f:
        f.write("<?xml version='1.0'?><server-data xmlns='urn:xmpp:pie:0'><host jid='localhost'>")
        for u in range(users):
            f.write(f"<user name='u{u}' password='p{u}'><offline-messages>")
            for m in range(3):
                f.write(f"<message xmlns='jabber:client' from='a@localhost' to='u{u}@localhost' type='chat'><body>{m}</body></message>")
            f.write("</offline-messages><query xmlns='jabber:iq:roster'>")
            f.writelines(f"<item jid='c{i}@example.org' subscription='both'><group>g</group></item>" for i in range(items))
            f.write("</query></user>")
        f.write("</host></server-data>")


async def crash_in_the_middle(bench):
    """The node is killed while it imports: what is begun again is complete, and nothing is there twice."""
    node = await bench.start()
    path = os.path.join(node.dir, "many.xml")
    many(path, 150, 100)
    busy = asyncio.create_task(node.ctl("import", path))
    while len((await ctl(node, "registered_users", "localhost")).split()) < 5:
        await asyncio.sleep(0.01)
    await node.kill()
    await busy
    await bench.start(node=node)
    before = len((await ctl(node, "registered_users", "localhost")).split())
    assert 0 < before < 150, f"{before} accounts: the crash came too early or too late"
    out = await ctl(node, "import", path)
    done, there = int(out.split(" accounts imported")[0].split()[-1]), int(out.split(" there already")[0].split()[-1])
    assert done + there == 150 and before - 1 <= there <= before, out
    for u in (0, there, 149):
        client = await login(node, f"u{u}", f"p{u}")
        assert len(contacts(await ask(client, "<query xmlns='jabber:iq:roster'/>"))) == 100
        assert [b for b, _ in await offline(client, 3)] == ["0", "1", "2"]
        await client.close()


async def progress(bench):
    """An import that takes its time says how far it is; members of a shared group of all accounts come into rosters as they arrive."""
    node = await bench.start({"sasl.iterations": 100000})
    await node.register("watch", "localhost", "secret watch")
    await ctl(node, "srg_create", "all", "localhost", "Everybody", "")
    await ctl(node, "srg_user_add", "@all@", "localhost", "all", "localhost")
    path = os.path.join(node.dir, "slow.xml")
    many(path, 30, 1)
    out = await ctl(node, "import", path)
    assert re.search(r"^\d+ accounts so far, 0 there already, 0 failed$", out, re.M), out
    assert "30 accounts imported" in out and "30 roster items" in out, out
    watch = await login(node, "watch", "secret watch")
    assert len(contacts(await ask(watch, "<query xmlns='jabber:iq:roster'/>"))) == 30
    await watch.close()


async def broken_off(bench):
    """starlingctl goes away in the middle: the node stops where it is, and the same command goes on from there."""
    node = await bench.start({"sasl.iterations": 100000})
    path = os.path.join(node.dir, "slow.xml")
    many(path, 20, 1)
    asker = await asyncio.create_subprocess_exec(control_binary(), "--socket", node.socket, "import", path, stdin=asyncio.subprocess.DEVNULL,
                                                 stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env=node.environment())
    while len((await ctl(node, "registered_users", "localhost")).split()) < 3:
        await asyncio.sleep(0.01)
    asker.terminate()
    await asker.wait()
    await until("the import to end", lambda: "It was interrupted" in node.log_tail(50))
    out = await ctl(node, "import", path)
    done, there = int(out.split(" accounts imported")[0].split()[-1]), int(out.split(" there already")[0].split()[-1])
    assert done and there and done + there == 20, out
    assert f"{3 * done} offline messages" in out, out


async def told_and_refused(bench):
    """What is not taken is told; what is broken ends the import where it is."""
    node = await bench.start()
    path = os.path.join(node.dir, "odd.xml")

    async def give(text, code):
        with open(path, "w") as f:
            f.write(text)
        return await ctl(node, "import", path, code=code)
    head = "<server-data xmlns='urn:xmpp:pie:0' xmlns:xi='http://www.w3.org/2001/XInclude'>"
    out = await give(head + "<extra xmlns='urn:x'/><host jid='elsewhere.example'><user name='a'/></host><host jid='localhost'>"
                     "<xi:include href='../../etc/passwd'/><user name='b c'/><user name='d'><pubsub xmlns='urn:p'/>"
                     "<scram-credentials xmlns='urn:xmpp:pie:0#scram' mechanism='SCRAM-SHA-1'><salt>x</salt></scram-credentials>"
                     "<query xmlns='jabber:iq:roster'><item jid='@'/><item jid='ok@localhost'/></query></user></host></server-data>", 1)
    for part in ("<extra xmlns='urn:x'/> it is outside of all accounts", "a@elsewhere.example the account this node does not serve its host",
                 "include of '../../etc/passwd' only XML files beside the file are included", "FAILED: b c@localhost its name is not allowed",
                 "<pubsub xmlns='urn:p'/> nothing here keeps it", "keys SCRAM keys that cannot be used", "contact '@' it is no address",
                 "d@localhost the password there is none that can be used", "1 account imported, 0 there already, 1 failed, 1 of other hosts",
                 "1 roster items", "6 left out"):
        assert part in out, f"{part} is not in {out}"
    assert "document type" in await give("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", 1)
    out = await give(head + "<host jid='localhost'><user name='e' password='x'/><user name='f'></host>", 1)
    assert "odd.xml:1: not well-formed. Up to there: " in out, out
    assert "from the root" in await ctl(node, "import", "odd.xml", code=2)
    assert "No such file" in await ctl(node, "import", "/nonexistent", code=1)
    assert "File exists" in await ctl(node, "export", path, code=1)


async def from_a_prosody_that_runs(bench):
    """Of the package, if it is there: accounts that prosodyctl makes."""
    if not shutil.which("prosodyctl"):
        return
    node = await bench.start({"sasl.strongest_scram": "sha-1"})
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "prosody.cfg.lua")
        with open(config, "w") as f:
            f.write(f'data_path = "{folder}/data"\npidfile = "{folder}/pid"\nrun_as_root = true\nauthentication = "internal_hashed"\n'
                    'log = { { levels = { min = "error" }, to = "console" } }\nVirtualHost "localhost"\n')
        subprocess.run(["prosodyctl", "--config", config, "register", "romeo", "localhost", "secr\u00e9t"], check=True, capture_output=True)
        assert "1 account imported" in await ctl(node, "import", f"{folder}/data")
    await (await login(node, "romeo", "secr\u00e9t")).close()


CASES = {
    "from ejabberd": from_ejabberd,
    "from ejabberd, plain passwords": from_ejabberd_plain,
    "from Prosody": from_prosody,
    "from a Prosody that runs": from_a_prosody_that_runs,
    "there and back": there_and_back,
    "again": again,
    "dry run": dry_run,
    "crash in the middle": crash_in_the_middle,
    "progress": progress,
    "broken off": broken_off,
    "told and refused": told_and_refused,
}
