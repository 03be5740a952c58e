"""A desktop of a test's own: a screen without a monitor, a window manager, a session bus, a home; and the hands and eyes to use it."""
import asyncio
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from harness.wire import PATIENCE

HERE = os.path.dirname(os.path.abspath(__file__))
WAIT_S = 30
USER = "nobody"  # programs that refuse to run as root run as this user
STOP_S = 5


class Unseen(AssertionError):
    """What a person would wait for did not appear."""


async def until(condition, what, seconds=WAIT_S):
    """Asks again and again; gives the first answer that is true."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        answer = condition()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Unseen(what() if callable(what) else what)
        await asyncio.sleep(0.1)


class Album:
    """A folder of pictures, numbered in the order of time, whoever takes them."""

    def __init__(self, folder):
        self.folder = folder
        self.count = 0

    def page(self, who, what, kind):
        """The path of the next picture."""
        self.count += 1
        return os.path.join(self.folder, f"{self.count:02}-{who}-{what}.{kind}")


class Desk:
    """start() it, run() programs on it, look() at it, click(), type(), and stop() it: then nothing of it is left."""

    def __init__(self, name, album, size="1024x768"):
        self.name = name
        self.album = album
        self.size = size
        self.dir = tempfile.mkdtemp(prefix=f"walk-{name}-")
        self.env = {}
        self.agent = None
        self.processes = []

    # ---- life ----
    def prefix(self):
        """Runs what follows as an unprivileged user, and only as long as we live."""
        if os.getuid() != 0:
            return ["setpriv", "--pdeathsig=KILL"]
        return ["setpriv", f"--reuid={USER}", f"--regid={pwd.getpwnam(USER).pw_gid}", "--clear-groups", "--pdeathsig=KILL"]

    async def start(self):
        folders = [os.path.join(self.dir, folder) for folder in ("home", "run")]
        for folder in folders:
            os.makedirs(folder, mode=0o700)
        agent = shutil.copy(os.path.join(HERE, "agent.py"), self.dir)
        settings = os.path.join(folders[0], ".config", "gtk-3.0")
        os.makedirs(settings)
        with open(os.path.join(settings, "settings.ini"), "w") as f:
            f.write("[Settings]\ngtk-enable-animations=false\n")  # what moves is hard to hit
        if os.getuid() == 0:
            self.give_away()
        # No keyring: what asks for one would depend on the machine. No proxy: all traffic stays here.
        self.env = {"HOME": f"{self.dir}/home", "XDG_RUNTIME_DIR": f"{self.dir}/run", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8",
                    "GSETTINGS_BACKEND": "memory", "GDK_BACKEND": "x11", "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
        self.env["DISPLAY"] = ":" + await self.announce("Xvfb", "-displayfd", "1", "-screen", "0", f"{self.size}x24", "-nolisten", "tcp",
                                                        "-noreset")
        self.env["DBUS_SESSION_BUS_ADDRESS"] = await self.announce("dbus-daemon", "--session", "--nofork", "--print-address=1")
        await self.run("openbox", "--sm-disable")
        self.agent = await self.run(sys.executable, "-W", "ignore", agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def give_away(self):
        """All that is in our directory becomes the unprivileged user's."""
        user = pwd.getpwnam(USER)
        for folder, _, files in os.walk(self.dir):
            for path in (folder, *(os.path.join(folder, f) for f in files)):
                os.chown(path, user.pw_uid, user.pw_gid)

    async def run(self, *command, stdin=subprocess.DEVNULL, stdout=None):
        """A program on this desktop. What it prints goes to a log with its name."""
        with open(self.log_path(command[0]), "ab") as log:
            p = await asyncio.create_subprocess_exec(*self.prefix(), *command, env=self.env, cwd=f"{self.dir}/home", stdin=stdin,
                                                     stdout=stdout or log, stderr=log, limit=1 << 24, start_new_session=True)
        self.processes.append(p)
        return p

    async def announce(self, *command):
        """Runs a program that prints a line when it is ready; gives the line."""
        p = await self.run(*command, stdout=subprocess.PIPE)
        line = await asyncio.wait_for(p.stdout.readline(), WAIT_S * PATIENCE)
        assert line, f"{command[0]} did not start: {self.log(command[0])}"
        return line.decode().strip()

    def log_path(self, program):
        return os.path.join(self.dir, os.path.basename(program) + ".log")

    def log(self, program):
        with open(self.log_path(program), errors="replace") as f:
            return f.read()

    def inhabitants(self):
        """Ids of all that runs with our home, also what the session bus started."""
        mark = f"HOME={self.dir}/home".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as f:
                    if mark in f.read().split(b"\0"):
                        yield int(pid)
            except OSError:
                continue

    async def stop(self):
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.inhabitants():
                try:
                    os.kill(pid, sig)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + STOP_S
            while any(self.inhabitants()) and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
        for p in self.processes:
            await p.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # ---- eyes ----
    async def look(self):
        """All that is shown, as agent.py says."""
        self.agent.stdin.write(b"\n")
        line = await asyncio.wait_for(self.agent.stdout.readline(), WAIT_S * PATIENCE)
        assert line, f"the eyes of {self.name} have gone: {self.log(sys.executable)}"
        return json.loads(line)

    async def find(self, role=None, name=None, window=None, text=None, fits=None, seconds=WAIT_S):
        """The first thing of that role whose name, text and window match the patterns, and that fits; waits for it."""
        def matches(thing):
            return ((not role or re.fullmatch(role, thing["role"])) and (name is None or re.search(name, thing["name"]))
                    and (window is None or re.search(window, thing["window"])) and (text is None or re.search(text, thing["text"] or ""))
                    and (not fits or fits(thing)))
        seen = []

        async def glance():
            seen[:] = await self.look()
            return next((t for t in seen if matches(t)), None)
        return await until(glance, lambda: f"{self.name} sees no {role} name={name} text={text} in {window}; but\n{render(seen)}", seconds)

    def pixels(self, box):
        """The colours in a part of the screen, as a list of (red, green, blue)."""
        x, y, w, h = box
        raw = subprocess.run(["import", "-silent", "-window", "root", "-crop", f"{w}x{h}+{x}+{y}", "-depth", "8", "rgb:-"], env=self.env,
                             check=True, capture_output=True).stdout
        return list(zip(raw[0::3], raw[1::3], raw[2::3]))

    def shoot(self, what):
        """A screenshot. The mouse steps aside first: what is below it looks different."""
        self.xdotool("mousemove", *(int(n) - 1 for n in self.size.split("x")))
        path = self.album.page(self.name, what, "png")
        subprocess.run(["import", "-silent", "-window", "root", path], env=self.env, check=True, capture_output=True)
        return path

    # ---- hands ----
    def xdotool(self, *args):
        return subprocess.run(["xdotool", *map(str, args)], env=self.env, check=True, capture_output=True, text=True).stdout

    def press(self, thing, times=1):
        """Clicks into the middle of a thing that was seen."""
        x, y, w, h = thing["box"]
        self.xdotool("mousemove", x + w // 2, y + h // 2, "click", "--repeat", times, "--delay", 60, 1)

    async def at_rest(self, role=None, name=None, fits=None, **where):
        """Finds a thing that reacts to clicks and has come to stay where it is."""
        def ready(thing):
            return "sensitive" in thing["states"] and (not fits or fits(thing))
        thing = None
        while True:
            before, thing = thing, await self.find(role, name, fits=ready, **where)
            if before and before["box"] == thing["box"]:
                return thing

    async def click(self, role=None, name=None, times=1, **where):
        thing = await self.at_rest(role, name, **where)
        self.press(thing, times)
        return thing

    async def fill(self, role, name, text, **where):
        """Clicks into a field, replaces what is in it, and sees that it arrived."""
        spot = (await self.click(role, name, **where))["box"]

        async def field(wanted):
            def fits(thing):
                return thing["box"][:2] == spot[:2] and wanted(thing)
            return await self.find(role, name, window=where.get("window"), fits=fits)
        await field(lambda t: "focused" in t["states"])
        self.key("ctrl+a")
        self.type(text)
        hidden = role == "password text"
        await field(lambda t: len(t["text"] or "") == len(text) if hidden else t["text"] == text)

    def type(self, text):
        self.xdotool("type", "--delay", 8, "--", text)

    def key(self, *keys):
        self.xdotool("key", "--delay", 20, *keys)


def render(seen):
    """Things as an indented text, for people."""
    return "\n".join("  " * t["depth"] + f"{t['role']} {t['name']!r}" + (f" text={t['text']!r}" if t["text"] else "") +
                     f" {t['box']} {' '.join(t['states'])}" for t in seen)
