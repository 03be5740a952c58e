"""A node whose accounts are in PostgreSQL, and a server that goes, comes, and is wrong. Each case has a server of its own."""
import asyncio
import json
import os
import signal

from harness import http, wire
from harness.certs import make_authority, make_certificate
from harness.postgres import Postgres
from harness.server import free_ports
from harness.starling import Starling
from reload import ctl, login


def on_server(case):
    """Gives the case a server, too."""
    async def run(bench):
        with Postgres() as server:
            await case(bench, server)
    return run


def node_on(server, database=None, **postgres):
    """A node that is not started. Its store is not the run's."""
    node = Starling()
    node.postgres = None
    node.overrides["store"] = server.options(database or server.create())
    node.overrides["store"]["postgres"].update(postgres)
    return node


async def answer(node, path):
    """What the stats endpoint says, or 0."""
    try:
        got = await http.get(node.endpoint["http"], path)
    except OSError:
        return 0
    return got.status if got else 0


async def until_answer(node, path, status, seconds=20):
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds * wire.PATIENCE
    while await answer(node, path) != status:
        assert loop.time() < deadline, f"{path} is {await answer(node, path)}, not {status}\n{node.log_tail()}"
        await asyncio.sleep(0.02)


async def metric(node, name):
    text = (await http.get(node.endpoint["http"], "/metrics")).text()
    found = [line.split() for line in text.splitlines() if line.startswith(name + " ")]
    assert len(found) == 1, (name, found)
    return float(found[0][1])


async def start_alone(node):
    """Without waiting for it to be ready."""
    with open(node.log_path, "ab") as log:
        return await asyncio.create_subprocess_exec(*node.prepare(), cwd=node.dir, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)


async def restart(bench, server):
    """What was stored is there for the next process, and for another node."""
    node = await bench.start(node=node_on(server))
    await node.register("romeo", "localhost", "secret")
    assert "store postgres works" in await ctl(node, "status")
    assert json.loads(await ctl(node, "--json", "status"))["data"]["store"] == "postgres"
    assert await metric(node, 'starling_store_connections{state="up"}') == 2
    assert not await node.halt()
    await bench.start(node=node)
    await (await login(node, "romeo")).close()
    other = await bench.start(node=node_on(server, node.overrides["store"]["postgres"]["database"]))
    await (await login(other, "romeo")).close()
    await ctl(other, "register_identified", "romeo", "localhost", "x", code=1)
    await (await login(node, "romeo")).close()


