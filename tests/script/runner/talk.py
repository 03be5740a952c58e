"""What a client says: negotiation up to each stage, stanzas and bytes, farewell."""
import asyncio
import re

from harness import client as xmpp
from harness import sasl, wire
from harness.stanza import NS

from .parse import dedent
from .words import unescape


class Talk:
    """A part of Play: it has self.words and self.said, and self.compare of Expect."""

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
            token = sasl.b64(sasl.plain(c.user, c.password, words.get("authzid", "")))
            return await c.send(f"<auth xmlns='{NS['sasl']}' mechanism='PLAIN'>{token}</auth>")
        name, data = c.binding() if mech.endswith("-PLUS") else (None, b"")
        name, data = words.get("binding", name), b"wrong" if "wrongdata" in words else data
        s = sasl.Scram(mech, c.user, c.password, words.get("authzid", ""), name, data, words.get("gs2"))
        await c.send(f"<auth xmlns='{NS['sasl']}' mechanism='{mech}'>{sasl.b64(s.first())}</auth>")
        kind, e = await c.next(what="a challenge")
        if kind != "stanza" or not e.is_("sasl", "challenge"):
            c.kept.insert(0, (kind, e))
            return
        await c.send(f"<response xmlns='{NS['sasl']}'>{sasl.b64(s.final(sasl.base64.b64decode(e.text())))}</response>")

    async def connect(self, c, step, mech, at_last):
        deadline = asyncio.get_running_loop().time() + wire.DEADLINE
        while True:
            try:
                await c.connect(mech)
                break
            except xmpp.Unexpected:
                if not at_last or asyncio.get_running_loop().time() > deadline:
                    raise
            c.abort()
            await asyncio.sleep(0.05)
        self.words.env[f"{c.name}.jid"] = c.jid
        self.words.env[f"{c.name}.bare"], _, self.words.env[f"{c.name}.resource"] = c.jid.partition("/")
        self.words.env[f"{c.name}.user"] = c.jid.partition("@")[0]

    async def go_online(self, c, step, priority):
        """Presence, and a round trip; its echoes to ourselves are dropped."""
        await c.send(f"<presence><priority>{priority}</priority></presence>" if priority else "<presence/>")
        await c.ping()
        own = c.jid.partition("/")[0]

        def is_echo(kind, e):
            return kind == "stanza" and e.name == "presence" and (e.get("from") or own).partition("/")[0] == own
        c.kept = [(k, e) for k, e in c.kept if not is_echo(k, e)]

    # ---- sending ----
    async def send(self, c, step):
        self.said[c.name] = self.words.expand(dedent(step.body)).strip()
        await c.send(self.said[c.name])

    async def send_raw(self, c, step):
        await c.send(unescape(self.words.expand("".join(line.strip() for line in step.body))))

    async def send_whitespace(self, c, step):
        await c.send(" ")

    async def restart(self, c, step):
        c.wire.restart()

    # ---- leaving ----
    async def disconnect(self, c, step):
        await c.close()

    async def disconnect_abruptly(self, c, step):
        c.abort()
