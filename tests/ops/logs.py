"""Logs: a file, its rotation, the audit of what administrators do."""
import asyncio
import json
import os
import re
import signal
import time

from harness import pages
from harness.client import Client, Unexpected
from reload import ctl, login, until


def text(path):
    with open(path) as f:
        return f.read()


async def rotation(bench):
    node = await bench.start({"log.file": "starling.log"})
    path = os.path.join(node.dir, "starling.log")
    assert "started" in text(path)
    os.rename(path, path + ".1")
    await ctl(node, "set_loglevel", "debug", "x1")
    assert "x1" in text(path + ".1") and not os.path.exists(path), "lines go to the file that was opened"
    await ctl(node, "reopen_log")
    await ctl(node, "set_loglevel", "debug", "x2")
    assert "x2" in text(path) and "x2" not in text(path + ".1")
    moved = json.loads(await ctl(node, "--json", "rotate_log"))["data"]
    assert moved.startswith("starling.log.20"), moved
    assert "x2" in text(os.path.join(node.dir, moved)) and "x2" not in text(path) and "command=rotate_log" in text(path)
    os.rename(path, path + ".2")
    node.process.send_signal(signal.SIGHUP)
    await until("SIGHUP opens it as well", lambda: os.path.exists(path))


async def without_a_file(bench):
    node = await bench.start()
    for command in ("reopen_log", "rotate_log"):
        assert "goes to no file" in await ctl(node, command, code=1)
    node.overrides["log.file"] = "gone/starling.log"
    os.mkdir(os.path.join(node.dir, "gone"))
    assert not await node.halt()
    await bench.start(node=node)
    os.unlink(os.path.join(node.dir, "gone/starling.log"))
    assert "cannot move the log file" in await ctl(node, "rotate_log", code=1)


async def audit(bench):
    node = await bench.start()
    await node.register("romeo", "localhost", "sesame")
    await ctl(node, "ban_account", "romeo", "localhost", "too", "loud")
    await ctl(node, "ban_account", "nobody", "localhost", code=1)
    await ctl(node, "send_message", "chat", "localhost", "romeo@localhost", "hush", "whisper")
    await ctl(node, "connected_users")
    lines = [line for line in node.log_text().splitlines() if "component=audit" in line]
    assert "sesame" not in node.log_text() and "whisper" not in node.log_text() and "hush" not in node.log_text()
    assert any("command=register_identified" in x and f'by="uid {os.getuid()}"' in x and "romeo localhost (hidden)" in x for x in lines), lines
    assert any("command=ban_account" in x and "too loud" in x and "code=0" in x for x in lines), lines
    assert any("command=ban_account" in x and "code=1" in x and "not registered" in x for x in lines), lines
    assert not any("connected_users" in x for x in lines), "who only looks is not in the audit log"
    await asyncio.gather(*(node.ctl("set_loglevel", "info", f"c{i}") for i in range(30)))  # more than a site may write a second
    assert sum("command=set_loglevel" in x for x in node.log_text().splitlines()) == 30, "an audit line was suppressed"


async def fail2ban(bench):
    """The filter of docs/administration.md finds the address of whoever guesses, and nobody else's; the time is the log's."""
    node = await bench.start({"log.file": "starling.log"})
    await node.register("romeo", "localhost", "secret")
    for user, mech in (("romeo", "PLAIN"), ("romeo", "SCRAM-SHA-256"), ("peer=192.0.2.1", "PLAIN")):
        try:
            await Client(user, node.endpoint, user, "localhost", "wrong", "r", mech=mech, tls="none" if mech != "PLAIN" else "starttls").connect()
            raise AssertionError("a wrong password was accepted")
        except Unexpected:
            pass
    client = await login(node, "romeo")
    await client.close()
    (text,) = pages.blocks(os.path.join(pages.ROOT, "docs", "administration.md"), "ini fail2ban")
    path = os.path.join(node.dir, "filter.conf")
    with open(path, "w") as f:
        f.write(text)
    p = await asyncio.create_subprocess_exec("fail2ban-regex", "-v", os.path.join(node.dir, "starling.log"), path, stdout=asyncio.subprocess.PIPE,
                                             env=dict(os.environ, TZ="America/St_Johns"))
    out = (await asyncio.wait_for(p.communicate(), 60))[0].decode()
    assert p.returncode == 0 and "Failregex: 3 total" in out, out
    found = re.findall(r"^\| +(\S+)  (\w.* \d{4})$", out, re.M)
    assert [address for address, _ in found] == ["127.0.0.1"] * 3, out
    os.environ["TZ"] = "America/St_Johns"
    time.tzset()
    try:
        ages = [time.time() - time.mktime(time.strptime(at)) for _, at in found]
    finally:
        del os.environ["TZ"]
        time.tzset()
    assert all(-5 < age < 600 for age in ages), (ages, out)


CASES = {"a file that is rotated": rotation, "without a file": without_a_file, "audit": audit, "fail2ban": fail2ban}
