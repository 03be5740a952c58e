"""What a client should hear: stanzas, errors, ends, and silence."""
import asyncio

from harness import wire
from harness.stanza import NS, parse, pretty

from .errors import Mismatch
from .match import TEST_NS, BadPattern, lookup, match, match_any_order
from .parse import dedent
from .words import caps_hash

# RFC 6120 section 8.3.3: the error type that each condition has by default.
ERROR_TYPES = {"cancel": "conflict feature-not-implemented gone internal-server-error item-not-found not-allowed remote-server-not-found "
                         "service-unavailable",
               "modify": "bad-request jid-malformed not-acceptable policy-violation redirect",
               "auth": "forbidden not-authorized registration-required subscription-required",
               "wait": "recipient-unavailable remote-server-timeout resource-constraint unexpected-request"}
ERROR_TYPE = {condition: kind for kind, names in ERROR_TYPES.items() for condition in names.split()}


class Expect:
    """A part of Play: it has self.script, self.words, self.clients, self.said and self.timeout."""

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
        """A script that binds, or resumes, by hand has a bound client, too."""
        if e.name == "resumed":
            c.jid, c.stage = f"{c.user}@{c.host}/{c.resource}", "bound"
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

    async def receive_at_last(self, c, step):
        """One stanza; while another one comes, what this client sent last is sent again."""
        if len(self.patterns(step.body)) != 1:
            raise BadPattern("one answer is received at last")
        deadline = asyncio.get_running_loop().time() + (self.timeout or wire.DEADLINE)
        while True:
            try:
                return await self.compare(c, step.body)
            except Mismatch:
                if c.wire.lost or asyncio.get_running_loop().time() > deadline:
                    raise
            await asyncio.sleep(0.05)
            await c.send(self.said[c.name])

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
        error = f"<error type='{kind}' t:attrs='any'>{inner}{{extra}}</error>"
        await self.compare(c, f"<{name} type='error' {ident} {sender}>{error}{{extra}}</{name}>")

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
        """Bounded without sleeping: every other client sends a marker to this one, after which nothing of theirs can be under way;
        then this one makes a round trip to the server."""
        for other in self.clients.values():
            if other is not c and other.stage == "bound" and not other.wire.lost:
                await self.marker(other, c)
        await c.ping(self.timeout)
        left = [(k, e) for k, e in c.kept if not (k == "stanza" and self.ignored(e))]
        c.kept = []
        if left:
            shown = "\n".join(pretty(e, 4) if k == "stanza" else f"    {k} {e or ''}" for k, e in left)
            raise Mismatch(f"  expected nothing\n  got:\n{shown}")

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
