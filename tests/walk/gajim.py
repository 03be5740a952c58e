"""A person who uses Gajim: each verb is done with mouse and keyboard, and seen in its windows."""
import os
import re

from desk import Desk, until
from evidence import Stream
from harness.stanza import parse

SIDEBAR_X = 70   # left of it: workspaces and accounts
CHAT_X = 420     # right of it: the account or the chat; between the two: contacts or chats
DOT = {"available": (102, 191, 16), "away": (255, 133, 51), "dnd": (230, 46, 0), "unavailable": (154, 154, 154)}
DOT_PIXELS = 15  # of the dot's colour at least
IN_CONSOLE = re.compile(r"<!-- (Incoming|Outgoing) [^>]*-->\n(.*?)(?=\n<!-- |\Z)", re.S)
STATUS = {"available": "Available", "away": "Away", "dnd": "Busy", "unavailable": "Offline"}
LOGGED = re.compile(r"\((?!Account Wizard)[^)]*\) ::::: DATA (SENT|RECEIVED) ::::\n\n(.*?)\n\n?(?=\d\d/\d\d/\d\d \d\d:|\Z)", re.S)


def in_sidebar(thing):
    return thing["box"][0] < SIDEBAR_X


def in_list(thing):
    return SIDEBAR_X <= thing["box"][0] < CHAT_X


def in_chat(thing):
    return thing["box"][0] >= CHAT_X


