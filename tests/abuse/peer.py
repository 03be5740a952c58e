"""A peer without manners: a bare socket that sends what it likes, reads when it likes, and knows just enough XMPP to log in."""
import asyncio
import base64
import socket

from harness.wire import PATIENCE

HEADER = b"<stream:stream to='localhost' version='1.0' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
WAIT_S = 10 * PATIENCE


class Peer:
    def __init__(self):
        self.sock = None
        self.seen = b""
        self.ended = False

    async def connect(self, server, kind="plain", receive_buffer=0):
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.wait_for(asyncio.get_running_loop().sock_connect(self.sock, (server.address, server.endpoint[kind])), WAIT_S)
        return self

    async def send(self, data, timeout=WAIT_S):
        """True when all went out; False when the connection is broken or the other side takes nothing more for `timeout`."""
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.sock, data), timeout)
            return True
        except (OSError, asyncio.TimeoutError):
            return False

    async def read(self, timeout=WAIT_S, at_most=65536):
        """One piece; b"" at the end of the connection."""
        try:
            piece = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, at_most), timeout)
        except OSError:
            piece = b""
        self.ended = not piece
        self.seen += piece
        return piece

    async def read_until(self, marker, timeout=WAIT_S):
        """Up to and with the marker; AssertionError if the connection ends or time is over before."""
        deadline = asyncio.get_running_loop().time() + timeout
        while marker not in self.seen:
            left = deadline - asyncio.get_running_loop().time()
            try:
                piece = await self.read(max(left, 0.001))
            except asyncio.TimeoutError:
                raise AssertionError(f"no {marker!r} within {timeout:g} s; seen: {self.seen[-500:]!r}") from None
            assert piece, f"the connection ended before {marker!r}; seen: {self.seen[-500:]!r}"
        head, _, self.seen = self.seen.partition(marker)
        return head + marker

    async def read_all(self, timeout=WAIT_S):
        """Everything up to the end of the connection, which must come in time."""
        deadline = asyncio.get_running_loop().time() + timeout
        while not self.ended:
            try:
                await self.read(max(deadline - asyncio.get_running_loop().time(), 0.001))
            except asyncio.TimeoutError:
                raise AssertionError(f"the connection is still open after {timeout:g} s; seen: {self.seen[-500:]!r}") from None
        return self.seen

    async def open(self):
        await self.send(HEADER)
        await self.read_until(b"</stream:features>")

    async def log_in(self, user, resource="r"):
        await self.open()
        token = base64.b64encode(f"\0{user}\0secret".encode())
        await self.send(b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>" + token + b"</auth>")
        await self.read_until(b"<success")
        await self.open()
        bind = b"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>" + resource.encode() + b"</resource></bind>"
        await self.send(b"<iq type='set' id='b'>" + bind + b"</iq>")
        await self.read_until(b"</iq>")
        return self

    def close(self):
        if self.sock:
            self.sock.close()


def error_of(seen):
    """The condition of the stream error in these bytes, or None."""
    _, found, rest = seen.partition(b"<stream:error>")
    return rest.split(b"<", 1)[1].split(b" ", 1)[0].decode() if found else None
