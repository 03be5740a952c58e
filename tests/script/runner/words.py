"""What a script's text stands for: its own accounts' unique names, {=references}, {repeat} and {base64}.

Every run of a script has accounts of its own: romeo@localhost in the text is romeo.k3f2@localhost on the wire, and again romeo@localhost in
what the runner prints. So scripts read like the examples of the RFCs and do not disturb one another.
"""
import base64
import re

from .match import BadPattern, lookup


class Words:
    def __init__(self, script, tag):
        self.env = {"host": "localhost"}
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
        return re.compile(r"(?<![\w.@-])(" + "|".join(re.escape(n) for n in sorted(names, key=len, reverse=True)) + r")(?![\w-]|\.\w)", re.I)

    def rename(self, text):
        return self.pattern.sub(lambda m: self.keep_case(m.group(), self.forward[m.group().lower()]), text)

    @staticmethod
    def keep_case(written, unique):
        return unique.upper() if written.isupper() else unique if written.islower() else unique.capitalize()

    def readable(self, text):
        return self.backward_pattern.sub(lambda m: self.backward[m.group().lower()], text)

    def pattern_text(self, text):
        """For expectations: only renamed; references are the matcher's."""
        return self.rename(text)

    def expand(self, text):
        """For what is sent and for commands."""
        text = re.sub(r"\{=([\w.]+)\}", lambda m: lookup(self.env, m.group(1)), self.rename(text))
        while True:
            m = re.search(r"\{(repeat|base64) ([^{}]*)\}", text)
            if not m:
                return text
            text = text[:m.start()] + self.macro(m.group(1), m.group(2)) + text[m.end():]

    @staticmethod
    def macro(name, arg):
        if name == "base64":
            return base64.b64encode(unescape(arg)).decode()
        count, _, piece = arg.partition(" ")
        if not count.isdigit():
            raise BadPattern("{repeat COUNT TEXT}")
        return piece * int(count)


def unescape(text):
    r"""\n \r \t \0 \s (space) \\ and \xHH; everything else is UTF-8."""
    out, at = b"", 0
    simple = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", "s": b" ", "\\": b"\\"}
    for m in re.finditer(r"\\(x([0-9a-fA-F]{2})|[nrt0s\\])", text):
        out += text[at:m.start()].encode()
        out += bytes.fromhex(m.group(2)) if m.group(2) else simple[m.group(1)]
        at = m.end()
    return out + text[at:].encode()
