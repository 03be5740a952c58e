"""The node as a program, seen with OpenSSL and a shell: certificates per host, reloading, tickets (of a cluster, too), configuration checks, exit codes."""
import asyncio
import os
import re
import signal
import socket
import ssl
import tempfile
import time

from harness import http
from harness.certs import make_authority, make_certificate
from harness.client import Client
from harness.cluster import Cluster, Node, surroundings
from harness.server import free_ports, to_yaml
from harness.starling import HOSTS, ROOT, Starling, binary, control_binary
from harness.wire import PATIENCE


async def tls(server, host="localhost", alpn=("xmpp-client",), low=None, high=None, session=None, sni=True):
    """A direct TLS connection; (names of the certificate, version, ALPN, the SSL object). The peer's certificate is verified."""
    def work():
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.load_verify_locations(server.ca)
        ctx.check_hostname = sni
        ctx.set_alpn_protocols(list(alpn))
        ctx.minimum_version = low or ssl.TLSVersion.MINIMUM_SUPPORTED
        ctx.maximum_version = high or ssl.TLSVersion.MAXIMUM_SUPPORTED
        if low and low < ssl.TLSVersion.TLSv1_2:
            ctx.set_ciphers("ALL:@SECLEVEL=0")
        raw = socket.create_connection((server.address, server.endpoint["direct"]), timeout=5)
        used = ctx if session is None else session[0]
        with used.wrap_socket(raw, server_hostname=host if sni else None, session=session and session[1]) as s:
            header = f"<stream:stream to='{host}' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
            s.sendall(header.encode())
            seen = b""
            while b"</stream:features>" not in seen:
                piece = s.recv(4096)
                assert piece, seen
                seen += piece
            names = [v for k, v in s.getpeercert()["subjectAltName"] if k == "DNS"]
            return names, s.version(), s.selected_alpn_protocol(), (used, s.session), s.session_reused
    return await asyncio.to_thread(work)


async def with_node(check, **options):
    """A node of the case's own; it must end well."""
    node = Starling(**options)
    node.tag = "p"
    try:
        await node.start()
        await check(node)
    finally:
        problems = await node.stop()
    assert not problems, problems


async def with_cluster(check):
    """Two nodes of the case's own; what is left of them must end well."""
    with surroundings():
        cluster = Cluster(nodes=2)
        try:
            await cluster.start()
            await check(cluster, *cluster.nodes)
        finally:
            problems = await cluster.stop()
    assert not problems, problems


async def versions(server):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        _, got, alpn, _, _ = await tls(server, low=version, high=version)
        assert (got, alpn) == (version.name.replace("_", "."), "xmpp-client"), (got, alpn)
    try:
        await tls(server, low=ssl.TLSVersion.TLSv1_1, high=ssl.TLSVersion.TLSv1_1)
    except ssl.SSLError:
        return
    raise AssertionError("TLS 1.1 was accepted")


async def foreign_alpn(server):
    """RFC 7301 section 3.2: no common protocol ends the handshake; a web browser's request must not reach an XMPP stream."""
    try:
        await tls(server, alpn=("h2", "http/1.1"))
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("ALPN h2 was accepted")


async def tickets(server):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        *_, session, reused = await tls(server, high=version)
        assert not reused
        *_, reused = await tls(server, session=session)
        assert reused, f"{version.name}: the session was not resumed"


async def tickets_of_a_cluster(_):
    """A client that reaches another node resumes, also after a restart of the one that it was at; with TLS 1.2 it never does."""
    async def check(cluster, n1, n2):
        for n in (n1, n2):
            n.ca = os.path.join(n.dir, "seen.pem")
            with open(n.ca, "w") as f:
                f.write(await asyncio.to_thread(ssl.get_server_certificate, (n.address, n.endpoint["direct"]), timeout=5))
        *_, session, reused = await tls(n1, high=ssl.TLSVersion.TLSv1_3)
        assert not reused
        *_, session, reused = await tls(n2, session=session)
        assert reused, "not resumed at the other node"
        assert not await n1.halt()
        await n1.start()
        await cluster.meet()
        *_, reused = await tls(n1, session=session)
        assert reused, "not resumed at the first one"
        *_, session, _ = await tls(n1, high=ssl.TLSVersion.TLSv1_2)
        *_, reused = await tls(n1, session=session)
        assert not reused, "TLS 1.2 was resumed"
    await with_cluster(check)


async def sni(server):
    async def check(node):
        for host in HOSTS:
            names, *_ = await tls(node, host)
            assert names == [host], (host, names)

    class PerHost(Starling):
        def base_config(self):
            config = super().base_config()
            config["tls"] = {}
            for host in HOSTS:
                cert, key = make_certificate(self.dir, host, [host])
                config["hosts"][host]["tls"] = {"certificate": cert, "key": key}
            return config

        def prepare(self):
            self.ca = make_authority(self.dir)
            return super().prepare()
    node = PerHost()
    await node.start()
    try:
        await check(node)
    finally:
        problems = await node.stop()
    assert not problems, problems


