"""A way to a server that a test can cut: what the client and the server see is a connection that is gone."""
import asyncio


class Relay:
    def __init__(self, address, port):
        self.target = (address, port)
        self.writers = set()
        self.server = None
        self.port = 0

    async def start(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def accept(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        self.writers |= {writer, far_writer}
        await asyncio.gather(self.pump(reader, far_writer), self.pump(far_reader, writer))
        self.writers -= {writer, far_writer}

    @staticmethod
    async def pump(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    def cut(self):
        """All connections are reset; new ones may come."""
        for writer in self.writers:
            writer.transport.abort()

    async def stop(self):
        self.cut()
        self.server.close()
        await self.server.wait_closed()