class Gajim:
    """user@host at the node's endpoint, on a desk of its own."""

    client = "Gajim"

    def __init__(self, user, host, endpoint, album):
        self.desk = Desk(user, album)
        self.user, self.host, self.endpoint = user, host, endpoint
        self.jid = f"{user}@{host}"
        self.shoot = self.desk.shoot

    def logs(self):
        """name -> path of what tells more when something went wrong."""
        return {f"{self.user}-{name}": os.path.join(self.desk.dir, name) for name in os.listdir(self.desk.dir) if name.endswith(".log")}

    async def start(self):
        await self.desk.start()
        await self.desk.run("gajim", "--verbose")
        await self.desk.find("password text")

    async def stop(self):
        await self.desk.stop()

    # ---- the account ----
    async def enter(self, password):
        """The first two pages of the assistant: who, and where."""
        desk, window = self.desk, "^Add Account$"
        await desk.fill("text", "^$", self.jid, window=window)
        await desk.fill("password text", None, password, window=window)
        self.shoot("credentials")
        if not await self.is_checked("Advanced Settings"):
            await desk.click("check box", "Advanced Settings")
            await desk.find("check box", "Advanced Settings", fits=lambda t: "checked" in t["states"])
        await desk.click("push button", "^Log In$", window=window)
        host = await desk.at_rest("text", "^$", window="^Advanced")
        await desk.fill("text", "^$", self.endpoint["address"], window="^Advanced", fits=lambda t: t["box"][1] == host["box"][1])
        await desk.fill("text", "^$", str(self.endpoint["starttls"]), window="^Advanced", fits=lambda t: t["box"][1] > host["box"][1])
        self.shoot("server")
        await desk.click("push button", "^Log In$", window="^Advanced")

    async def is_checked(self, name):
        return "checked" in (await self.desk.find("check box", name))["states"]

    async def trust(self):
        """The node's certificate is its own; the person decides to trust it. Nothing else may be wrong with it."""
        await self.desk.find("label", "^Certificate Verification Failed$")

        async def warnings():
            labels = [t["name"] for t in await self.desk.look() if t["role"] == "label" and t["window"] == "Security Warning"]
            return labels[2:]  # behind the title and what it means
        assert await until(warnings, "the warning says nothing") == ["The signing certificate authority is not known"]
        await self.desk.click("check box", "Add to Trusted")
        self.shoot("certificate")
        await self.desk.click("push button", "^Log In$", window="^Security")

    async def mistype(self, password):
        """A wrong password is told as such, and can be corrected."""
        await self.enter(password)
        await self.trust()
        await self.desk.find("label", "^Authentication failed$")
        await self.desk.find("label", "^The user name or the password is wrong.$")
        self.shoot("mistyped")
        await self.desk.click("push button", "^Back$")

    async def log_in(self, password, trusted=False):
        await self.enter(password)
        if not trusted:
            await self.trust()
        await self.desk.find("label", "^Account has been added successfully$")
        self.shoot("added")
        await self.desk.click("push button", "^Connect$")
        await self.desk.fill("password text", None, password, window="^Password Required$")  # there is no keyring here
        await self.desk.click("push button", "^Login$", window="^Password Required$")
        await self.show_account()
        await self.desk.find("toggle button", "^Available$")
        self.shoot("online")

    # ---- the main window's pages ----
    async def sidebar(self, pick):
        """Clicks on the item that pick() chooses out of the sidebar's items, in the order from top to bottom. One look may see nothing: a
        program that is busy does not answer the eyes."""
        async def all_items():
            items = [t for t in await self.desk.look() if t["role"] == "list item" and in_sidebar(t)]
            return sorted(items, key=lambda t: t["box"][1]) if len(items) > 1 else None
        self.desk.press(pick(await until(all_items, "the sidebar is not there")))

    async def show_account(self):
        """The page with status, requests and contacts."""
        async def shown():
            seen = await self.desk.look()
            if any(t["role"] == "label" and t["name"] == "Contact List" for t in seen):
                return True
            await self.sidebar(lambda items: items[-1])
            return False
        await until(shown, "the account's page does not come up")

    async def show_chat(self, friend):
        """The chat with a friend: from the list of chats, or else from the contacts."""
        async def workspace():
            await self.sidebar(lambda items: items[1])
            return any(t["role"] == "label" and t["name"] == "My Workspace" for t in await self.desk.look())
        await until(workspace, "the workspace does not come up")
        row = [t for t in await self.desk.look() if t["role"] == "label" and t["name"] == friend.user and in_list(t)]
        if row:
            await self.desk.click("label", f"^{friend.user}$", fits=in_list)
        else:
            await self.show_account()
            await self.desk.click("table cell", f"^{friend.user}$", times=2)
        await self.desk.find("label", f"^{friend.user}$", fits=in_chat)

    async def notified(self):
        """A number beside a workspace or an account says that something happened."""
        await self.desk.find("label", r"^\d+$", fits=in_sidebar)

    # ---- contacts and presence ----
    async def ask(self, friend):
        await self.desk.click("menu", "^Accounts$")
        await self.desk.click("menu item", "^Add Contact")
        await self.desk.fill("text", "^$", friend.jid, window="^Add Contact$")
        await self.desk.click("push button", "^Next$")
        await self.finish_asking()

    async def finish_asking(self):
        await self.desk.find("label", "^Share Status$")
        self.shoot("add-contact")
        await self.desk.click("push button", "^Add Contact$")

    async def accept(self, friend):
        """Sees the request, accepts, and asks for the same: Gajim proposes it."""
        await self.notified()
        await self.show_account()
        await self.desk.find("label", f"\\({re.escape(friend.jid)}\\)")
        self.shoot("request")
        await self.desk.click("push button", "^Accept$")
        await self.desk.click("push button", "^Next$", window="^Add Contact$")
        await self.finish_asking()

    async def sees(self, friend, show):
        """The dot at the friend's picture has the colour of that status."""
        await self.show_account()
        seen = {}

        async def dot():
            row = (await self.desk.find("table cell", f"^{friend.user}$"))["box"]
            colours = self.desk.pixels([row[0] - 50, row[1], 50, row[3]])
            seen.update({name: colours.count(colour) for name, colour in DOT.items()})
            return seen[show] >= DOT_PIXELS and max(seen, key=seen.get) == show
        await until(dot, lambda: f"{self.user} does not see {friend.user} {show}, but {seen}")
        self.shoot(f"sees-{show}")

    async def set_status(self, show, text=None):
        await self.show_account()
        await self.desk.click("toggle button", f"^({'|'.join(STATUS.values())})$")
        await self.desk.click("push button", f"^{STATUS[show]}$")
        await self.desk.find("toggle button", f"^{STATUS[show]}$")
        if text:
            await self.desk.fill("text", "^$", text, window="^Gajim$", fits=in_chat)
            self.desk.key("Return")

    async def leave(self):
        await self.set_status("unavailable")

    async def come_back(self):
        await self.set_status("available")

    async def is_offline(self):
        """It lost its connection, and tries again by itself."""
        await self.show_account()
        await self.desk.find("toggle button", "^Connecting$")

    # ---- chat ----
    async def say(self, friend, text):
        await self.show_chat(friend)
        await self.desk.fill("text", "^$", text, fits=lambda t: in_chat(t) and "editable" in t["states"])
        self.desk.key("Return")
        await self.hears(friend, text)

    async def hears(self, friend, text):
        """The text is in the chat with the friend."""
        await self.show_chat(friend)
        await self.desk.find("label", f"^{re.escape(text)}$", fits=in_chat)

    # ---- XML ----
    async def open_console(self):
        await self.sidebar(lambda items: items[-1])  # the keyboard is the main window's
        self.desk.key("ctrl+shift+x")
        await self.desk.find("label", "^XML Console$")

    async def read_console(self, text):
        """Waits for the text in the console; gives the stanzas that came, and closes it."""
        shown = (await self.desk.find("text", window="^XML Console$", text=re.escape(text)))["text"]
        self.shoot("console")
        self.desk.key("Escape")

        async def closed():
            return not any(t["window"] == "XML Console" for t in await self.desk.look())
        await until(closed, "the XML console stays")
        return [e for direction, xml in IN_CONSOLE.findall(shown) if direction == "Incoming" for e in parse(xml)]

    def streams(self):
        """What went over the wire, from Gajim's log."""
        found = []
        for direction, data in LOGGED.findall(self.desk.log("gajim")):
            if direction == "SENT" and data.startswith("<?xml"):
                found.append(Stream(self.jid))
            found[-1].add(direction == "SENT", data)
        return found
