"""What a client's own log says about the XML that the server sent: well-formed, rightly addressed, every request answered once."""
import re
from collections import Counter

from harness.client import Client
from harness.stanza import NS, StreamParser, parse

TYPES = {
    "message": {None, "normal", "chat", "groupchat", "headline", "error"},
    "presence": {None, "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "error"},
    "iq": {"get", "set", "result", "error"},
}
ERROR_TYPES = {"auth", "cancel", "continue", "modify", "wait"}
FRAME = re.compile(r"<\?xml[^>]*\?>|</?stream:stream[^>]*>")
MANAGED = {"subscribe", "subscribed", "unsubscribe", "unsubscribed"}


def bare(jid):
    return jid.split("/", 1)[0]


def expect(condition, what, stanza):
    assert condition, f"{what}: {stanza}"


def check_stanza(e, own):
    """RFC 6120 section 8 and RFC 6121 section 3, as far as one stanza shows it. own: the bare JID of who received it."""
    expect(e.ns == NS["client"] and e.name in TYPES, "not a stanza", e)
    expect(e.get("type") in TYPES[e.name], "no such type", e)
    expect(e.get("to") is None or bare(e.get("to")) == own, "for somebody else", e)
    sender = e.get("from")
    expect(sender or e.name == "iq", "from nobody", e)  # an iq without from is from the own account (RFC 6120 section 8.1.2.1)
    if e.name == "iq":
        expect(e.get("id"), "an iq without id", e)
        if e.get("type") in ("get", "set"):
            expect(len(e.elems()) == 1, "a request without exactly one child", e)
    if e.name == "presence" and e.get("type") in MANAGED:
        expect("/" not in sender, "a subscription stanza from a full JID", e)
    if e.get("type") == "error":
        error = e.child("error", NS["client"])
        expect(error is not None and error.get("type") in ERROR_TYPES, "an error without its type", e)
        expect(any(c.ns == NS["stanza_errors"] for c in error.elems()), "an error without its condition", e)


class Stream:
    """One XML stream of a client: pieces of text sent and received, in their order."""

    def __init__(self, jid):
        self.jid = jid
        self.sent = []
        self.received = []
        self.sent_before_answer = 0  # how many of `sent` the last piece came after that could be an answer

    def add(self, sent, text):
        (self.sent if sent else self.received).append(text)
        if not sent and "<iq" in text:
            self.sent_before_answer = len(self.sent)

    def stanzas(self):
        """What was received below the stream's root; StreamProblem if it is ill-formed."""
        parser = StreamParser(restarts=False)
        events = [event for data in self.received for event in parser.feed(data.encode())]
        return [e for kind, e in events if kind == "stanza"]

    @staticmethod
    def requests(sent):
        """Ids of the requests among what was sent."""
        stanzas = parse(FRAME.sub("", "".join(sent)))  # what stands between may be of XEP-0198, in one piece with a stanza
        return [e.get("id") for e in stanzas if e.name == "iq" and e.get("type") in ("get", "set")]

    def check(self, over):
        """over: nothing more will come; then every request must have been answered, but those that may have been under way as the stream
        ended, behind the last answer. Gives how many stanzas were looked at."""
        stanzas = [e for e in self.stanzas() if e.ns == NS["client"]]
        for e in stanzas:
            check_stanza(e, self.jid)
        answers = Counter(e.get("id") for e in stanzas if e.name == "iq" and e.get("type") in ("result", "error"))
        requests = self.requests(self.sent)
        assert set(answers) <= set(requests), f"answers that nobody asked for: {set(answers) - set(requests)}"
        twice = [i for i, n in answers.items() if n > 1]
        assert not twice, f"answered more than once: {twice}"
        missing = [i for i in self.requests(self.sent[:self.sent_before_answer]) if i not in answers]
        assert not over or not missing, f"never answered: {missing}"
        return len(stanzas)


async def roster(node, jid, password):
    """What a fresh session gets: contact -> (subscription, ask). It never says that it is there."""
    user, host = jid.split("@")
    client = Client("observer", node.endpoint, user, host, password, resource="observer")
    await client.connect()
    answer = await client.request("get", "<query xmlns='jabber:iq:roster'/>")
    await client.close()
    items = answer.child("query", "jabber:iq:roster").elems()
    return {e.get("jid"): (e.get("subscription"), e.get("ask")) for e in items}
