"""What is no client's: the node's life and log, starlingctl, time, captured values."""
import asyncio
import re
import shlex
import time

from harness import wire

from .errors import Mismatch
from .match import BadPattern, lookup, match_text


class Around:
    """A part of Play: it has self.script, self.server, self.words, self.lag, self.started and self.transcript."""

    async def on_server(self, step):
        """The node itself: its life, where the script has one of its own, and its log."""
        m = re.fullmatch(r"logs (.+)", step.action)
        if m:
            return await self.log_shows(m.group(1))
        if not self.script.own:
            raise BadPattern("a script that does this needs `node own` in its header")
        problems = []
        if step.action == "stops":
            self.server.process.terminate()
        elif step.action == "crashes":
            await self.server.kill()
        elif step.action == "starts":
            await self.server.start()
        elif step.action == "is ready":
            await self.server_is_ready()
        elif step.action == "ends":
            problems = await self.server.halt()
        else:
            raise BadPattern(f"unknown action {step.action!r}")
        if problems:
            raise Mismatch("\n".join(problems))

    async def server_is_ready(self):
        """One that restarts by itself."""
        deadline = asyncio.get_running_loop().time() + wire.DEADLINE
        while not await self.server.is_ready():
            if asyncio.get_running_loop().time() > deadline:
                raise Mismatch(f"  the server did not get ready\n{self.server.log_tail(15)}")
            await asyncio.sleep(0.05)

    async def log_shows(self, pattern):
        """A line of the log that contains the pattern."""
        pattern = self.words.pattern_text("{any}" + pattern + "{any}")
        deadline = asyncio.get_running_loop().time() + (self.timeout or wire.DEADLINE)
        while not any(match_text(pattern, line, self.words.env) for line in self.server.log_text().splitlines()):
            if asyncio.get_running_loop().time() > deadline:
                raise Mismatch(f"  no line of the log matches {pattern!r}\n{self.server.log_tail(15)}")
            await asyncio.sleep(0.05)

    def differ(self, step):
        values = [lookup(self.words.env, name) for name in step.action.split()]
        if len(set(values)) != len(values):
            raise Mismatch(f"  these do not all differ: {values}")

    def clock(self, step):
        """How long something took; only lower bounds are exact on a busy machine, and upper ones say nothing where a client is slow."""
        m = re.fullmatch(r"starts|shows at (least|most) ([0-9.]+)", step.action)
        if not m:
            raise BadPattern("clock starts, clock shows at least S, clock shows at most S")
        now = time.monotonic()
        if not m.group(1):
            self.started = now
            return
        took, bound = now - self.started, float(m.group(2))
        if took < bound if m.group(1) == "least" else took > bound * wire.PATIENCE and not self.lag:
            raise Mismatch(f"  it took {took:.2f} s, not at {m.group(1)} {bound} s")

    async def ctl(self, step):
        args = shlex.split(self.words.expand(step.action))
        code, out, err = await self.server.ctl(*args)
        self.transcript.add("ctl", f"{code} {out}{err}")
        wanted = {"exit": ["0"], "out": [], "err": []}
        for line in step.body:
            word, _, rest = line.strip().partition(" ")
            if word not in wanted:
                raise BadPattern(f"below ctl come exit, out and err, not {word!r}")
            wanted[word] = [rest] if word == "exit" else wanted[word] + [rest]
        if str(code) != wanted["exit"][0] and wanted["exit"][0] != "nonzero" or (wanted["exit"][0] == "nonzero" and code == 0):
            raise Mismatch(f"  exit code {code}, not {wanted['exit'][0]}\n  out: {out}\n  err: {err}")
        for name, got in (("out", out), ("err", err)):
            text = self.words.pattern_text("\n".join(wanted[name]))
            if wanted[name] and not match_text(text, got.strip(), self.words.env):
                raise Mismatch(f"  {name} is {got!r}, not {text!r}")
