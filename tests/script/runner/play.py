"""Holds one conversation with a server. Play.run raises Mismatch when the server says something else than the script."""
import asyncio
import re
import shlex
import ssl
import time

from harness import client as xmpp
from harness import sasl, wire
from harness.stanza import NS, parse, pretty

from .match import TEST_NS, BadPattern, lookup, match, match_any_order, match_text
from .parse import BadScript, dedent
from .words import Words, caps_hash, unescape

# RFC 6120 section 8.3.3: the error type that each condition has by default.
ERROR_TYPES = {"cancel": "conflict feature-not-implemented gone internal-server-error item-not-found not-allowed remote-server-not-found service-unavailable",
               "modify": "bad-request jid-malformed not-acceptable policy-violation redirect",
               "auth": "forbidden not-authorized registration-required subscription-required",
               "wait": "recipient-unavailable remote-server-timeout resource-constraint unexpected-request"}
ERROR_TYPE = {condition: kind for kind, names in ERROR_TYPES.items() for condition in names.split()}
TLS = {"on": "starttls", "off": "none", "direct": "direct"}


class Mismatch(Exception):
    """What came is not what the script says; the text tells both."""


class Play:
    def __init__(self, script, server, tag):
        self.script, self.server = script, server
        self.words = Words(script, tag)
        self.transcript = []
        self.started = time.monotonic()
        self.clients = {name: self.make_client(spec) for name, spec in script.clients.items()}
        self.timeout = script.timeout * wire.PATIENCE if script.timeout else None

    def make_client(self, spec):
        opts = {"anonymous": spec.anonymous}
        if spec.address:
            opts["address"] = spec.address
        if spec.port:
            opts["port"] = spec.port
        if spec.tls_max:
            opts["tls_max"] = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[spec.tls_max]
        if spec.preamble:
            opts["preamble"] = unescape(spec.preamble)
        user = self.words.unique(spec.user) if spec.user else ""
        env = self.words.env
        env[f"{spec.name}.user"], env[f"{spec.name}.host"], env[f"{spec.name}.resource"] = user, spec.host, spec.resource
        env[f"{spec.name}.bare"] = f"{user}@{spec.host}"
        env[f"{spec.name}.jid"] = f"{user}@{spec.host}/{spec.resource}"

        def log(direction, text):
            self.transcript.append(f"{spec.name:>10} {direction} {text}")
        return xmpp.Client(spec.name, self.server.endpoint, user, spec.host, spec.password, spec.resource or None, tls=TLS[spec.tls or self.script.tls],
                           split=self.script.split if spec.split < 0 else spec.split, mech=spec.mech or None, log=log, **opts)

    # ---- the whole ----
    async def run(self):
        try:
            await self.register_all()
            for step in self.script.steps:
                await self.step(step)
            self.check_rest()
        finally:
            for c in self.clients.values():
                c.abort()

    async def register_all(self):
        accounts = {(c.user, c.host): c.password for c in self.script.clients.values() if c.user and c.registered}
        accounts.update({(u, h): p for u, h, p in self.script.accounts})
        await asyncio.gather(*(self.server.register(self.words.unique(u), h, p) for (u, h), p in accounts.items()))

    async def step(self, step):
        self.transcript.append(f"{step.line:>4}: {step.subject} {step.action}")
        try:
            if step.subject == "ctl":
                await self.ctl(step)
            elif step.subject == "server":
                await self.on_server(step)
            elif step.subject == "differ":
                self.differ(step)
            elif step.subject == "clock":
                self.clock(step)
            else:
                await self.dispatch(self.clients[step.subject], step)
        except (Mismatch, xmpp.Unexpected, wire.Timeout, sasl.SaslError, OSError) as err:
            detail = self.words.readable(str(err)) or type(err).__name__
            raise Mismatch(f"{self.script.path}:{step.line}: {step.subject} {step.action}\n{detail}") from None
        except (BadPattern, ValueError) as err:
            raise BadScript(f"{self.script.path}:{step.line}: {err}") from None

    async def dispatch(self, c, step):
        for pattern, method in ACTIONS:
            m = re.fullmatch(pattern, step.action)
            if m:
                return await method(self, c, step, *m.groups())
        raise BadScript(f"{self.script.path}:{step.line}: unknown action {step.action!r}")

    def check_rest(self):
        """What nobody asked for may stay unread, but it must be XML."""
        for c in self.clients.values():
            while c.wire and not c.wire.events.empty():
                kind, value = c.wire.events.get_nowait()
                if kind == "problem":
                    raise Mismatch(f"{self.script.path}: at the end {c.name} holds this: {value}")

    # ---- negotiation ----
    async def open_connection(self, c, step):
        await c.open_connection()

    async def open_stream(self, c, step):
        await c.open_stream()

    async def start_tls(self, c, step):
        await c.handshake()

    async def negotiate_tls(self, c, step):
        await c.negotiate_tls()

    async def authenticate(self, c, step, mech, gs2):
        c.opts["gs2"] = gs2
        await c.authenticate(mech)

    async def fail_to_authenticate(self, c, step, mech, condition, rest):
        words = dict(re.findall(r"(\w+) (\S+)", self.words.expand(rest or "")))
        c.password = words.get("password", c.password)
        c.user = words.get("user", c.user)
        if not c.reached("tls"):
            await c.negotiate_tls()
        await self.bad_attempt(c, mech, words)
        named = "{extra}" if condition == "{any}" else f"<{condition}/>"
        await self.compare(c, f"<failure xmlns='{NS['sasl']}'>{named}<text t:optional='yes' t:attrs='any'>{{any}}</text></failure>")

    @staticmethod
    async def bad_attempt(c, mech, words):
        """Up to the message that the server refuses."""
        if mech == "PLAIN":
            return await c.send(f"<auth xmlns='{NS['sasl']}' mechanism='PLAIN'>{sasl.b64(sasl.plain(c.user, c.password, words.get('authzid', '')))}</auth>")
        name, data = c.binding() if mech.endswith("-PLUS") else (None, b"")
        name, data = words.get("binding", name), b"wrong" if "wrongdata" in words else data
        s = sasl.Scram(mech, c.user, c.password, words.get("authzid", ""), name, data, words.get("gs2"))
        await c.send(f"<auth xmlns='{NS['sasl']}' mechanism='{mech}'>{sasl.b64(s.first())}</auth>")
        kind, e = await c.next(what="a challenge")
        if kind != "stanza" or not e.is_("sasl", "challenge"):
            c.kept.insert(0, (kind, e))
            return
        await c.send(f"<response xmlns='{NS['sasl']}'>{sasl.b64(s.final(sasl.base64.b64decode(e.text())))}</response>")

    async def connect(self, c, step, mech):
        await c.connect(mech)
        self.words.env[f"{c.name}.jid"] = c.jid
        self.words.env[f"{c.name}.bare"], _, self.words.env[f"{c.name}.resource"] = c.jid.partition("/")
        self.words.env[f"{c.name}.user"] = c.jid.partition("@")[0]

    async def go_online(self, c, step, priority):
        """Presence, and a round trip; its echoes to ourselves are dropped."""
        await c.send(f"<presence><priority>{priority}</priority></presence>" if priority else "<presence/>")
        await c.ping()
        own = c.jid.partition("/")[0]
        c.kept = [(k, e) for k, e in c.kept if not (k == "stanza" and e.name == "presence" and (e.get("from") or own).partition("/")[0] == own)]

    # ---- sending ----
    async def send(self, c, step):
        await c.send(self.words.expand(dedent(step.body)).strip())

    async def send_raw(self, c, step):
        await c.send(unescape(self.words.expand("".join(line.strip() for line in step.body))))

    async def send_whitespace(self, c, step):
        await c.send(" ")

    async def restart(self, c, step):
        c.wire.restart()

    # ---- receiving ----
    async def take(self, c, what, skip_presence=False):
        """The next event; passes over what the script ignores."""
        while True:
            kind, value = await c.next(self.timeout, what)
            if kind == "stanza" and not skip_presence and self.ignored(value):
                continue
            if kind == "stanza":
                self.notice_binding(c, value)
            return kind, value

    @staticmethod
    def notice_binding(c, e):
        """A script that binds by hand has a bound client, too."""
        bind = e.child("bind", NS["bind"]) if e.name == "iq" and e.get("type") == "result" else None
        if bind is not None and bind.child("jid") is not None:
            c.jid, c.stage = bind.child("jid").text(), "bound"

    def ignored(self, e):
        return e.name in self.script.ignore

    def patterns(self, body):
        text = self.words.pattern_text(dedent(body) if isinstance(body, list) else body)
        found = parse(text, f"xmlns:t='{TEST_NS}'")
        if not found:
            raise BadPattern("an expectation needs XML below it")
        return found

    @staticmethod
    def own(c):
        return (c.jid, c.jid.partition("/")[0]) if c.jid else ()

    async def compare(self, c, body):
        for pattern in self.patterns(body):
            kind, value = await self.take(c, f"<{pattern.name}>", pattern.name in self.script.ignore)
            if kind != "stanza":
                raise Mismatch(f"expected:\n{pretty(pattern, 4)}\n  got: {kind} {value or ''}")
            problems = match(pattern, value, self.words.env, self.own(c))
            if problems:
                raise Mismatch("\n".join("  " + p for p in problems) + f"\n  expected:\n{pretty(pattern, 4)}\n  got:\n{pretty(value, 4)}")

    async def receive(self, c, step):
        await self.compare(c, step.body)

    async def receive_any_order(self, c, step):
        patterns = self.patterns(step.body)
        got = []
        for p in patterns:
            kind, value = await self.take(c, f"{len(patterns)} stanzas", any(q.name in self.script.ignore for q in patterns))
            if kind != "stanza":
                raise Mismatch(f"after {len(got)} of {len(patterns)} stanzas: {kind} {value or ''}")
            got.append(value)
        problems = match_any_order(patterns, got, self.words.env, self.own(c))
        if problems:
            raise Mismatch("\n".join(problems) + "\n  expected:\n" + "\n".join(pretty(p, 4) for p in patterns)
                           + "\n  got:\n" + "\n".join(pretty(g, 4) for g in got))

    async def receive_stanza_error(self, c, step, name, condition, ident, sender):
        """A stanza error; the type must be the condition's own, what else it carries is the server's choice."""
        sender = f"from='{sender}'" if sender else "from='{?}{any}'"
        ident = f"id='{ident}'" if ident else "id='{?}{any}'"
        kind, inner = "{any}", ""
        if condition != "{any}":
            kind, inner = ERROR_TYPE[condition], f"<{condition} xmlns='{NS['stanza_errors']}'>{{any}}</{condition}>"
        await self.compare(c, f"<{name} type='error' {ident} {sender}><error type='{kind}' t:attrs='any'>{inner}{{extra}}</error>{{extra}}</{name}>")

    async def receive_caps(self, c, step, name, ident):
        """The disco#info answer to an IQ, whose XEP-0115 hash must be the captured one."""
        kind, value = await self.take(c, "disco#info")
        query = value.child("query", "http://jabber.org/protocol/disco#info") if kind == "stanza" else None
        if query is None or value.get("id") != ident:
            raise Mismatch(f"  expected a disco#info result\n  got: {kind} {value or ''}")
        if caps_hash(query) != lookup(self.words.env, name):
            raise Mismatch(f"  this hashes to {caps_hash(query)}, not to {lookup(self.words.env, name)}:\n{pretty(query, 4)}")

    async def receive_header(self, c, step):
        kind, value = await c.next(self.timeout, "a stream header")
        if kind != "open":
            raise Mismatch(f"expected a stream header, got {kind} {value or ''}")
        declared = c.wire.parser.header_ns.get(None)
        if declared != NS["client"]:
            raise Mismatch(f"the server's stream has default namespace {declared!r}, not {NS['client']!r}")
        problems = [p for pattern in (self.patterns(step.body) if step.body else []) for p in match(pattern, value, self.words.env)]
        if problems:
            raise Mismatch("\n".join(problems) + f"\n  got: {value}")

    async def receive_error(self, c, step, condition):
        """The stream error, then the server's close, then the end of the connection after ours. A header before it is fine."""
        kind, value = await self.take(c, f"the stream error {condition}")
        if kind == "open":
            kind, value = await self.take(c, f"the stream error {condition}")
        if kind != "stanza" or not value.is_("streams", "error"):
            raise Mismatch(f"  expected the stream error {condition}\n  got: {kind} {value or ''}")
        named = [e.name for e in value.elems() if e.ns == NS["stream_errors"] and e.name != "text"]
        if len(named) != 1 or condition not in (named[0], "{any}"):
            raise Mismatch(f"  expected the stream error {condition}\n  got: {value}")
        await self.receive_close(c, step)
        await self.receive_end(c, step)

    async def receive_whitespace(self, c, step):
        """White space alone, which is no event of the stream."""
        deadline = asyncio.get_running_loop().time() + (self.timeout or wire.DEADLINE)
        while c.wire.spaces == 0:
            if asyncio.get_running_loop().time() > deadline:
                raise Mismatch("  no white space came")
            await asyncio.sleep(0.02)
        c.wire.spaces = 0

    async def receive_close(self, c, step):
        kind, value = await self.take(c, "</stream:stream>")
        if kind != "close":
            raise Mismatch(f"  expected </stream:stream>\n  got: {kind} {value or ''}")

    async def receive_end(self, c, step):
        """The end of the connection; our own close goes first when the server has closed its stream."""
        if not c.wire.lost:
            await c.send("</stream:stream>")
        kind, value = await self.take(c, "the end of the connection")
        if kind != "eof":
            raise Mismatch(f"  expected the end of the connection\n  got: {kind} {value or ''}")
        c.stage = "nothing"

    # ---- silence ----
    async def receive_nothing(self, c, step):
        """Bounded without sleeping: every other client sends a marker to this one, after which nothing of theirs can be under way, then this one makes a
        round trip to the server."""
        for other in self.clients.values():
            if other is not c and other.stage == "bound" and not other.wire.lost:
                await self.marker(other, c)
        await c.ping(self.timeout)
        left = [(k, e) for k, e in c.kept if not (k == "stanza" and self.ignored(e))]
        c.kept = []
        if left:
            raise Mismatch("  expected nothing\n  got:\n" + "\n".join(pretty(e, 4) if k == "stanza" else f"    {k} {e or ''}" for k, e in left))

    async def marker(self, sender, receiver):
        """A stanza that follows all that the sender sent before. It came when the receiver has it or the sender its refusal."""
        ident = f"marker{next(sender.ids)}"
        await sender.send(f"<iq type='get' id='{ident}' to='{receiver.jid}'><ping xmlns='{NS['ping']}'/></iq>")

        def is_marker(e):
            return e.name == "iq" and e.get("id") == ident
        waits = [asyncio.ensure_future(x.await_stanza(is_marker, "the marker of a silence", self.timeout)) for x in (receiver, sender)]
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for p in pending:
            p.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for d in done:
            if d.exception():
                raise d.exception()

    async def sync(self, c, step):
        await c.ping(self.timeout)

    # ---- leaving ----
    async def disconnect(self, c, step):
        await c.close()

    async def disconnect_abruptly(self, c, step):
        c.abort()

    # ---- what is no client's ----
    async def on_server(self, step):
        """The node itself: its life, where the script has one of its own, and its log."""
        m = re.fullmatch(r"logs (.+)", step.action)
        if m:
            return await self.log_shows(m.group(1))
        if not self.script.own:
            raise BadPattern("a script that does this needs `node own` in its header")
        problems = []
        if step.action == "stops":
            self.server.process.terminate()
        elif step.action == "crashes":
            await self.server.kill()
        elif step.action == "starts":
            await self.server.start()
        elif step.action == "ends":
            problems = await self.server.halt()
        else:
            raise BadPattern(f"unknown action {step.action!r}")
        if problems:
            raise Mismatch("\n".join(problems))

    async def log_shows(self, pattern):
        """A line of the log that contains the pattern."""
        pattern = self.words.pattern_text("{any}" + pattern + "{any}")
        deadline = asyncio.get_running_loop().time() + (self.timeout or wire.DEADLINE)
        while not any(match_text(pattern, line, self.words.env) for line in self.server.log_text().splitlines()):
            if asyncio.get_running_loop().time() > deadline:
                raise Mismatch(f"  no line of the log matches {pattern!r}\n{self.server.log_tail(15)}")
            await asyncio.sleep(0.05)

    def differ(self, step):
        values = [lookup(self.words.env, name) for name in step.action.split()]
        if len(set(values)) != len(values):
            raise Mismatch(f"  these do not all differ: {values}")

    def clock(self, step):
        """How long something took; only lower bounds are exact on a busy machine."""
        m = re.fullmatch(r"starts|shows at (least|most) ([0-9.]+)", step.action)
        if not m:
            raise BadPattern("clock starts, clock shows at least S, clock shows at most S")
        now = time.monotonic()
        if not m.group(1):
            self.started = now
            return
        took, bound = now - self.started, float(m.group(2))
        if took < bound if m.group(1) == "least" else took > bound * wire.PATIENCE:
            raise Mismatch(f"  it took {took:.2f} s, not at {m.group(1)} {bound} s")

    async def ctl(self, step):
        args = shlex.split(self.words.expand(step.action))
        code, out, err = await self.server.ctl(*args)
        self.transcript.append(f"       ctl {code} {out}{err}")
        wanted = {"exit": ["0"], "out": [], "err": []}
        for line in step.body:
            word, _, rest = line.strip().partition(" ")
            if word not in wanted:
                raise BadPattern(f"below ctl come exit, out and err, not {word!r}")
            wanted[word] = [rest] if word == "exit" else wanted[word] + [rest]
        if str(code) != wanted["exit"][0] and wanted["exit"][0] != "nonzero" or (wanted["exit"][0] == "nonzero" and code == 0):
            raise Mismatch(f"  exit code {code}, not {wanted['exit'][0]}\n  out: {out}\n  err: {err}")
        for name, got in (("out", out), ("err", err)):
            text = self.words.pattern_text("\n".join(wanted[name]))
            if wanted[name] and not match_text(text, got.strip(), self.words.env):
                raise Mismatch(f"  {name} is {got!r}, not {text!r}")


