"""Backup, restore, check and compaction of the store."""
import asyncio
import json
import os
import sqlite3
import time

from harness.client import Client
from harness.starling import Starling, control_binary
from reload import ctl, login


async def here(*args, code=0, given=b""):
    """starlingctl for what needs no node."""
    p = await asyncio.create_subprocess_exec(control_binary(), *args, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    out, _ = await asyncio.wait_for(p.communicate(given), 60)
    assert p.returncode == code, f"{args} ended with {p.returncode}: {out.decode()}"
    return out.decode()


async def moves_elsewhere(bench):
    """Accounts are made while a backup is taken; every one that was answered before it began is in the copy, and logs in elsewhere."""
    node = await bench.start()
    for i in range(20):
        await node.register(f"before{i}", "localhost", f"secret{i}")
    copy = os.path.join(node.dir, "copy.db")

    async def go_on():
        for i in range(20):
            await node.register(f"during{i}", "localhost", "x")
    busy = asyncio.create_task(go_on())
    out = await ctl(node, "backup", copy)
    await busy
    assert "complete and checked" in out, out
    assert os.stat(copy).st_mode & 0o777 == 0o600, "others may read the backup"
    assert not [f for f in os.listdir(node.dir) if f.startswith("copy.db-")], "a backup is one file"
    other = Starling()
    data = os.path.join(other.dir, "data")
    assert "Restored" in await here("restore", copy, data)
    await bench.start(node=other)
    for i in (0, 19):
        client = await login(other, f"before{i}", f"secret{i}")
        await client.ping()
        await client.close()
    third = Starling()
    data = os.path.join(third.dir, "data")
    with open(copy, "rb") as f:
        whole = f.read()
    for broken in (b"", whole[:len(whole) // 2], b"hello" * 1000):
        await here("restore", "-", data, given=broken, code=1)
        assert os.listdir(data) in ([], ["starling.db.lock"]), os.listdir(data)
    assert "Restored" in await here("restore", "-", data, given=whole)
    await bench.start(node=third)
    client = await login(third, "before0", "secret0")
    await client.close()


async def refusals(bench):
    node = await bench.start()
    await node.register("romeo", "localhost", "secret")
    copy = os.path.join(node.dir, "copy.db")
    await ctl(node, "backup", copy)
    assert "cannot make" in await ctl(node, "backup", copy, code=1), "a backup was overwritten"
    assert "from the root" in await ctl(node, "backup", "copy2.db", code=2)
    assert "cannot make" in await ctl(node, "backup", "/nonexistent/copy.db", code=1)
    assert "locked" in await here("restore", copy, os.path.join(node.dir, "data"), code=1)
    full = os.path.join(node.dir, "full")
    await here("restore", copy, full)
    assert "has a database already" in await here("restore", copy, full, code=1)
    foreign = os.path.join(node.dir, "foreign.db")
    db = sqlite3.connect(foreign)
    db.execute("create table t(x)")
    db.commit()
    db.close()
    assert "no backup" in await here("restore", foreign, os.path.join(node.dir, "x"), code=1)
    assert not os.path.exists(os.path.join(node.dir, "x"))
    with open(os.path.join(node.dir, "text"), "w") as f:
        f.write("hello" * 1000)
    await here("restore", os.path.join(node.dir, "text"), os.path.join(node.dir, "x"), code=1)
    await here("restore", os.path.join(node.dir, "nothing"), os.path.join(node.dir, "x"), code=1)
    with open(copy, "r+b") as f:
        f.seek(3 * 4096)
        f.write(b"\xff" * 4096)
    assert "damaged" in await here("restore", copy, os.path.join(node.dir, "x"), code=1), "a damaged copy was restored"


async def in_memory(bench):
    node = await bench.start({"store.backend": "memory"})
    for command in (["backup", "/tmp/never"], ["store_check"], ["store_vacuum"]):
        assert "no files" in await ctl(node, *command, code=1)


async def compaction(bench):
    """Rows that went away leave room in the file; afterwards it is small, and the node goes on."""
    node = await bench.start()
    await node.register("romeo", "localhost", "secret")
    assert not await node.halt()
    path = os.path.join(node.dir, "data", "starling.db")
    db = sqlite3.connect(path)
    db.executemany("insert into kv(host, owner, space, version, value) values ('localhost', ?, 'vcard', 1, ?)",
                   ((f"ghost{i}", b"x" * 20000) for i in range(500)))
    db.commit()
    db.execute("delete from kv where owner like 'ghost%'")
    db.commit()
    db.close()
    await bench.start(node=node)
    client = await login(node, "romeo")
    got = json.loads(await ctl(node, "--json", "store_vacuum"))["data"]
    assert got["bytes"] < got["bytes_before"] / 10, got
    assert "is sound" in await ctl(node, "store_check")
    await node.register("juliet", "localhost", "secret")
    await client.ping()
    await client.close()


async def damage(bench):
    node = await bench.start()
    for i in range(50):
        await node.register(f"u{i}", "localhost", "secret")
    assert not await node.halt()
    path = os.path.join(node.dir, "data", "starling.db")
    db = sqlite3.connect(path)
    db.execute("pragma writable_schema = on")
    # An index that promises to be unique over rows that are not indexed: what a lost write looks like.
    root, = db.execute("select rootpage from sqlite_schema where name = 'kv_space'").fetchone()
    page, = db.execute("pragma page_size").fetchone()
    db.close()
    with open(path, "r+b") as f:
        f.seek((root - 1) * page + 8)
        f.write(b"\x00" * 64)
    await bench.start(node=node)
    out = await ctl(node, "store_check", code=1)
    assert "damaged" in out or "malformed" in out, out
    copy = os.path.join(node.dir, "copy.db")
    await ctl(node, "backup", copy, code=1)
    assert not os.path.exists(copy), "a damaged backup was left"


async def one_at_a_time_and_stopped(bench):
    """A node that is told to stop does not wait for a long backup."""
    node = await bench.start()
    assert not await node.halt()
    db = sqlite3.connect(os.path.join(node.dir, "data", "starling.db"))
    db.executemany("insert into kv(host, owner, space, version, value) values ('localhost', ?, 'vcard', 1, ?)",
                   ((f"ghost{i}", os.urandom(100000)) for i in range(800)))
    db.commit()
    db.close()
    await bench.start(node=node)
    copies = [os.path.join(node.dir, f"copy{i}.db") for i in range(2)]
    for _ in range(20):  # one may be over before the other one is asked for
        got = await asyncio.gather(node.ctl("backup", copies[0]), node.ctl("backup", copies[1]))
        for c in copies:
            if os.path.exists(c):
                os.unlink(c)
        if any(code for code, _, _ in got):
            break
    assert sorted(code for code, _, _ in got) == [0, 1], got
    assert "under way" in "".join(err for _, _, err in got), got
    backup = asyncio.create_task(node.ctl("backup", copies[0]))
    while not os.path.exists(copies[0]):
        await asyncio.sleep(0)
    begin = time.monotonic()
    await ctl(node, "stop")
    await backup
    await asyncio.wait_for(node.process.wait(), 10)
    assert time.monotonic() - begin < 8
    if os.path.exists(copies[0]):  # it was faster than the end
        assert sqlite3.connect(copies[0]).execute("pragma integrity_check").fetchone() == ("ok",), "half a backup was left"


CASES = {
    "a backup moves elsewhere": moves_elsewhere,
    "what is refused": refusals,
    "a store in memory": in_memory,
    "compaction": compaction,
    "damage is found": damage,
    "one at a time, and not for long": one_at_a_time_and_stopped,
}
