"""The admin API: tokens and roles, ceilings, the audit log, and its OpenAPI document, from which a client makes its calls."""
import asyncio
import json
import os
import re

import jsonschema
from harness import http
from harness.client import Client
from harness.starling import Starling

ADMIN, READER, KICKER = "an-admin-secret-1", "a-reader-secret-1", "a-kicker-secret-1"
JSON = {"Content-Type": "application/json"}


def config(node):
    """Tokens: one from a file, as secrets should be."""
    path = os.path.join(node.dir, "kicker.secret")
    with open(path, "w") as f:
        f.write(KICKER + "\n")
    return {"enabled": True, "port": node.endpoint["api"], "rate": 50, "burst": 100, "admin_token": ADMIN, "tokens": [
        {"name": "watch", "secret": READER}, {"name": "kick", "secret": {"file": path}, "role": "admin", "commands": ["kick_user", "status"]}]}


async def with_api(check):
    node = Starling()
    node.tag = "a"
    node.overrides["api"] = config(node)
    try:
        await node.start()
        await check(node)
    finally:
        problems = await node.stop()
    assert not problems, problems


async def call(node, command, body=None, token=ADMIN, status=200, **fields):
    fields = {**({"Authorization": "Bearer " + token} if token else {}), **(JSON if body is not None else {}), **fields}
    got = await http.get(node.endpoint["api"], "/api/" + command, "POST", fields, b"" if body is None else json.dumps(body).encode())
    assert got.status == status, (command, body, got.status, got.body)
    assert got.fields["content-type"] == "application/json", got.fields
    reply = got.json()
    assert set(reply) == {"code", "text", "data"} and (reply["code"] == 0) == (status == 200), reply
    return reply


async def commands(_):
    """By name, by list, with options; refusals of the command and of the body."""
    async def check(node):
        for i, args in enumerate(({"user": "a1", "host": "localhost", "password": "pass-word-1"}, ["a2", "localhost", "pass-word-2"])):
            assert "registered" in (await call(node, "register_identified", {"args": args}))["text"], i
        got = await call(node, "registered_users", {"args": {"host": "localhost"}})
        assert got["data"] == ["a1", "a2"], got
        for body in ({"args": {"host": "localhost", "limit": 1}}, {"args": ["localhost"], "options": {"limit": "1"}}):
            assert (await call(node, "registered_users", body))["data"] == ["a1"], body
        assert (await call(node, "status"))["data"]["status"] == "running"
        a = await Client("a", node.endpoint, "a1", "localhost", "pass-word-1", "x").connect()
        assert (await call(node, "connected_users"))["data"] == ["a1@localhost/x"]
        await call(node, "kick_user", {"args": ["a1", "localhost"]})
        assert (await a.next())[0] in ("stanza", "close", "eof")
        a.abort()
        got = await call(node, "register_identified", {"args": ["a1", "localhost", "x"]}, status=422)
        assert "already" in got["text"], got
        for wrong in ({"args": ["a1"]}, {"args": {"host": "localhost", "password": "x"}}, {"args": {"user": "u", "host": "h", "shoe": "s"}},
                      {"args": {"user": ["u"], "host": "localhost", "password": "x"}}, {"args": "a1"}, {"arguments": []}, [], 5,
                      {"args": ["x"] * 17}, {"args": ["a1", "localhost", "x"], "options": {"limit": 1}}, {"args": {}, "options": []}):
            await call(node, "register_identified", wrong, status=400)
        got = await http.get(node.endpoint["api"], "/api/status", "POST", {"Authorization": "Bearer " + ADMIN, **JSON}, b'{"args": [')
        assert got.status == 400 and "JSON" in got.text(), got.body
        await call(node, "status", {}, status=415, **{"Content-Type": "text/plain"})
        got = await http.get(node.endpoint["api"], "/api/register", "POST", {"Authorization": "Bearer " + ADMIN, **JSON},
                             json.dumps({"args": ["localhost", "x" * 1100000]}).encode())
        assert got.status == 413, got.status
    await with_api(check)


