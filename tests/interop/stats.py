"""The stats endpoint: health, metrics that Prometheus takes and that tell the truth, the page in Chromium, alert rules and the dashboard."""
import asyncio
import json
import os
import random
import re
import shutil
import signal
import socket
import tempfile
import urllib.parse

from harness import http, pages, wire
from harness.browser import Browser
from harness.client import Client
from harness.server import free_ports
from harness.starling import ROOT, binary
from program import with_cluster, with_node
from prometheus_client.openmetrics.parser import text_string_to_metric_families

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
ALERTS = os.path.join(ROOT, "docker/prometheus/alerts.yml")
DASHBOARD = os.path.join(ROOT, "docker/grafana/dashboard.json")


def port(server):
    return server.endpoint["http"]


async def run(*command, given=b""):
    p = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                                             stderr=asyncio.subprocess.STDOUT)
    out, _ = await asyncio.wait_for(p.communicate(given), 30 * wire.PATIENCE)
    return p.returncode, out.decode()


async def samples(server):
    """{(name, labels as sorted pairs): value} of a scrape."""
    families = text_string_to_metric_families((await http.get(port(server), "/metrics")).text())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def total(found, name, **labels):
    return sum(v for (n, pairs), v in found.items() if n == name and set(labels.items()) <= set(pairs))


async def until(check, what, seconds=10):
    """Waits for `await check()` to answer with nothing: what is still wrong."""
    deadline = asyncio.get_running_loop().time() + seconds * wire.PATIENCE
    while wrong := await check():
        assert asyncio.get_running_loop().time() < deadline, f"{what}: {wrong}"
        await asyncio.sleep(0.05)


# ---- the server ----
async def health(server):
    async with http.Http(port(server)) as h:
        for path, text in (("/healthz", "alive\n"), ("/readyz", "ready\n")):
            got = await h.request("GET", path)
            assert (got.status, got.text()) == (200, text), (path, got.status, got.body)
            got = await h.request("HEAD", path)
            assert (got.status, got.fields["content-length"], got.body) == (200, str(len(text)), b""), got.fields
        got = await h.request("GET", "/nothing")
        assert got.status == 404, got.status
        got = await h.request("DELETE", "/metrics")
        assert (got.status, got.fields["allow"]) == (405, "GET, HEAD"), (got.status, got.fields)
        got = await h.request("GET", "/?x=y", {"Connection": "close"})
        assert (got.status, got.fields["connection"], await h.reply()) == (200, "close", None)
        assert "frame-ancestors 'none'" in got.fields["content-security-policy"], got.fields
        assert "unsafe" not in got.fields["content-security-policy"], got.fields
        assert got.fields["x-content-type-options"] == "nosniff", got.fields


async def pipelined(server):
    async with http.Http(port(server)) as h:
        h.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50 + b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = [await h.reply() for _ in range(52)]
        assert [g.text() for g in got[:50]] == ["alive\n"] * 50 and got[50].text() == "ready\n" and got[51] is None, got