async def reload(server):
    """A new certificate for new connections, by signal and by command; a bad one changes nothing; who is connected stays."""
    async def check(node):
        await node.register("stays", "localhost", "secret")
        stays = await Client("stays", node.endpoint, "stays", "localhost", "secret").connect()
        for name, how in (("new.example", "signal"), ("newer.example", "command")):
            make_certificate(node.dir, "ec", ["localhost", name])
            make_certificate(node.dir, "rsa", ["localhost", name], "rsa")
            if how == "signal":
                node.process.send_signal(signal.SIGHUP)
            else:
                code, out, err = await node.ctl("reload_certificates")
                assert code == 0, err
            deadline = asyncio.get_running_loop().time() + 5
            while name not in (await tls(node))[0]:
                assert asyncio.get_running_loop().time() < deadline, "the old certificate is still there"
                await asyncio.sleep(0.05)
        with open(os.path.join(node.dir, "ec.pem"), "w") as f:
            f.write("this is no certificate\n")
        code, out, err = await node.ctl("reload_certificates")
        assert code != 0 and err.strip(), (code, out, err)
        assert "newer.example" in (await tls(node))[0]
        await stays.ping()
        await stays.close()
    await with_node(check, certificates=True)


async def self_signed(server):
    """Without a certificate one is made, with a warning, and it is the same after a restart."""
    async def check(node):
        def get():
            return ssl.get_server_certificate((node.address, node.endpoint["direct"]), timeout=5)
        first = await asyncio.to_thread(get)
        assert any("level=warn" in line and "certificate" in line for line in node.log_text().splitlines()), node.log_text()
        assert not await node.halt()
        await node.start()
        assert await asyncio.to_thread(get) == first, "another certificate after a restart"
    await with_node(check)


async def greeting(server):
    """Who starts a node without a configuration file is told how to go on, and that he need not trust a certificate which is not the node's own."""
    async def said(folder, **env):
        c2s, stats = free_ports(2)
        env = dict(Starling.environment() or os.environ, STARLING_LISTEN=f"[{{port: {c2s}}}]", STARLING_HTTP_PORT=str(stats), **env)
        p = await asyncio.create_subprocess_exec(binary(), cwd=folder, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                                                 stderr=asyncio.subprocess.DEVNULL)
        try:
            return (await asyncio.wait_for(p.stdout.readuntil(b"Ctrl-C ends the node."), 15 * PATIENCE)).decode()
        finally:
            p.terminate()
            await asyncio.wait_for(p.communicate(), 15 * PATIENCE)
    with tempfile.TemporaryDirectory() as folder:
        text = await said(folder)
        assert "starlingctl register_identified alice localhost PASSWORD" in text and "the node made" in text and "tls trust" in text, text
        make_authority(folder)
        certificate, key = make_certificate(folder, "own", ["localhost"])
        text = await said(folder, STARLING_TLS_CERTIFICATE=certificate, STARLING_TLS_KEY=key)
        assert "alice@localhost" in text and "trust" not in text and "tls force" in text, text


async def run(*args):
    p = await asyncio.create_subprocess_exec(*args, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                                             stderr=asyncio.subprocess.PIPE, env=Starling.environment())
    out, err = await asyncio.wait_for(p.communicate(), 15)
    return p.returncode, out.decode(), err.decode()


async def check_config(server):
    path = os.path.join(server.dir, "check.yml")

    async def check(config):
        with open(path, "w") as f:
            f.write(config if isinstance(config, str) else to_yaml(config))
        return await run(binary(), "--check-config", path)
    code, out, err = await check({"limits": {"stanza_bytes": "64 KiB"}, "hosts": {"localhost": {}}})
    assert code == 0, (code, out, err)
    for text, wanted in (("limits:\n  stanza_byte: 1\n", "stanza_bytes"), ("limits:\n  stanza_bytes: many\n", ":2:"),
                         ("workers: -1\n", ":1:"), ("hosts:\n  'a b': {}\n", ":2:"), ("nonsense: 1\n", "nonsense"),
                         ("a: [1\n", "check.yml")):
        code, out, err = await check(text)
        assert code != 0 and wanted in err and "check.yml" in err, (text, code, out, err)
    code, _, err = await run(binary(), "--config", os.path.join(server.dir, "no-such-file.yml"))
    assert code != 0 and "no-such-file.yml" in err, (code, err)


async def print_defaults(server):
    """What it prints is a configuration that it takes."""
    code, out, err = await run(binary(), "--print-defaults")
    assert code == 0 and "stanza_bytes" in out, (code, err)
    path = os.path.join(server.dir, "defaults.yml")
    with open(path, "w") as f:
        f.write(out)
    code, _, err = await run(binary(), "--check-config", path)
    assert code == 0, err
    code, out, err = await run(binary(), "--no-such-option")
    assert code != 0 and "no-such-option" in err, (code, err)


