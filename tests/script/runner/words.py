"""What a script's text stands for: its own accounts' unique names, {=references}, {repeat}, {count} and {base64}.

Every run of a script has accounts of its own: romeo@localhost in the text is romeo.k3f2@localhost on the wire, and again romeo@localhost in
what the runner prints. So scripts read like the examples of the RFCs and do not disturb one another.
"""
import base64
import hashlib
import re

from harness.stanza import NS

from .match import BadPattern, lookup


class Words:
    def __init__(self, script, tag):
        self.env = {"tag": tag}
        self.tag = tag
        pairs = {(c.user, c.host) for c in script.clients.values() if c.user} | {(u, h) for u, h, _ in script.accounts}
        self.forward = {f"{u}@{h}": f"{self.unique(u)}@{h}" for u, h in pairs}
        self.pattern = self.alternatives(self.forward)
        self.backward = {v: k for k, v in self.forward.items()}
        self.backward_pattern = self.alternatives(self.backward)

    def unique(self, user):
        return f"{user}.{self.tag}"

    @staticmethod
    def alternatives(names):
        if not names:
            return re.compile(r"(?!)")
        longest_first = "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True))
        return re.compile(r"(?<![\w.@-])(" + longest_first + r")(?![\w-]|\.\w)", re.I)

    def rename(self, text):
        return self.pattern.sub(lambda m: self.keep_case(m.group(), self.forward[m.group().lower()]), text)

    @staticmethod
    def keep_case(written, unique):
        return unique.upper() if written.isupper() else unique if written.islower() else unique.capitalize()

    def readable(self, text):
        return self.backward_pattern.sub(lambda m: self.backward[m.group().lower()], text)

    def pattern_text(self, text):
        """For expectations: references are the matcher's."""
        return self.macros(self.rename(text))

    def expand(self, text):
        """For what is sent and for commands."""
        return self.macros(re.sub(r"\{=([\w.]+)\}", lambda m: lookup(self.env, m.group(1)), self.rename(text)))

    def macros(self, text):
        """Innermost first."""
        while True:
            m = re.search(r"\{(repeat|count|base64) ([^{}]*)\}", text)
            if not m:
                return text
            text = text[:m.start()] + self.macro(m.group(1), m.group(2)) + text[m.end():]

    @staticmethod
    def macro(name, arg):
        if name == "base64":
            return base64.b64encode(unescape(arg)).decode()
        count, _, piece = arg.partition(" ")
        if not count.isdigit():
            raise BadPattern("{%s COUNT TEXT}" % name)
        if name == "count":
            return "".join(piece.replace("#", str(i)) for i in range(int(count)))
        return piece * int(count)


def caps_hash(query):
    """XEP-0115 section 5.1: sha-1 over the sorted identities, features and forms."""
    def identity(e):
        return "/".join((e.get("category", ""), e.get("type", ""), e.attrs.get((NS["xml"], "lang"), ""), e.get("name", ""))) + "<"
    text = "".join(sorted(identity(e) for e in query.elems() if e.name == "identity"))
    text += "".join(sorted(e.get("var") + "<" for e in query.elems() if e.name == "feature"))
    forms = []
    for form in (e for e in query.elems() if e.ns == "jabber:x:data"):
        fields = {f.get("var"): sorted(v.text() for v in f.elems()) for f in form.elems() if f.name == "field"}
        head = fields.pop("FORM_TYPE", [""])[0]
        forms.append(head + "<" + "".join(var + "<" + "".join(v + "<" for v in fields[var]) for var in sorted(fields)))
    return base64.b64encode(hashlib.sha1((text + "".join(sorted(forms))).encode()).digest()).decode()


def unescape(text):
    r"""\n \r \t \0 \s (space) \\ and \xHH; everything else is UTF-8."""
    out, at = b"", 0
    simple = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", "s": b" ", "\\": b"\\"}
    for m in re.finditer(r"\\(x([0-9a-fA-F]{2})|[nrt0s\\])", text):
        out += text[at:m.start()].encode()
        out += bytes.fromhex(m.group(2)) if m.group(2) else simple[m.group(1)]
        at = m.end()
    return out + text[at:].encode()
