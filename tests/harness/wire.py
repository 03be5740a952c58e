"""A TCP or TLS connection to a server that turns what comes into stream events. Everything that waits has a deadline."""
import asyncio
import collections
import ctypes
import hashlib
import os
import socket
import ssl

from . import stanza

PATIENCE = float(os.environ.get("STARLING_TEST_PATIENCE", "1"))
DEADLINE = 10.0 * PATIENCE


class Timeout(Exception):
    """Nothing came before the deadline."""


def client_context(max_version=None, alpn=None, cafile=None):
    """TLS without verification unless a CA is named: scripts test the stream, tests/interop tests certificates."""
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if cafile:
        ctx.load_verify_locations(cafile)
    else:
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
    if max_version:
        ctx.maximum_version = max_version
    if alpn:
        ctx.set_alpn_protocols([alpn])
    return ctx


class Wire(asyncio.Protocol):
    """events: a queue of ("open" | "stanza" | "close" | "eof" | "problem", value). log(direction, text) sees all traffic.
    lag: what goes out leaves that many seconds late, in order: a client far away, whose words arrive after those of others."""

    def __init__(self, log=lambda direction, text: None, lag=0.0):
        self.log = log
        self.lag = lag
        self.leaving = collections.deque()
        self.parser = stanza.StreamParser()
        self.events = asyncio.Queue()
        self.transport = None
        self.lost = False
        self.spaces = 0  # pieces of input that were white space only

    # ---- asyncio's side ----
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.spaces += not data.strip()
        try:
            for event in self.parser.feed(data):
                self.log("<", str(event[1]) if event[1] is not None else "</stream:stream>")
                self.events.put_nowait(event)
        except stanza.StreamProblem as err:
            self.log("<", "? %r" % data[:300])
            self.events.put_nowait(("problem", str(err)))

    def connection_lost(self, exc):
        self.lost = True
        self.log("<", "(connection closed)")
        self.events.put_nowait(("eof", exc))

    # ---- verbs ----
    async def open(self, port, address="127.0.0.1", tls=None, server_name=None, preamble=b""):
        """Connects; preamble goes out before anything else (PROXY protocol)."""
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (address, port)), DEADLINE)
            if preamble:
                await loop.sock_sendall(sock, preamble)
            opening = loop.create_connection(lambda: self, sock=sock, ssl=tls, server_hostname=server_name if tls else None)
            await asyncio.wait_for(opening, DEADLINE)
        except asyncio.TimeoutError:
            sock.close()
            raise Timeout("no connection to %s:%d" % (address, port)) from None
        self.log("*", "connected" + (" with TLS" if tls else ""))

    async def start_tls(self, context, server_name):
        loop = asyncio.get_running_loop()
        try:
            shaking = loop.start_tls(self.transport, self, context, server_hostname=server_name)
            self.transport = await asyncio.wait_for(shaking, DEADLINE)
        except asyncio.TimeoutError:
            raise Timeout("the TLS handshake did not end") from None
        self.log("*", "TLS " + self.transport.get_extra_info("ssl_object").version())

    async def send(self, data, split=0):
        """Writes bytes or text, `split` bytes at a time (0: at once)."""
        if isinstance(data, str):
            data = data.encode()
        shown = data if len(data) <= 2000 else data[:1000] + b" ...%d bytes... " % (len(data) - 2000) + data[-1000:]
        self.log(">", shown.decode("utf-8", "backslashreplace"))
        for i in range(0, len(data), split or len(data) or 1):
            if self.transport.is_closing():
                return
            self.later(self.write, data[i:i + split] if split else data)
            if split:
                await asyncio.sleep(0)

    def later(self, what, *args):
        """Now, or after the lag."""
        if not self.lag:
            what(*args)
            return
        self.leaving.append((what, args))
        asyncio.get_running_loop().call_later(self.lag, self.leave)

    def leave(self):
        what, args = self.leaving.popleft()
        what(*args)

    def write(self, data):
        if not self.transport.is_closing():
            self.transport.write(data)

    async def next(self, timeout=None, what="something"):
        """The next event. Timeout past the deadline."""
        try:
            return await asyncio.wait_for(self.events.get(), timeout or DEADLINE)
        except asyncio.TimeoutError:
            raise Timeout(f"waited {timeout or DEADLINE:g} s for {what}") from None

    def restart(self):
        self.parser.restart()

    def abort(self):
        self.later(self.abort_now)

    def abort_now(self):
        if self.transport and not self.lost and not self.transport.is_closing():
            self.transport.abort()

    # ---- channel bindings ----
    def channel_binding(self, name):
        """The data of a channel binding, or None where this connection has none."""
        obj = self.transport.get_extra_info("ssl_object") if self.transport else None
        if obj is None:
            return None
        if name == "tls-unique":
            return obj.get_channel_binding("tls-unique") if obj.version() == "TLSv1.2" else None
        if name == "tls-server-end-point":
            return hashlib.sha256(obj.getpeercert(binary_form=True)).digest()
        return tls_exporter(obj) if name == "tls-exporter" and obj.version() == "TLSv1.3" else None


def tls_exporter(ssl_object):
    """RFC 9266. Python 3.11 does not export it, so OpenSSL is asked directly: PySSLSocket holds its SSL * behind the object head and a
    weak reference."""
    lib = ctypes.CDLL("libssl.so.3")
    handle = ctypes.c_void_p.from_address(id(ssl_object._sslobj) + 24)
    out = ctypes.create_string_buffer(32)
    label = b"EXPORTER-Channel-Binding"
    ok = lib.SSL_export_keying_material(handle, out, ctypes.c_size_t(32), label, ctypes.c_size_t(len(label)), b"", ctypes.c_size_t(0), 1)
    return out.raw if ok == 1 else None
