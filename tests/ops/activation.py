"""Sockets that the service manager made: found by address and by name, shared by the workers, kept over a restart."""
import asyncio
import os
import shutil
import socket
import sys

from harness import http
from harness.client import Client
from harness.server import free_ports
from harness.starling import Starling
from harness.wire import PATIENCE
from reload import ctl, until

# As the manager does between fork and exec: the descriptors go to 3 and on, and the process learns that they are its own.
HAND_OVER = ("import os, sys; n = int(sys.argv[1]); fds = [int(a) for a in sys.argv[2:2 + n]];"
             "high = [os.dup2(fd, 100 + i) for i, fd in enumerate(fds)]; [os.dup2(fd, 3 + i) for i, fd in enumerate(high)];"
             "[os.close(fd) for fd in high]; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(n)); os.execv(sys.argv[2 + n], sys.argv[2 + n:])")


class Managed(Starling):
    """A node whose sockets are ours; names: a name for each of them, or nothing."""

    def __init__(self, kinds, names="", **rest):
        super().__init__(**rest)
        self.names = names
        self.sockets = {k: socket.create_server((self.address, self.endpoint[k])) for k in kinds}
        self.pass_fds = [s.fileno() for s in self.sockets.values()]

    def environment(self):
        return {**super().environment(), **({"LISTEN_FDNAMES": self.names} if self.names else {})}

    def prepare(self):
        fds = [str(fd) for fd in self.pass_fds]
        return [sys.executable, "-c", HAND_OVER, str(len(fds)), *fds, *super().prepare()]

    async def stop(self):
        problems = await super().stop()
        for s in self.sockets.values():
            s.close()
        return problems


def client(node, user, tls="starttls"):
    return Client(user, node.endpoint, user, "localhost", "secret", "r", tls=tls)


async def works(node, *kinds):
    for tls in kinds:
        one = client(node, "romeo", tls)
        await one.connect()
        await one.ping()
        await one.close()


async def by_address(bench):
    node = await bench.start(node=Managed(["starttls", "direct", "plain", "http"]))
    await node.register("romeo", "localhost", "secret")
    await works(node, "starttls", "direct", "none")
    assert (await http.get(node.endpoint["http"], "/readyz")).text() == "ready\n"
    many = [client(node, "romeo") for _ in range(40)]
    for i, c in enumerate(many):
        c.resource = f"r{i}"
    await asyncio.gather(*(c.connect() for c in many))
    assert await ctl(node, "num_resources", "romeo", "localhost") == "40\n"
    await asyncio.gather(*(c.close() for c in many))


async def by_name(bench):
    """The address in the configuration does not count then; two sockets may have one name."""
    node = Managed(["starttls", "plain", "direct"], "people:people:quick")
    one, two = free_ports(2)
    node.overrides["listen"] = [{"port": one, "socket": "people", "tls": "none"}, {"port": two, "socket": "quick", "tls": "direct"}]
    await bench.start(node=node)
    await node.register("romeo", "localhost", "secret")
    await works(node, "none", "direct")
    node.endpoint["plain"] = node.endpoint["starttls"]
    await works(node, "none")
    for port in (one, two):
        try:
            socket.create_connection((node.address, port)).close()
            raise AssertionError("it listens there, too")
        except OSError:
            pass


async def nobody_is_refused(bench):
    """Who connects while there is no node waits, and is served by the next one."""
    node = await bench.start(node=Managed(["starttls", "direct", "plain"]))
    await node.register("romeo", "localhost", "secret")
    assert not await node.halt()
    early = client(node, "romeo")
    logging_in = asyncio.create_task(early.connect())
    await bench.start(node=node)
    await asyncio.wait_for(logging_in, 20 * PATIENCE)
    await early.ping()
    await early.close()
    # The same process begins again: it finds its sockets once more.
    begun = node.log_text().count("msg=started")
    await ctl(node, "restart")
    served = 0
    deadline = asyncio.get_running_loop().time() + 20 * PATIENCE
    while node.log_text().count("msg=started") == begun or not served:
        assert asyncio.get_running_loop().time() < deadline, node.log_tail()
        one = client(node, "romeo")
        await one.open_connection()  # raises when it is refused
        one.abort()
        served += node.log_text().count("msg=started") > begun
    await works(node, "starttls", "direct", "none")


async def not_ours(bench):
    """A socket that no listener is for would keep its clients waiting for ever."""
    node = Managed(["starttls", "direct", "plain", "api"])
    for s, text in ((None, "no listener is configured"), (socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "no listening TCP socket")):
        if s:
            node.pass_fds = [s.fileno()]
        p = await asyncio.create_subprocess_exec(*node.prepare(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
                                                 pass_fds=node.pass_fds, env=node.environment(), cwd=node.dir)
        out, _ = await asyncio.wait_for(p.communicate(), 20 * PATIENCE)
        assert p.returncode == 1 and text in out.decode(), (p.returncode, out)
    await node.stop()


async def systemds_own(bench):
    """systemd-socket-activate starts the node when the first client comes."""
    tool = shutil.which("systemd-socket-activate")
    assert tool, "systemd-socket-activate is not installed (scripts/deps test)"
    node = Starling()
    e = node.endpoint
    command = node.prepare()
    p = await asyncio.create_subprocess_exec(tool, "-l", f"127.0.0.1:{e['starttls']}", "-l", f"127.0.0.1:{e['direct']}", "--fdname=one:two",
                                             "-E", "ASAN_OPTIONS", "-E", "UBSAN_OPTIONS", "-E", "TSAN_OPTIONS", *command,
                                             stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, env=node.environment(), cwd=node.dir)
    try:
        def listens():
            try:
                socket.create_connection((node.address, e["direct"])).close()  # this one wakes it
                return True
            except OSError:
                return False
        await until("somebody listens", listens)
        await until("the node has started", lambda: os.path.exists(node.socket), 20)
        await node.register("romeo", "localhost", "secret")
        await works(node, "starttls", "direct")
        await ctl(node, "stop")
        assert await asyncio.wait_for(p.wait(), 20 * PATIENCE) == 0
    finally:
        if p.returncode is None:
            p.kill()
            await p.wait()
        await node.stop()


CASES = {
    "by address": by_address,
    "by name": by_name,
    "nobody is refused while it restarts": nobody_is_refused,
    "what is not ours": not_ours,
    "systemd-socket-activate": systemds_own,
}