ACTIONS = [
    (r"opens a connection", Play.open_connection),
    (r"opens a stream", Play.open_stream),
    (r"starts tls", Play.start_tls),
    (r"negotiates tls", Play.negotiate_tls),
    (r"authenticates(?: with (\S+?))?(?: and gs2 (\S+))?", Play.authenticate),
    (r"fails to authenticate with (\S+) as (\S+)(?: but (.*))?", Play.fail_to_authenticate),
    (r"connects(?: with (\S+))?", Play.connect),
    (r"goes online(?: with priority (-?\d+))?", Play.go_online),
    (r"sends", Play.send),
    (r"sends raw", Play.send_raw),
    (r"sends whitespace", Play.send_whitespace),
    (r"expects a new stream", Play.restart),
    (r"receives", Play.receive),
    (r"receives in any order", Play.receive_any_order),
    (r"receives (message|iq|presence) error (\S+?)(?: for (\S+?))?(?: from (\S+))?", Play.receive_stanza_error),
    (r"receives disco info with caps (\S+) for (\S+)", Play.receive_caps),
    (r"receives nothing", Play.receive_nothing),
    (r"receives stream header", Play.receive_header),
    (r"receives stream error (\S+)", Play.receive_error),
    (r"receives whitespace", Play.receive_whitespace),
    (r"receives close", Play.receive_close),
    (r"receives end", Play.receive_end),
    (r"syncs", Play.sync),
    (r"disconnects", Play.disconnect),
    (r"disconnects abruptly", Play.disconnect_abruptly),
]