async def roles(_):
    async def check(node):
        await call(node, "status", token=READER)
        await call(node, "status", token=KICKER)
        await call(node, "register_identified", {"args": ["b", "localhost", "x"]}, token=READER, status=403)
        await call(node, "check_password", {"args": ["b", "localhost", "x"]}, token=READER, status=403)
        await call(node, "connected_users", token=KICKER, status=403)
        await call(node, "kick_user", {"args": ["b", "localhost"]}, token=KICKER)
        await call(node, "nothing", status=404)
        await call(node, "completion", status=404)
        got = await http.get(node.endpoint["api"], "/api/status", "GET", {"Authorization": "Bearer " + ADMIN})
        assert (got.status, got.fields["allow"]) == (405, "POST"), got.status
        assert (await http.get(node.endpoint["http"], "/api/status", "POST")).status == 404
    await with_api(check)


async def strangers(_):
    """Without a right token: 401 with a challenge, then 429; right ones go on meanwhile."""
    async def check(node):
        statuses = []
        for token in (None, "", "wrong", ADMIN + "x", ADMIN[:-1], "x" * 4000, *["guess-number-%d" % i for i in range(10)]):
            got = await http.get(node.endpoint["api"], "/api/status", "POST", {} if token is None else {"Authorization": "Bearer " + token})
            statuses.append(got.status)
            assert got.status == 429 or got.fields["www-authenticate"].startswith("Bearer"), got.fields
        assert statuses[:10] == [401] * 10 and statuses[-1] == 429, statuses
        await call(node, "status")
        await call(node, "status", token=None, status=429, Authorization="Basic YWRtaW46YWRtaW4=")
        assert "wrong token" in node.log_text() and "peer=127.0.0.1" in node.log_text()
    await with_api(check)


async def pace(_):
    """All calls in one piece: a slow machine that asked one after the other would never be too fast."""
    async def check(node):
        async with http.Http(node.endpoint["api"]) as h:
            call_text = f"POST /api/get_loglevel HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READER}\r\nContent-Length: 0\r\n\r\n"
            h.send(call_text.encode() * 250)
            statuses = [(await h.reply()).status for _ in range(250)]
        assert statuses[:100] == [200] * 100 and 429 in statuses, statuses
        await call(node, "status")  # another token has a bucket of its own
    await with_api(check)


async def audit(_):
    """Who did what, over HTTP and over the socket; no password and no token is ever logged."""
    async def check(node):
        await call(node, "register_identified", {"args": ["logged", "localhost", "hush-hush-1"]})
        await call(node, "status", token=READER)
        await node.ctl("change_password", "logged", "localhost", "hush-hush-2")
        lines = [line for line in node.log_text().splitlines() if "component=audit" in line]
        assert any("command=register_identified" in x and 'by="token admin"' in x and "logged localhost (hidden)" in x for x in lines), lines
        assert any("command=change_password" in x and 'by="uid' in x for x in lines), lines
        calls = [line for line in node.log_text().splitlines() if "component=api" in line and "msg=call" in line]
        assert any("command=status" in x and 'token="token watch"' in x and "status=200" in x for x in calls), calls
        for secret in ("hush-hush", ADMIN, READER):
            assert secret not in node.log_text(), secret
    await with_api(check)


async def reloaded(_):
    """A reload brings new tokens and takes old ones away."""
    async def check(node):
        path = os.path.join(node.dir, "starling.yml")
        with open(path) as f:
            text = f.read()
        with open(path, "w") as f:
            f.write(text.replace(ADMIN, "another-admin-secret"))
        code, out, err = await node.ctl("reload_config")
        assert code == 0, (out, err)
        await call(node, "status", status=401)
        await call(node, "status", token="another-admin-secret")
    await with_api(check)