async def ceilings(server):
    for sent, status in ((b"GET / HTTP/1.1\r\nX: " + b"a" * 20000, 431), (b"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n", 413),
                         (b"<stream:stream>\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400)):
        async with http.Http(port(server)) as h:
            h.send(sent)
            got = await h.reply()
            assert got and got.status == status and await h.reply() is None, (sent[:30], got and got.status)


async def many_connections(server):
    """Idle ones make room for newcomers; busy ones do not, and a newcomer is told so."""
    idle = [await http.Http(port(server)).__aenter__() for _ in range(80)]
    try:
        assert (await http.get(port(server), "/readyz")).status == 200
        for h in idle[17:]:  # 16 made room for others, one for the request above
            h.send(b"GET /healthz HTTP/1.1\r\n")

        async def not_refused():
            idle.append(await http.Http(port(server)).__aenter__())
            idle[-1].send(b"GET /healthz HTTP/1.1\r\n")
            try:
                got = await asyncio.wait_for(idle[-1].reply(), 0.3)
                return got is not None and got.status != 503
            except asyncio.TimeoutError:
                return True
        await until(not_refused, "a newcomer is refused")
        served = 0
        for h in idle[17:-1]:  # those that were no longer idle when the newcomers came
            h.send(b"Host: x\r\n\r\n")
            got = await h.reply()
            served += got is not None and got.status == 200
        assert served >= 32, served
    finally:
        for h in idle:
            h.writer.close()


async def slow_request(_):
    """A request that does not come to its end within ten seconds is told so."""
    async def check(node):
        async with http.Http(port(node)) as h:
            h.send(b"GET /healthz HTTP/1.1\r\n")
            got = await h.reply()
            assert got.status == 408 and await h.reply() is None, got.status
    await with_node(check)


async def draining(_):
    """From SIGTERM to the end readiness is false and the process lives: balancers see it go."""
    async def check(node):
        slow = socket.create_connection((node.address, node.endpoint["plain"]))
        slow.sendall(b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
        assert await asyncio.to_thread(slow.recv, 100)
        node.process.send_signal(signal.SIGTERM)

        async def wrong():
            got = await http.get(port(node), "/readyz")
            return None if (got.status, got.text()) == (503, "draining\n") else (got.status, got.body)
        await until(wrong, "draining", 4)
        assert (await http.get(port(node), "/healthz")).status == 200
        assert total(await samples(node), "starling_ready") == 0
        slow.close()
    await with_node(check)


async def default_port_taken(_):
    """A second node on a machine needs no care; one whose configuration names a taken port says so and ends."""
    taken = socket.create_server(("127.0.0.1", 0))
    try:
        async def check(node):
            assert (await http.get(port(node), "/readyz")).status == 200
        await with_node(check)
        with tempfile.TemporaryDirectory() as d:
            config = os.path.join(d, "s.yml")
            with open(config, "w") as f:
                f.write(f"data_dir: {d}/data\nlisten: [{{port: {free_ports(1)[0]}}}]\nhttp: {{port: {taken.getsockname()[1]}}}\n")
            code, out = await run(binary(), "--config", config)
            assert code == 1 and "cannot listen on 127.0.0.1 port" in out, (code, out)
    finally:
        taken.close()


# ---- metrics ----
async def formats(server):
    got = await http.get(port(server), "/metrics")
    assert got.fields["content-type"] == OPENMETRICS, got.fields
    assert got.text().endswith("# EOF\n"), got.text()[-200:]
    names = {f.name for f in text_string_to_metric_families(got.text())}
    assert len(names) > 40, names
    plain = await http.get(port(server), "/metrics", fields={"Accept": "text/plain"})
    assert plain.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8", plain.fields
    code, out = await run("promtool", "check", "metrics", given=plain.body)
    assert (code, out) == (0, ""), out
    code, out = await run(binary(), "--print-metrics")
    listed = set(re.findall(r"^\| `(\w+)`", out, re.M))
    shown = {re.sub(r"_(bucket|sum|count)$", "", n) for n, _ in await samples(server)}
    assert code == 0 and shown <= listed, shown - listed


async def mixed_clients(node, n, turn):
    """n bound clients on every transport and two hosts; [(client, host, transport)]."""
    kinds = [("none", "plain"), ("starttls", "starttls"), ("direct", "direct-tls")]
    made = []
    for i in range(n):
        tls, transport = kinds[i % 3]
        host = ("localhost", "anon.localhost")[i % 2]
        c = Client(f"c{i}", node.endpoint, f"storm{i % 5}", host, "secret", f"r{turn}-{i}", tls=tls, anonymous=host == "anon.localhost")
        made.append((c, host, transport))
    await asyncio.gather(*(c.connect() for c, _, _ in made))
    return made


async def half_open(node, rng):
    """A client that stops somewhere in its negotiation."""
    c = Client("half", node.endpoint, "storm1", "localhost", "secret", tls=rng.choice(["none", "starttls", "direct"]))
    await rng.choice([c.open_connection, c.open_stream, c.negotiate_tls, c.authenticate])()
    return c


async def storm(_):
    """Gauges equal the truth after connects, kicks, kills and half-done logins; counters account for what was sent."""
    rng = random.Random(4)

    async def check(node):
        for i in range(5):
            await node.register(f"storm{i}", "localhost", "secret")
        stay = []
        for turn in range(3):
            made = await mixed_clients(node, 30, turn)
            half = await asyncio.gather(*(half_open(node, rng) for _ in range(12)))
            stay, go = stay + made[:6], made[6:]
            for c, _, _ in go[::2]:
                c.abort()
            await asyncio.gather(*(c.close() for c, _, _ in go[1::2]))
            for c in half:
                c.abort()
            await node.ctl("kick_user", "storm3", "localhost")
            stay = [s for s in stay if not s[0].jid.startswith("storm3@")]
        truth = {}
        for _, host, transport in stay:
            truth[host, transport] = truth.get((host, transport), 0) + 1

        async def wrong():
            found = await samples(node)
            seen = {(dict(p)["host"], dict(p)["transport"]): v for (n, p), v in found.items() if n == "starling_sessions" and v}
            if seen != truth:
                return f"{seen}, not {truth}"
            figures = [total(found, "starling_connections"), total(found, "starling_holds"), total(found, "starling_memory_bytes", kind="output")]
            return figures != [len(stay), 0, 0] and f"connections, holds, output: {figures}"
        await until(wrong, "the gauges are true")
        for c, _, _ in stay:
            c.abort()

        async def left():
            found = await samples(node)
            gone = ("starling_sessions", "starling_connections", "starling_memory_bytes", "starling_holds", "starling_store_waiting_ops",
                    "starling_pool_waiting_jobs", "starling_worker_mailbox_messages")
            assert {k[0] for k in found} >= set(gone), "a gauge has another name"
            return {k: v for k, v in found.items() if k[0] in gone and v}
        await until(left, "everything is given back")
        found = await samples(node)
        accepted, logins = total(found, "starling_connections_accepted_total"), total(found, "starling_logins_total")
        assert accepted >= 126 and logins >= 90, (accepted, logins)
    await with_node(check)


async def counts(_):
    """What two clients did is what the counters say, the histogram of deliveries included."""
    async def check(node):
        await node.register("a", "localhost", "secret")
        await node.register("b", "localhost", "secret")
        a = await Client("a", node.endpoint, "a", "localhost", "secret", "x", mech="SCRAM-SHA-256").connect()
        b = await Client("b", node.endpoint, "b", "localhost", "secret", "y", tls="direct", mech="SCRAM-SHA-1").connect()
        before = await samples(node)
        for i in range(20):
            await a.send(f"<message to='{b.jid}' type='chat'><body>{i}</body></message>")
        for i in range(20):
            await b.expect_stanza("client", "message")
        await a.send("<message to='nobody@nowhere.example' type='chat'><body>x</body></message>")
        await a.expect_stanza("client", "message")
        wrong = Client("w", node.endpoint, "a", "localhost", "wrong", mech="SCRAM-SHA-512")
        try:
            await wrong.connect()
            raise AssertionError("a wrong password was accepted")
        except AssertionError:
            raise
        except Exception:
            wrong.abort()

        async def differs():
            found = await samples(node)
            more = lambda name, **labels: total(found, name, **labels) - total(before, name, **labels)  # noqa: E731
            seen = [more("starling_stanzas_in_total", kind="message"), more("starling_stanzas_out_total", kind="message"),
                    more("starling_delivery_seconds_count", kind="message"), more("starling_stanzas_bounced_total", condition="remote-server-not-found"),
                    more("starling_login_failures_total", mechanism="SCRAM-SHA-512"), more("starling_tls_handshakes_total", version="1.3")]
            return seen != [21, 21, 21, 1, 1, 1] and seen
        await until(differs, "in, out, timed, bounced, failed logins, handshakes")
        found = await samples(node)
        assert total(found, "starling_logins_total", mechanism="SCRAM-SHA-256") == 1, found
        assert total(found, "starling_sessions", host="localhost", transport="starttls") == 1, found
        assert 0 < total(found, "starling_delivery_seconds_sum", kind="message") < 21 * 5, found
        assert total(found, "starling_store_op_seconds_count") >= 4, found
        await a.close()
        await b.close()
        await offline_counts(node)
    await with_node(check)


async def offline_counts(node):
    """As many are stored as were sent to who is away, and as many delivered as he got."""
    await node.register("c", "localhost", "secret")
    a = await Client("a", node.endpoint, "a", "localhost", "secret", "x").connect()
    before = await samples(node)
    for i in range(7):
        await a.send(f"<message to='c@localhost' type='chat'><body>{i}</body></message>")

    async def differs(stored, delivered):
        found = await samples(node)
        seen = [total(found, f"starling_offline_{w}_total") - total(before, f"starling_offline_{w}_total") for w in ("stored", "delivered")]
        return seen != [stored, delivered] and seen
    await until(lambda: differs(7, 0), "stored")
    c = await Client("c", node.endpoint, "c", "localhost", "secret", "z").connect()
    await c.send("<presence/>")
    for i in range(7):
        await c.await_stanza(lambda e: e.name == "message", f"message {i}")
    ping = await c.await_stanza(lambda e: e.name == "iq" and e.get("type") == "get", "what asks whether they came")
    assert not await differs(7, 0), "they counted as delivered before the client had them"
    await c.send(f"<iq type='result' id='{ping.get('id')}'/>")
    await until(lambda: differs(7, 7), "delivered")
    await a.close()
    await c.close()


async def limits_by_name(_):
    """Who asks too many people, and a roster that shared groups would overfill: each under its name."""
    async def check(node):
        for user in "abcd":
            await node.register(user, "localhost", "secret")
        a = await Client("a", node.endpoint, "a", "localhost", "secret", "x").connect()
        for user in "bcd":
            await a.send(f"<presence to='{user}@localhost' type='subscribe'/>")
        await a.await_stanza(lambda e: e.name == "presence" and e.get("type") == "error", "the third request is refused")
        for command in ("srg_create g localhost G G", "srg_user_add b localhost g localhost", "srg_user_add c localhost g localhost",
                        "srg_user_add a localhost g localhost"):
            code, out, err = await node.ctl(*command.split())
            assert code == 0, (command, out, err)

        async def differs():
            found = await samples(node)
            seen = [total(found, "starling_limits_hit_total", limit=name) for name in ("subscription-rate", "roster-shared")]
            return not (seen[0] == 1 and seen[1] >= 1) and seen
        await until(differs, "limits hit, by name")
        await a.close()
    await with_node(check, overrides={"modules.roster.request_burst": 2, "modules.roster.request_rate": 1, "modules.roster.shared": 1})


# ---- Prometheus and Grafana ----
async def prometheus(_):
    """A real one scrapes two nodes, and its rules work on what it found."""
    await with_cluster(lambda _, *nodes: scraped_by_prometheus(nodes))


async def scraped_by_prometheus(nodes):
    d = tempfile.mkdtemp(prefix="prometheus-test-")
    (own,) = free_ports(1)
    targets = ", ".join(f"'127.0.0.1:{port(n)}'" for n in nodes)
    with open(os.path.join(d, "prometheus.yml"), "w") as f:
        f.write(f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{ALERTS}']\n"
                f"scrape_configs: [{{job_name: starling, static_configs: [{{targets: [{targets}]}}]}}]\n")
    p = await asyncio.create_subprocess_exec("prometheus", f"--config.file={d}/prometheus.yml", f"--storage.tsdb.path={d}/data",
                                             f"--web.listen-address=127.0.0.1:{own}", "--log.level=warn", cwd=d,
                                             stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
    try:
        async def ask(query):
            got = (await http.get(own, "/api/v1/query?query=" + urllib.parse.quote(query))).json()
            assert got["status"] == "success", (query, got)
            return got["data"]["result"]

        async def wrong():
            try:
                ready = await http.get(own, "/-/ready")
                if ready.status != 200:
                    return ready.text()
                targets = (await http.get(own, "/api/v1/targets")).json()["data"]["activeTargets"]
                bad = [t["lastError"] for t in targets if t["health"] != "up"]
                return bad or not targets or not await ask("starling_ready==1") or not await ask("starling_delivery_seconds_bucket")
            except OSError as err:
                return str(err)
        await until(wrong, "Prometheus is content", 40)
        rules = (await http.get(own, "/api/v1/rules")).json()["data"]["groups"]
        assert sum(len(g["rules"]) for g in rules) > 16 and all(r["health"] in ("ok", "unknown") for g in rules for r in g["rules"]), rules
        used = await metric_names_of_files()
        for name in sorted(used):
            assert name in await all_names(own), f"{name} is in the rules or the dashboard, but not in what was scraped"

        async def hollow():
            """Panels that would show nothing: all but those that hide what is 0."""
            shown = [(title, expr, await ask(expr)) for title, expr in dashboard_queries()]
            return [(title, expr) for title, expr, found in shown if not found and not expr.endswith("> 0")]
        await until(hollow, "every panel of the dashboard shows something", 40)
    finally:
        p.terminate()
        await p.wait()
        shutil.rmtree(d, ignore_errors=True)


def dashboard_queries():
    """(panel, expression) for all, with the dashboard's variables filled in."""
    with open(DASHBOARD) as f:
        panels = json.load(f)["panels"]
    found = [(p["title"], t["expr"].replace("$instance", ".*").replace("$__rate_interval", "1m")) for p in panels for t in p.get("targets", [])]
    assert len(found) > 30 and not any("$" in expr for _, expr in found), found
    return found


async def all_names(own):
    return set((await http.get(own, "/api/v1/label/__name__/values")).json()["data"])


async def metric_names_of_files():
    names = set()
    for path in (ALERTS, DASHBOARD):
        with open(path) as f:
            names |= set(re.findall(r"\b(?:starling|process)_[a-z_]+\b", f.read()))
    return names - {"starling_page"}


async def rules(_):
    code, out = await run("promtool", "check", "rules", ALERTS)
    assert code == 0, out
    code, out = await run("promtool", "test", "rules", os.path.join(ROOT, "docker/prometheus/alerts_test.yml"))
    assert code == 0, out
    for text in pages.blocks(os.path.join(ROOT, "docs", "metrics.md"), "yaml prometheus"):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
            f.write(text)
            f.flush()
            code, out = await run("promtool", "check", "config", f.name)
            assert code == 0, out
    with open(DASHBOARD) as f:
        panels = json.load(f)["panels"]
    code, out = await run(binary(), "--print-metrics")
    assert code == 0
    labels = {name: set(filter(None, of.split(", "))) for name, of in re.findall(r"^\| `(\w+)` \| \w+ \| ([^|]*?) \|", out, re.M)}
    with open(ALERTS) as f:
        queries = dashboard_queries() + [("alert", e) for e in re.findall(r"expr: (.*)", f.read())]
    for title, expr in queries:
        known = {"instance", "job", "le"}.union(*(labels.get(re.sub(r"_(bucket|sum|count)$", "", n), set()) for n in re.findall(r"\b(?:starling|process)_\w+", expr)))
        used = {w.strip() for by in re.findall(r"by \(([^)]*)\)", expr) for w in by.split(",")} | set(re.findall(r"(\w+)\s*=~?\s*\"", expr))
        assert used <= known, f"{title}: {expr}: there is no label {used - known}"
    ids = [p["id"] for p in panels]
    assert len(panels) > 8 and len(set(ids)) == len(ids), ids
    for p in panels:
        assert p["title"] and (p["type"] == "row" or p["targets"]), p


# ---- the page ----
async def page(server):
    """What a person sees, with messages flowing; the picture goes to the build folder, for a look."""
    await server.register(f"p1-{server.tag}", "localhost", "secret")
    await server.register(f"p2-{server.tag}", "localhost", "secret")
    a = await Client("a", server.endpoint, f"p1-{server.tag}", "localhost", "secret", "x").connect()
    b = await Client("b", server.endpoint, f"p2-{server.tag}", "localhost", "secret", "y", tls="direct").connect()

    async def chat():
        while True:
            await a.send(f"<message to='{b.jid}' type='chat'><body>hello</body></message>")
            await b.expect_stanza("client", "message")
            await asyncio.sleep(0.02)
    flow = asyncio.create_task(chat())
    browser = Browser()
    try:
        await browser.start()
        await browser.open(f"http://127.0.0.1:{port(server)}/")
        await browser.until("history.length >= 0 && document.querySelectorAll('.tile b').length === 6", "the tiles are there")
        await browser.until("Number(document.querySelectorAll('.tile b')[1].textContent) > 5", "messages flow")
        await browser.until("document.querySelectorAll('path.sb')[1].getAttribute('d').split('L').length > 3", "p95 is drawn", 30)
        seen = await browser.value("[document.getElementById('state').textContent, document.querySelectorAll('.tile b')[0].textContent,"
                                   " document.querySelectorAll('svg path').length,"
                                   " document.getElementById('nodes').hidden && getComputedStyle(document.getElementById('cluster')).display === 'none',"
                                   " document.documentElement.scrollWidth <= window.innerWidth]")
        assert seen[0] == "ready" and int(seen[1]) >= 2 and seen[2] == 7 and seen[3] and seen[4], seen
        folder = os.path.join(os.path.dirname(binary()), "test-logs")
        os.makedirs(folder, exist_ok=True)
        await browser.picture(os.path.join(folder, "page.png"))
        assert browser.said == [], browser.said
        assert flow.done() is False, flow
    finally:
        flow.cancel()
        await browser.stop()
        a.abort()
        b.abort()


# ---- several nodes ----
async def cluster_json(_):
    """Each node tells of both: who is there, their sessions, links and the table of homes; and one that is alone tells nothing of it."""
    async def check(cluster, n1, n2):
        for name in "abc":
            await cluster.register(name, "localhost", "secret")
        clients = [await Client(name, n.endpoint, name, "localhost", "secret", "x").connect() for name, n in zip("abc", (n1, n2, n2))]

        async def wrong(node, me):
            got = (await http.get(port(node), "/stats.json")).json()["cluster"]
            rows = {r["node"]: r for r in got["nodes"]}
            seen = (got["name"], got["state"], got["registry_ok"], got["split"], {k: (r["state"], r["sessions"]) for k, r in rows.items()})
            if seen != (me.name, "up", True, "none", {"n1": ("up", 1), "n2": ("up", 2)}):
                return seen
            links = {(k, link["to"]): (link["linked"], link["relayed"], link["retained_bytes"] >= 0) for k, r in rows.items() for link in r["links"]}
            if links != {("n1", "n2"): (True, False, True), ("n2", "n1"): (True, False, True)}:
                return links
            homes = got["homes"]
            here = {n1: 1, n2: 2}[node]
            return (homes["known"], homes["here"], homes["conflicts"]) != (3, here, 0) and homes
        for n in (n1, n2):
            await until(lambda n=n: wrong(n, n), f"what {n.name} tells", 20)
        for c in clients:
            c.abort()
    await with_cluster(check)

    async def alone(node):
        assert "cluster" not in (await http.get(port(node), "/stats.json")).json()
    await with_node(alone)


async def cluster_page(_):
    """The page has a row for each node, and sees one go."""
    async def check(cluster, n1, n2):
        await cluster.register("a", "localhost", "secret")
        a = await Client("a", n2.endpoint, "a", "localhost", "secret", "x").connect()
        browser = Browser()
        row = "[...document.querySelectorAll('#cluster .card:first-child tr')].slice(1).map(r => [...r.cells].map(c => c.textContent))"
        try:
            await browser.start()
            await browser.open(f"http://127.0.0.1:{port(n1)}/")
            await browser.until(f"document.getElementById('cluster').hidden === false && {row}.filter(r => r[1] === 'up' && r[3] === '1 of 1').length === 2",
                                "both nodes are there", 30)
            await browser.until(f"{row}.find(r => r[0] === 'n1 (this one)')[2] === '0' && {row}.find(r => r[0] === 'n2')[2] === '1'", "their sessions", 30)
            text = await browser.value("document.getElementById('cluster').textContent")
            assert "registry (Redis)answers" in text and "connectedall to all" in text and "n2direct" in text, text
            assert await browser.value("document.documentElement.scrollWidth <= window.innerWidth")
            folder = os.path.join(os.path.dirname(binary()), "test-logs")
            os.makedirs(folder, exist_ok=True)
            await browser.picture(os.path.join(folder, "page-cluster.png"))
            a.abort()
            assert not await n2.halt()
            await browser.until(f"!{row}.some(r => r[0] === 'n2' && r[1] === 'up')", "n2 is gone", 30)
            assert browser.said == [], browser.said
        finally:
            await browser.stop()
    await with_cluster(check)


CASES = {
    "stats: health and readiness": health,
    "stats: pipelined requests": pipelined,
    "stats: ceilings of a request": ceilings,
    "stats: many connections": many_connections,
    "stats: a slow request": slow_request,
    "stats: not ready while draining": draining,
    "stats: the port is taken": default_port_taken,
    "stats: both formats are well-formed": formats,
    "stats: gauges are true after a storm": storm,
    "stats: counters tell what happened": counts,
    "stats: limits by name": limits_by_name,
    "stats: Prometheus scrapes": prometheus,
    "stats: alert rules and dashboard": rules,
    "stats: the page in Chromium": page,
    "stats: what nodes of a cluster tell": cluster_json,
    "stats: the page of a cluster in Chromium": cluster_page,
}
