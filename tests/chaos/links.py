"""TCP links that can be cut, stalled in one direction or both, and slowed down.

All of them live on one thread with an asyncio loop of their own.
"""

import asyncio
import threading

UP, DOWN = "up", "down"  # to the one that was called, and back


class Links:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def make(self, name, target=None, replaced=None):
        link = Link(self, name, target, replaced or {})
        self.do(link.open())
        return link

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)


class Link:
    """A port of its own that leads to `target`, a port of this machine. What is `replaced` in
    what comes down has the same size, and is never split in two: numbers in short messages."""

    def __init__(self, links, name, target, replaced):
        self.links, self.name, self.target = links, name, target
        self.replaced = replaced
        assert all(len(old) == len(new) for old, new in replaced.items()), replaced
        self.port = 0
        self.is_cut, self.stalled, self.delay = False, set(), 0.0
        self.flows = None  # set: what flows is not stalled
        self.writers = set()
        self.passed = 0  # bytes

    async def open(self):
        self.flows = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        self._update()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    def _update(self):
        for direction, event in self.flows.items():
            if direction in self.stalled:
                event.clear()
            else:
                event.set()

    async def _serve(self, reader, writer):
        if self.is_cut or self.target is None:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, far_writer}
        pumps = [asyncio.ensure_future(self._pump(reader, far_writer, UP)),
                 asyncio.ensure_future(self._pump(far_reader, writer, DOWN))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for one in (writer, far_writer):
                self.writers.discard(one)
                one.close()

    async def _pump(self, reader, writer, direction):
        try:
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await self.flows[direction].wait()
                self.passed += len(data)
                if direction == DOWN:
                    for old, new in self.replaced.items():
                        data = data.replace(old, new)
                writer.write(data)
                await writer.drain()
            await self.flows[direction].wait()  # an end is held back as bytes are
        except OSError:
            pass

    # From other threads ----------------------------------------------------------------

    def cut(self):
        """Every connection breaks, and no new one comes about."""
        async def do():
            self.is_cut = True
            for writer in list(self.writers):
                writer.transport.abort()
        self.links.do(do())

    def stall(self, *directions):
        """Nothing arrives, and nobody is told: as a cable pulled out."""
        async def do():
            self.stalled = set(directions)
            self._update()
        self.links.do(do())

    def slow(self, seconds):
        self.delay = seconds

    def heal(self):
        async def do():
            self.is_cut, self.stalled, self.delay = False, set(), 0.0
            self._update()
        self.links.do(do())