async def stopping(_):
    """The `stop` command is answered before the node goes, and so is what was asked just before it."""
    async def check(node):
        slow = [asyncio.create_task(call(node, "register_identified", {"args": [f"s{i}", "localhost", "a-pass-word"]})) for i in range(5)]
        await asyncio.sleep(0)
        assert (await call(node, "stop"))["code"] == 0
        for t in slow:
            try:
                assert (await t)["code"] == 0
            except AssertionError as err:
                assert "503" in str(err), err  # it came after
        await asyncio.wait_for(node.process.wait(), 10)
    await with_api(check)


async def off(server):
    """Not there unless asked for."""
    try:
        await http.get(server.endpoint["api"], "/api/status", "POST")
    except OSError:
        return
    raise AssertionError("something listens on the API's port")


async def short_secret(_):
    node = Starling(overrides={"api": {"enabled": True, "admin_token": "short"}})
    command = node.prepare()
    p = await asyncio.create_subprocess_exec(command[0], "--check-config", command[2], stderr=asyncio.subprocess.PIPE)
    _, err = await p.communicate()
    assert p.returncode == 78 and b"api.admin_token" in err and b"short" not in err.split(b"api.admin_token")[1], err
    await node.stop()


# ---- the OpenAPI document ----
def check_schema(schema):
    """What OpenAPI 3.0 makes of JSON schema: no lists of types, `required` never empty."""
    if isinstance(schema, dict):
        assert isinstance(schema.get("type", ""), (str, dict)), schema
        assert schema.get("required", True) or isinstance(schema.get("required"), bool), schema
        for v in schema.values():
            check_schema(v)
    elif isinstance(schema, list):
        for v in schema:
            check_schema(v)


def example(schema, values):
    """A body that fits: required arguments by name."""
    named = schema["properties"]["args"]["oneOf"][0]
    return {"args": {name: values.get(name, "x") for name in named.get("required", [])}}


async def document(_):
    """A client that knows nothing but the document calls every command that only reads."""
    async def check(node):
        got = await http.get(node.endpoint["api"], "/api/openapi.json")
        doc = got.json()
        assert got.status == 200 and doc["openapi"].startswith("3.0."), got.status
        assert set(doc) == {"openapi", "info", "servers", "security", "paths", "components"}, doc.keys()
        assert doc["security"] == [{"token": []}] and doc["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
        _, out, _ = await node.ctl("help")
        shown = set(re.findall(r"^  (\w+)  ", out, re.M))
        described = {path[len("/api/"):] for path in doc["paths"]}
        assert len(described) > 25 and described <= shown, described - shown
        ids, called = set(), 0
        reply_schema = doc["components"]["schemas"]["Reply"]
        for path, item in doc["paths"].items():
            op = item["post"]
            assert op["operationId"] not in ids and op["summary"] and op["tags"], path
            ids.add(op["operationId"])
            assert all(r["description"] for r in op["responses"].values()) and "200" in op["responses"], path
            schema = op["requestBody"]["content"]["application/json"]["schema"]
            check_schema(schema)
            jsonschema.Draft4Validator.check_schema(schema)
            body = example(schema, {"host": "localhost", "days": 9999})
            jsonschema.validate(body, schema, jsonschema.Draft4Validator)
            if not op["x-starling-reads"]:
                continue
            got = await http.get(node.endpoint["api"], path, "POST", {"Authorization": "Bearer " + ADMIN, **JSON}, json.dumps(body).encode())
            assert got.status in (200, 422) or "number" in got.text(), (path, body, got.status, got.body)
            assert {"code", "text", "data"} == set(got.json()) == set(reply_schema["required"]), got.body
            called += 1
        assert called > 8, called
    await with_api(check)


CASES = {
    "api: commands by name and by list": commands,
    "api: roles": roles,
    "api: strangers": strangers,
    "api: pace of a token": pace,
    "api: audit log": audit,
    "api: tokens after a reload": reloaded,
    "api: stop": stopping,
    "api: off by default": off,
    "api: short secrets are refused": short_secret,
    "api: OpenAPI document": document,
}
