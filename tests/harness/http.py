"""A plain HTTP/1.1 client that sends what it is told and keeps its connection."""
import asyncio
import json

from . import wire


class Reply:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Http:
    def __init__(self, port, address="127.0.0.1"):
        self.port, self.address = port, address
        self.reader = self.writer = None

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(self.address, self.port, limit=1 << 26), wire.DEADLINE)
        return self

    async def __aexit__(self, *exc):
        self.writer.close()

    async def reply(self, method="GET"):
        """The next reply on this connection; None at its end."""
        try:
            head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 3 * wire.DEADLINE)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        status, *lines = head.decode().rstrip().split("\r\n")
        fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
        if fields.get("transfer-encoding") == "chunked":
            body = await self.chunks()
        else:
            body = await asyncio.wait_for(self.reader.readexactly(0 if method == "HEAD" else int(fields["content-length"])), wire.DEADLINE)
        return Reply(int(status.split()[1]), fields, body)

    async def chunks(self):
        body = b""
        while size := int(await asyncio.wait_for(self.reader.readline(), wire.DEADLINE), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body

    def send(self, data):
        self.writer.write(data)

    async def request(self, method, path, fields=None, body=b""):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address}:{self.port}", *(f"{k}: {v}" for k, v in (fields or {}).items())]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await self.reply(method)


async def get(port, path, method="GET", fields=None, body=b""):
    """One request on a connection of its own."""
    async with Http(port) as http:
        return await http.request(method, path, fields, body)