async def twice(server):
    """A second node on the same ports or the same data says so in a line and goes."""
    code, _, err = await run(binary(), "--config", os.path.join(server.dir, "starling.yml"))
    assert code != 0 and err.strip(), (code, err)
    reader = Client("r", server.endpoint, "twice", "localhost", "secret")
    await server.register("twice", "localhost", "secret")
    await reader.connect()
    await reader.close()


async def ctl_without_server(server):
    code, _, err = await run(control_binary(), "--socket", os.path.join(server.dir, "no.sock"), "status")
    assert code != 0 and len(err.strip().splitlines()) == 1, (code, err)


async def socket_is_private(server):
    """The control socket can do everything: nobody but its owner may talk to it."""
    mode = os.stat(server.socket).st_mode & 0o777
    assert mode & 0o077 == 0, oct(mode)
    assert os.stat(os.path.join(server.dir, "data")).st_mode & 0o007 == 0, "others may read the data directory"


async def an_upgrade(_):
    """Nodes that speak one version of the mesh's protocol less or more work with one of this build; one that speaks only a later one is kept out, by
    name. Presence goes once to several contacts at a node that knows such records, and to each of them at one that does not."""
    async def login(node, user):
        await node.register(user, "localhost", "secret")
        c = Client(user, node.endpoint, user, "localhost", "secret", "r")
        await c.connect()
        await c.send("<presence/>")
        await c.ping()
        return c

    async def fans(node):
        text = (await http.get(node.endpoint["http"], "/metrics")).text()
        return int(text.split("\nstarling_cluster_fans_total ")[1].split("\n")[0])

    async def chat(a, node, name):
        """Between romeo and three at this node, who see his presence then."""
        others = [await login(node, f"{name}{i}") for i in range(3)]
        for b in others:
            for c, other in ((a, b), (b, a)):
                await c.send(f"<message to='{other.jid}' id='over'><body>there</body></message>")
                await other.await_stanza(lambda e: e.get("id") == "over", "the message")
                await c.ping()
            await b.send("<presence to='romeo@localhost' type='subscribe'/>")
            await a.await_stanza(lambda e: e.get("type") == "subscribe", "the request")
            await a.send(f"<presence to='{b.jid.split('/')[0]}' type='subscribed'/>")
            await b.await_stanza(lambda e: e.get("from") == a.jid, "his presence")
        await a.send(f"<presence id='{name}'/>")
        for c in (a, *others):
            await c.await_stanza(lambda e: e.get("id") == name, "his new presence")
        return others

    with surroundings():
        cluster = Cluster(nodes=3)
        one, older, newer = cluster.nodes
        with open(os.path.join(ROOT, "cluster/core.h"), encoding="utf-8") as header:
            ours = int(re.search(r"#define CORE_PROTOCOL_MAX (\d+)", header.read())[1])
        older.speaks, newer.speaks = "1-1", f"1-{ours + 1}"
        stranger = Node(cluster, "stranger", {}, False)
        stranger.speaks = f"{ours + 1}-{ours + 1}"
        try:
            await cluster.start()
            a = await login(one, "romeo")
            clients = [a, *await chat(a, older, "old")]
            assert await fans(one) == 0
            clients += await chat(a, newer, "new")
            assert await fans(one) > 0
            for c in clients:
                await c.close()
            starting = asyncio.create_task(stranger.start())
            deadline = time.monotonic() + 20 * PATIENCE
            while f"stranger speaks versions {ours + 1} to {ours + 1}, we speak 1 to {ours}" not in cluster.nodes[0].log_text():
                assert time.monotonic() < deadline, cluster.nodes[0].log_tail()
                await asyncio.sleep(0.1)
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        finally:
            problems = await stranger.stop() + await cluster.stop()
        assert not problems, problems


async def many_signals(server):
    """Whoever asks a node to end many times gets the same orderly end. By kill(2): send_signal reaps a process that has just ended, and
    how it ended is lost."""
    async def check(node):
        while node.running():
            try:
                os.kill(node.process.pid, signal.SIGTERM)
            except ProcessLookupError:
                break
            await asyncio.sleep(0.0005)
        problems = await node.halt()
        assert not problems, problems
    await with_node(check)


CASES = {
    "TLS 1.2 and 1.3, not 1.1": versions,
    "ALPN of something else": foreign_alpn,
    "TLS session tickets": tickets,
    "TLS session tickets of a cluster": tickets_of_a_cluster,
    "a certificate per host, by SNI": sni,
    "certificates are read again": reload,
    "a self-signed certificate is made once": self_signed,
    "a node without a file says how to go on": greeting,
    "--check-config": check_config,
    "--print-defaults": print_defaults,
    "a second node in the same place": twice,
    "starlingctl without a node": ctl_without_server,
    "the control socket is private": socket_is_private,
    "nodes of two versions": an_upgrade,
    "SIGTERM again and again": many_signals,
}
