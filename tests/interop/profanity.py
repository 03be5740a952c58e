"""Two Profanity clients in tmux log in over TLS and chat, as people do."""
import asyncio
import os
import shutil
import subprocess
import tempfile
import time

from harness.relay import Relay
from harness.wire import PATIENCE


class Terminal:
    """A tmux server of our own with one window per client; its configuration and data are in a temporary directory."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="interop-tmux-")
        self.socket = os.path.join(self.dir, "tmux")

    def tmux(self, *args):
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *args], check=True, capture_output=True, text=True).stdout

    def start(self, name, command, size=(140, 50)):
        home = os.path.join(self.dir, name)
        os.makedirs(os.path.join(home, "config", "profanity"))
        env = {"HOME": home, "XDG_CONFIG_HOME": f"{home}/config", "XDG_DATA_HOME": f"{home}/data", "TERM": "screen", "LANG": "C.UTF-8"}
        pairs = [part for k, v in env.items() for part in ("-e", f"{k}={v}")]
        self.tmux("new-session", "-d", "-s", name, "-x", str(size[0]), "-y", str(size[1]), *pairs, command)

    def type(self, name, text):
        self.tmux("send-keys", "-t", name, "-l", text)
        self.tmux("send-keys", "-t", name, "Enter")

    def screen(self, name):
        return self.tmux("capture-pane", "-p", "-t", name)

    async def wait(self, name, *wanted, seconds=15):
        """Until one of the texts is on the screen; gives it."""
        deadline = time.monotonic() + seconds * PATIENCE
        while True:
            screen = self.screen(name)
            for text in wanted:
                if text in screen:
                    return text
            assert time.monotonic() < deadline, f"{name}'s screen does not show {wanted}:\n{screen}"
            await asyncio.sleep(0.1)

    def stop(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)


async def log_in(terminal, server, name, direct, port=None):
    user = f"{name}-{server.tag}"
    await server.register(user, "localhost", "secret")
    terminal.start(name, "profanity")
    await terminal.wait(name, "Profanity")
    await connect(terminal, server, name, user, port or server.endpoint["direct" if direct else "starttls"], direct)
    return user


async def connect(terminal, server, name, user, port, direct):
    terminal.type(name, f"/connect {user}@localhost server {server.endpoint['address']} port {port} tls {'legacy' if direct else 'force'}")
    await terminal.wait(name, "Enter password:", "password")
    terminal.type(name, "secret")
    if await terminal.wait(name, "/tls allow", "logged in successfully") == "/tls allow":
        terminal.type(name, "/tls allow")
        await terminal.wait(name, "logged in successfully")


async def chat(server, direct):
    terminal = Terminal()
    try:
        romeo = await log_in(terminal, server, "romeo", direct)
        juliet = await log_in(terminal, server, "juliet", direct)
        terminal.type("romeo", f"/msg {juliet}@localhost But soft, what light?")
        await terminal.wait("juliet", f"{romeo}@localhost")
        terminal.type("juliet", f"/msg {romeo}@localhost Ay me & <alas>!")
        await terminal.wait("juliet", "But soft, what light?")
        await terminal.wait("romeo", "Ay me & <alas>!")
        for name in ("romeo", "juliet"):
            terminal.type(name, "/quit")
    finally:
        terminal.stop()


async def logged(server, *words, seconds=15):
    """Until a line of the server's log has all of them."""
    deadline = time.monotonic() + seconds * PATIENCE
    while not any(all(w in line for w in words) for line in server.log_text().splitlines()):
        assert time.monotonic() < deadline, f"no line of the log has {words}:\n{server.log_tail(15)}"
        await asyncio.sleep(0.1)


async def resume(server):
    """One whose connection is cut comes back, resumes, and shows what came meanwhile. It would reconnect by itself, but for the
    certificate that a person must allow."""
    terminal = Terminal()
    relay = await Relay(server.endpoint["address"], server.endpoint["starttls"]).start()
    try:
        romeo = await log_in(terminal, server, "smromeo", False, relay.port)
        juliet = await log_in(terminal, server, "smjuliet", False)
        terminal.type("smromeo", f"/msg {juliet}@localhost But soft, what light?")
        await terminal.wait("smjuliet", f"{romeo}@localhost")
        relay.cut()
        await logged(server, "session waits for its client", romeo)
        terminal.type("smjuliet", f"/msg {romeo}@localhost Ay me, while thou wast away!")
        terminal.type("smromeo", "/win 1")
        terminal.type("smromeo", "/clear")
        await connect(terminal, server, "smromeo", romeo, relay.port, False)
        await terminal.wait("smromeo", "Connection re-established.")
        await logged(server, "session resumed", romeo)
        terminal.type("smromeo", "/win 2")
        await terminal.wait("smromeo", "while thou wast away!")
        terminal.type("smromeo", f"/msg {juliet}@localhost She speaks")
        await terminal.wait("smjuliet", "She speaks", f"{romeo}@localhost")
        for name in ("smromeo", "smjuliet"):
            terminal.type(name, "/quit")
    finally:
        await relay.stop()
        terminal.stop()


CASES = {"profanity resumes": resume, "profanity STARTTLS": lambda s: chat(s, False), "profanity direct TLS": lambda s: chat(s, True)}
