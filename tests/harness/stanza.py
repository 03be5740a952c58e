"""Element trees and the client side of an XML stream.

A StreamParser takes bytes in any split and gives events: ("open", Elem), ("stanza", Elem), ("close", None). It is strict about what
RFC 6120 section 11.1 forbids a server to send: comments, processing instructions and DTDs raise StreamProblem.
"""
import re
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

NS = {
    "client": "jabber:client",
    "streams": "http://etherx.jabber.org/streams",
    "stream_errors": "urn:ietf:params:xml:ns:xmpp-streams",
    "stanza_errors": "urn:ietf:params:xml:ns:xmpp-stanzas",
    "tls": "urn:ietf:params:xml:ns:xmpp-tls",
    "sasl": "urn:ietf:params:xml:ns:xmpp-sasl",
    "bind": "urn:ietf:params:xml:ns:xmpp-bind",
    "session": "urn:ietf:params:xml:ns:xmpp-session",
    "ping": "urn:xmpp:ping",
    "cb": "urn:xmpp:sasl-cb:0",
    "xml": "http://www.w3.org/XML/1998/namespace",
}


class StreamProblem(Exception):
    """What came is not an XML stream."""


class Elem:
    """name, ns; attrs maps (ns or None, name) to a value; children holds Elem and str."""

    def __init__(self, ns, name, attrs=None):
        self.ns, self.name = ns, name
        self.attrs = attrs or {}
        self.children = []

    def get(self, name, default=None):
        return self.attrs.get((None, name), default)

    def elems(self):
        return [c for c in self.children if isinstance(c, Elem)]

    def child(self, name, ns=None):
        for c in self.elems():
            if c.name == name and (ns is None or c.ns == ns):
                return c
        return None

    def text(self):
        return "".join(c for c in self.children if isinstance(c, str))

    def is_(self, ns, name):
        return self.ns == NS.get(ns, ns) and self.name == name

    def __str__(self):
        return serialise(self)


def serialise(e, default_ns=NS["client"]):
    """One line of XML; the prefix `stream` is taken as declared."""
    if e.ns == NS["streams"]:
        tag, inner, decl = "stream:" + e.name, default_ns, ""
    else:
        tag, inner = e.name, e.ns
        decl = "" if e.ns == default_ns else " xmlns=" + quoteattr(e.ns or "")
    out = "<" + tag + decl
    for i, ((ns, name), value) in enumerate(e.attrs.items()):
        if ns == NS["xml"]:
            name = "xml:" + name
        elif ns:
            out += f" xmlns:a{i}={quoteattr(ns)}"
            name = f"a{i}:{name}"
        out += f" {name}={quoteattr(value)}"
    if not e.children:
        return out + "/>"
    body = "".join(serialise(c, inner) if isinstance(c, Elem) else escape(c) for c in e.children)
    return f"{out}>{body}</{tag}>"


def pretty(e, indent=0, default_ns=NS["client"]):
    """Several lines, one element each; for diffs."""
    kids = [c for c in e.children if isinstance(c, Elem) or c.strip()]
    if not any(isinstance(c, Elem) for c in kids):
        return " " * indent + serialise(e, default_ns)
    head = Elem(e.ns, e.name, e.attrs)
    inner = default_ns if e.ns == NS["streams"] else e.ns
    open_tag = serialise(head, default_ns)[:-2] + ">"
    lines = [" " * indent + open_tag]
    for c in kids:
        lines.append(pretty(c, indent + 2, inner) if isinstance(c, Elem) else " " * (indent + 2) + escape(c.strip()))
    lines.append(" " * indent + ("</stream:" if e.ns == NS["streams"] else "</") + e.name + ">")
    return "\n".join(lines)


def split_name(name):
    ns, _, local = name.rpartition(" ")
    return ns or None, local


class StreamParser:
    def __init__(self, restarts=True):
        self.restarts = restarts
        self.held = b""
        self.restart()

    def restart(self):
        """The next thing must be a stream header again."""
        p = self.expat = expat.ParserCreate(namespace_separator=" ")
        p.buffer_text = True
        p.StartElementHandler = self._start
        p.EndElementHandler = self._end
        p.CharacterDataHandler = self._text
        p.CommentHandler = lambda _: self._refuse("a comment")
        p.ProcessingInstructionHandler = lambda *_: self._refuse("a processing instruction")
        p.StartDoctypeDeclHandler = lambda *_: self._refuse("a DTD")
        p.StartNamespaceDeclHandler = self._declared
        self.stack = []
        self.events = []
        self.header_ns = {}

    @staticmethod
    def _refuse(what):
        raise StreamProblem("the server sent " + what)

    def _declared(self, prefix, uri):
        if not self.stack:
            self.header_ns[prefix] = uri

    def _start(self, name, attrs):
        ns, local = split_name(name)
        e = Elem(ns, local, {split_name(k): v for k, v in attrs.items()})
        if not self.stack:
            self.events.append(("open", e))
        elif len(self.stack) > 1:
            self.stack[-1].children.append(e)
        self.stack.append(e)

    def _end(self, name):
        e = self.stack.pop()
        if not self.stack:
            self.events.append(("close", None))
        elif len(self.stack) == 1:
            self.events.append(("stanza", e))

    def _text(self, data):
        if len(self.stack) > 1:
            self.stack[-1].children.append(data)
        elif data.strip():
            raise StreamProblem("text between stanzas: %r" % data)

    def feed(self, data):
        """Gives the events that these bytes complete. After <proceed/> and <success/> a new stream is expected, maybe in the same bytes."""
        # expat 2.6, and 2.5 with Debian's security update, puts off a tag that came in parts until much more has come: it gets whole ones.
        data = self.held + data
        tag = data.rfind(b"<")
        end = tag if tag >= 0 and b">" not in data[tag:] else len(data)
        data, self.held = data[:end], data[end:]
        pieces = re.split(b"(?<=>)", data) if b"success" in data else [data]
        return [event for piece in pieces for event in self._feed(piece)]

    def _feed(self, data):
        try:
            self.expat.Parse(data, False)
        except expat.ExpatError as err:
            raise StreamProblem("the server's XML is ill-formed: %s in %r" % (err, data[:200])) from None
        events, self.events = self.events, []
        for kind, e in events:
            if self.restarts and kind == "stanza" and (e.is_("tls", "proceed") or e.is_("sasl", "success")):
                self.restart()
        return events


def parse(text, prefixes=""):
    """XML text to a list of Elem, in the context of a client stream. ValueError if it is ill-formed."""
    p = StreamParser(restarts=False)
    head = f"<stream:stream xmlns='{NS['client']}' xmlns:stream='{NS['streams']}' {prefixes}>"
    try:
        events = p.feed((head + text + "</stream:stream>").encode())
    except StreamProblem as err:
        raise ValueError(str(err)) from None
    if not events or events[-1][0] != "close":
        raise ValueError("XML is not complete")
    return [e for kind, e in events if kind == "stanza"]