async def crashes(bench, server, sig):
    """Accounts are made while the server goes and comes; each that was answered can log in afterwards, and the node tells of its state."""
    node = await bench.start(node=node_on(server))
    made, over = [], asyncio.Event()

    async def go_on(who):
        for i in range(10000):
            code, _, _ = await node.ctl("register_identified", f"{who}{i}", "localhost", "secret")
            if code == 0:
                made.append(f"{who}{i}")
            if over.is_set():
                return
    busy = [asyncio.create_task(go_on(who)) for who in "abc"]
    for _ in range(3):
        enough = len(made) + 5
        while len(made) < enough:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(server.stop, sig)
        await until_answer(node, "/readyz", 503)
        assert await answer(node, "/healthz") == 200
        assert await metric(node, "starling_store_up") == 0
        await asyncio.to_thread(server.start)
        await until_answer(node, "/readyz", 200)
    over.set()
    await asyncio.gather(*busy)
    for user in made[::max(1, len(made) // 20)] + made[-3:]:
        await (await login(node, user)).close()
    listed = (await ctl(node, "registered_users", "localhost")).split()
    assert set(made) <= set(listed), set(made) - set(listed)
    assert "is sound" in await ctl(node, "store_check")


async def away_at_start(bench, server):
    node = node_on(server)
    database = node.overrides["store"]["postgres"]["database"]
    server.stop()
    process = await start_alone(node)
    try:
        await until_answer(node, "/healthz", 200)
        assert await answer(node, "/readyz") == 503
        assert "FAILS" in await ctl(node, "status")
        server.start()
        await until_answer(node, "/readyz", 200)
        await node.register("romeo", "localhost", "secret")
        await (await login(node, "romeo")).close()
        assert server.sql(database, "SELECT count(*) FROM starling.kv") != "0"
    finally:
        process.terminate()
        assert await process.wait() == 0, node.log_tail()
    bench.nodes.append(node)


async def full_at_start(bench, server):
    """A server that has no room for one more is waited for."""
    server.sql("postgres", "CREATE ROLE narrow LOGIN CONNECTION LIMIT 0")
    node = node_on(server, user="narrow")
    server.sql("postgres", f"ALTER DATABASE {node.overrides['store']['postgres']['database']} OWNER TO narrow")
    process = await start_alone(node)
    try:
        await until_answer(node, "/readyz", 503)
        assert "too many connections" in node.log_text() and process.returncode is None, node.log_tail()
        server.sql("postgres", "ALTER ROLE narrow CONNECTION LIMIT -1")
        await until_answer(node, "/readyz", 200)
        await node.register("romeo", "localhost", "secret")
    finally:
        if process.returncode is None:
            process.terminate()
        assert await process.wait() == 0, node.log_tail()
    bench.nodes.append(node)


async def never_comes(bench, server):
    node = node_on(server, start_wait="1s")
    server.stop()
    process = await start_alone(node)
    code = await asyncio.wait_for(process.wait(), 30 * wire.PATIENCE)
    text = node.log_text()
    assert code == 1, (code, text)
    assert "the server did not come" in text and server.dir in text, text
    bench.nodes.append(node)


async def mistakes(bench, server):
    """What is wrong is said at once, in words that name it."""
    for options, named in (({"database": "nothing"}, 'database "nothing" does not exist'), ({"user": "mallory"}, 'role "mallory"'),
                           ({"uri": "postgresql://["}, "URI")):
        node = node_on(server, **options)
        process = await start_alone(node)
        code = await asyncio.wait_for(process.wait(), 30 * wire.PATIENCE)
        assert code == 1 and named in node.log_text().replace('\\"', '"'), (code, node.log_text())
        bench.nodes.append(node)
    database = server.create()
    node = await bench.start(node=node_on(server, database))
    assert not await node.halt()
    server.sql(database, "INSERT INTO starling.migrations(version) VALUES(4711)")
    process = await start_alone(node)
    assert await asyncio.wait_for(process.wait(), 30 * wire.PATIENCE) == 1
    assert "version 4711" in node.log_text() and "newer starling" in node.log_text(), node.log_text()


async def care(bench, server):
    """Copies are the server's: the command that the refusal names makes one that a node can live on."""
    node = await bench.start(node=node_on(server))
    await node.register("romeo", "localhost", "secret")
    database = node.overrides["store"]["postgres"]["database"]
    assert "pg_dump" in await ctl(node, "backup", "/tmp/never", code=1)
    assert "is sound" in await ctl(node, "store_check")
    assert json.loads(await ctl(node, "--json", "store_vacuum"))["data"]["bytes"] > 0
    copy = os.path.join(server.dir, "copy")
    server.run("pg_dump", "-h", server.dir, "-U", "starling", "--format=custom", "--file", copy, database)
    other = server.create()
    server.run("pg_restore", "-h", server.dir, "-U", "starling", "-d", other, copy)
    node = await bench.start(node=node_on(server, other))
    await (await login(node, "romeo")).close()
    await node.register("juliet", "localhost", "secret")
    server.sql(other, "UPDATE starling.kv SET version = version * 2")
    assert "damaged" in await ctl(node, "store_check", code=1)


async def over_tls(bench, server):
    """By TCP, with TLS that proves whom the node talks to and a password from a file; without the right authority nobody is told it."""
    make_authority(server.dir)
    certificate, key = make_certificate(server.dir, "server", ["localhost"], "rsa")
    port, = free_ports(1)
    with open(os.path.join(server.data, "pg_hba.conf"), "w") as f:
        f.write("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\nhostssl all all ::1/128 scram-sha-256\n")
    os.chmod(key, 0o600)
    if server.as_user:
        os.chown(key, server.as_user.pw_uid, server.as_user.pw_gid)
    for name, value in (("ssl", "on"), ("ssl_cert_file", certificate), ("ssl_key_file", key)):
        server.sql("postgres", f"ALTER SYSTEM SET {name} = '{value}'")
    server.sql("postgres", "ALTER USER starling PASSWORD 'a secret of the store'")
    server.listen, server.port = "localhost", port
    server.stop()
    server.start()
    secret = os.path.join(server.dir, "secret")
    with open(secret, "w") as f:
        f.write("a secret of the store\n")
    tcp = {"host": "localhost", "port": port, "tls": "verify-full", "password": {"file": secret}}
    node = await bench.start(node=node_on(server, **tcp, root_certificate=os.path.join(server.dir, "ca.pem")))
    await node.register("romeo", "localhost", "secret")
    encrypted = "SELECT count(*) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.application_name = 'starling'"
    assert server.sql("postgres", encrypted) == "2"
    assert "a secret" not in await ctl(node, "dump_config")
    foreign = os.path.join(server.dir, "foreign")
    os.mkdir(foreign)
    wrong = node_on(server, **tcp, root_certificate=make_authority(foreign), start_wait="500ms")
    process = await start_alone(wrong)
    assert await asyncio.wait_for(process.wait(), 30 * wire.PATIENCE) == 1
    assert "certificate verify failed" in wrong.log_text(), wrong.log_text()
    bench.nodes.append(wrong)
    with open(secret, "w") as f:
        f.write("not the password\n")
    wrong = node_on(server, **tcp, root_certificate=os.path.join(server.dir, "ca.pem"))
    process = await start_alone(wrong)
    assert await asyncio.wait_for(process.wait(), 30 * wire.PATIENCE) == 1
    assert "password authentication failed" in wrong.log_text() and "not the password" not in wrong.log_text(), wrong.log_text()
    bench.nodes.append(wrong)


CASES = {
    "a restart finds the accounts": on_server(restart),
    "the server is killed": on_server(lambda bench, server: crashes(bench, server, signal.SIGKILL)),
    "the server stops fast": on_server(lambda bench, server: crashes(bench, server, signal.SIGINT)),
    "a server that is away at the start": on_server(away_at_start),
    "a server that has no room at the start": on_server(full_at_start),
    "a server that never comes": on_server(never_comes),
    "mistakes are named": on_server(mistakes),
    "copies, check, vacuum": on_server(care),
    "TLS and a password": on_server(over_tls),
}
