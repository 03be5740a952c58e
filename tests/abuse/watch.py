"""People who just want to chat while others misbehave: they ping all the time, and keep an eye on the server's memory and files.

    async with Watch(server) as watch:
        ...the attack...
        await watch.check(peak_mib=32)

check() says that every ping was answered in time, that memory never grew by more than `peak_mib`, and that files and memory come back.
Time in which we ourselves were not run, for the machine is busy or an attack keeps this program busy, is not the server's.
"""
import asyncio
import time

from harness.client import Client
from harness.wire import PATIENCE

PING_S = 2.0 * PATIENCE     # the longest that anybody may wait for a ping meanwhile
WATCHERS = 4                # accounts are spread over the workers: these are likely to be on all of two
RETURN_S = 15.0 * PATIENCE  # for memory and files to come back


class Watch:
    def __init__(self, server):
        self.server = server
        self.worst_s = 0.0
        self.late_s = 0.0  # how late we woke up, all in all
        self.pings = 0
        self.peak_kib = 0
        self.stopping = False

    async def __aenter__(self):
        self.clients = [await self.watcher(f"watch{i}-{self.server.tag}") for i in range(WATCHERS)]
        self.base_kib = self.server.rss_kib()
        self.base_files = self.server.open_files()
        self.tasks = [asyncio.create_task(self.loop(c)) for c in self.clients] + [asyncio.create_task(self.notice_lateness())]
        return self

    async def watcher(self, user):
        await self.server.register(user, "localhost", "secret")
        client = await Client("watch", self.server.endpoint, user, "localhost", "secret", "w").connect()
        await client.ping()
        return client

    async def notice_lateness(self):
        while not self.stopping:
            begin = time.monotonic()
            await asyncio.sleep(0.01)
            self.late_s += max(0.0, time.monotonic() - begin - 0.02)

    async def loop(self, client):
        while not self.stopping:
            begin, late_s = time.monotonic(), self.late_s
            await client.ping(timeout=60)
            await asyncio.sleep(0)
            self.worst_s = max(self.worst_s, time.monotonic() - begin - (self.late_s - late_s))
            self.pings += 1
            client.kept.clear()
            self.peak_kib = max(self.peak_kib, self.server.rss_kib())
            await asyncio.sleep(0.05)

    async def stop(self):
        """Raises what went wrong in a watcher."""
        self.stopping = True
        for problem in await asyncio.gather(*self.tasks, return_exceptions=True):
            assert problem is None, f"a bystander was not served: {problem!r}"

    async def login(self, within_s):
        """A newcomer gets in, too."""
        begin = time.monotonic()
        user = f"late-{self.server.tag}"
        await self.server.register(user, "localhost", "secret")
        late = await asyncio.wait_for(Client("late", self.server.endpoint, user, "localhost", "secret", "l").connect(), within_s * PATIENCE)
        await late.close()
        return time.monotonic() - begin

    async def check(self, peak_mib, left_mib=12):
        assert self.server.running(), "the server died"
        await self.stop()
        self.note = f"{self.pings} pings, the longest {self.worst_s * 1000:.0f} ms; {self.grown(self.peak_kib):.1f} MiB more at the peak"
        assert self.pings > 0 and self.worst_s < PING_S, f"a ping took {self.worst_s:.2f} s"
        if not self.sanitized():
            assert self.grown(self.peak_kib) <= peak_mib, f"memory grew by {self.grown(self.peak_kib):.1f} MiB, at most {peak_mib} are fine"
            await self.until(lambda: self.more_mib() <= left_mib, lambda: f"{self.more_mib():.1f} MiB were not given back")
        await self.until(lambda: self.more_files() <= 2, lambda: f"{self.more_files()} files were left open")
        self.note += f", {self.more_mib():.1f} after"

    def grown(self, kib):
        return (kib - self.base_kib) / 1024

    def more_mib(self):
        return self.grown(self.server.rss_kib())

    def more_files(self):
        return self.server.open_files() - self.base_files

    def sanitized(self):
        """Sanitizers keep freed memory back; then its size says nothing."""
        with open(f"/proc/{self.server.process.pid}/maps") as f:
            return "libasan" in (text := f.read()) or "libtsan" in text

    @staticmethod
    async def until(condition, complaint):
        deadline = time.monotonic() + RETURN_S
        while not condition():
            assert time.monotonic() < deadline, complaint()
            await asyncio.sleep(0.1)

    async def __aexit__(self, kind, value, trace):
        self.stopping = True
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for client in self.clients:
            client.abort()
