"""A person who uses Profanity in a terminal: each verb is typed, and seen on its screen."""
import os
import re

from desk import until
from evidence import Stream
from harness.stanza import NS, parse
from interop.profanity import Terminal

SIZE = (260, 60)  # wide enough that no stanza is broken into lines that matter
SECTIONS = {"Available for chat": "chat", "Online": "available", "Away": "away", "Extended Away": "xa", "Do not disturb": "dnd",
            "Offline": "unavailable"}
HEADING = re.compile(r"(?:^|\s\s)(%s) \(\d+\)$" % "|".join(SECTIONS))
LOGGED = re.compile(r"^\S+: (conn: DBG: SENT|xmpp: DBG: RECV): (<.*?)(?=\n\d{4}-\d\d-\d\dT|\Z)", re.S | re.M)
RECEIVED = re.compile(r"RECV:\n\S+ - (<.*?>)\s*\n\S+ - *\n", re.S)  # as its XML console shows it
HEADER = f"<stream:stream xmlns='{NS['client']}' xmlns:stream='{NS['streams']}'>"


class Profanity:
    """user@host at the node's endpoint, in a terminal of its own."""

    client = "Profanity"

    def __init__(self, user, host, endpoint, album):
        self.terminal = Terminal()
        self.user, self.host, self.endpoint, self.album = user, host, endpoint, album
        self.jid = f"{user}@{host}"

    async def start(self):
        self.terminal.start(self.user, "profanity --log DEBUG", SIZE)
        await self.wait("Profanity")
        self.enter("/reconnect 2")

    async def stop(self):
        self.terminal.stop()

    def logs(self):
        return {f"{self.user}-profanity.log": self.log_path()}

    def log_path(self):
        return os.path.join(self.terminal.dir, self.user, "data", "profanity", "logs", "profanity.log")

    def shoot(self, what):
        with open(self.album.page(self.user, what, "txt"), "w") as f:
            f.write("\n".join(line.rstrip() for line in self.lines()))

    # ---- hands and eyes ----
    def enter(self, text):
        self.terminal.type(self.user, text)

    def lines(self):
        return self.terminal.screen(self.user).splitlines()

    async def wait(self, text):
        await self.terminal.wait(self.user, text, seconds=30)

    # ---- verbs ----
    async def log_in(self, password):
        self.enter(f"/connect {self.jid} server {self.endpoint['address']} port {self.endpoint['starttls']} tls force")
        await self.wait("password:")
        self.enter(password)
        await self.wait("/tls always")
        self.shoot("certificate")
        self.enter("/tls always")
        await self.wait("logged in successfully")
        self.shoot("online")

    async def accept(self, friend):
        await self.wait(f"Received authorization request from {friend.jid}")
        self.shoot("request")
        self.enter(f"/sub allow {friend.jid}")
        await self.wait(f"Accepted subscription for {friend.jid}")
        self.enter(f"/sub request {friend.jid}")
        await self.wait(f"Subscription received from {friend.jid}")

    def section_of(self, friend):
        """Below which heading of the contact list beside the console the friend stands."""
        section = None
        for line in self.lines():
            heading = HEADING.search(line.rstrip())
            section = SECTIONS[heading.group(1)] if heading else section
            if re.search(rf"(^|\s\s){re.escape(friend.jid)}( \(\d+\))?$", line.rstrip()):
                return section
        return None

    async def sees(self, friend, show):
        self.enter("/win console")
        await until(lambda: self.section_of(friend) == show,
                    lambda: f"{self.user} does not see {friend.jid} {show}:\n" + "\n".join(self.lines()))
        self.shoot(f"sees-{show}")

    async def is_offline(self):
        await self.wait("[offline]")

    async def say(self, friend, text):
        self.enter(f"/msg {friend.jid} {text}")
        await self.wait(text)

    async def hears(self, friend, text):
        self.enter(f"/msg {friend.jid}")
        await self.wait(text)

    # ---- XML ----
    async def open_console(self):
        self.enter("/xmlconsole")
        await self.wait("XML Console")

    async def read_console(self, text):
        """Waits for a stanza with the text in the console, whole; gives the stanzas that came, and closes it."""
        def whole():
            received = RECEIVED.findall("\n".join(self.lines()))
            return received if any(text in xml for xml in received) else None
        received = await until(whole, lambda: f"the XML console of {self.user} does not show {text}:\n" + "\n".join(self.lines()))
        self.shoot("console")
        self.enter("/close")
        await self.wait("Profanity. Type /help")
        return [e for xml in received for e in parse(re.sub(r"\n\s+", " ", xml))]

    def streams(self):
        """What went over the wire, from Profanity's log, where the server's stream headers have lost their namespaces."""
        found = []
        with open(self.log_path(), errors="replace") as f:
            logged = LOGGED.findall(f.read())
        for direction, data in logged:
            if direction.endswith("SENT") and data.startswith("<?xml"):
                found.append(Stream(self.jid))
            sent = direction.endswith("SENT")
            found[-1].add(sent, HEADER if not sent and data.startswith("<stream:stream") else data)
        return found
