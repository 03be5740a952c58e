"""Headless Chromium, driven over its debugging pipe: open a page, ask it things, take a picture. Linux, Debian's package."""
import asyncio
import base64
import itertools
import json
import os
import shutil
import tempfile

from . import wire

BINARIES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--hide-scrollbars"]
# The pipe is what the browser finds as file descriptors 3 (it reads) and 4 (it writes); 8 and 9 keep them from each other's way.
START = 'exec 8<&"$1" 9>&"$2"; exec 3<&8 4>&9 8<&- 9>&-; shift 2; exec "$@"'


class BrowserProblem(Exception):
    """The browser did not start, or did not do what it was told."""


class Browser:
    """One browser with one page. `said` collects what the page logs and every error, refusals of its Content-Security-Policy included."""

    def __init__(self, width=1280, height=1100):
        self.size = (width, height)
        self.dir = tempfile.mkdtemp(prefix="browser-test-")
        self.process = self.reader_task = self.page = None
        self.numbers = itertools.count(1)
        self.waiting = {}
        self.said = []

    async def start(self):
        binary = next((b for b in map(shutil.which, BINARIES) if b), None)
        if not binary:
            raise BrowserProblem("there is no Chromium here")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self.process = await asyncio.create_subprocess_exec(
            "/bin/bash", "-c", START, "browser", str(theirs_in), str(theirs_out), binary, *FLAGS, f"--user-data-dir={self.dir}",
            f"--window-size={self.size[0]},{self.size[1]}", "about:blank", pass_fds=(theirs_in, theirs_out),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.out = os.fdopen(ours_out, "wb", buffering=0)
        loop = asyncio.get_running_loop()
        self.lines = asyncio.StreamReader(limit=1 << 26)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(self.lines), os.fdopen(ours_in, "rb", buffering=0))
        self.reader_task = asyncio.create_task(self.read())
        targets = (await self.ask("Target.getTargets"))["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        self.page = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.ask(domain + ".enable")
        return self

    async def read(self):
        while True:
            try:
                raw = await self.lines.readuntil(b"\0")
            except asyncio.IncompleteReadError:
                return
            message = json.loads(raw[:-1])
            if "id" in message and message["id"] in self.waiting:
                self.waiting.pop(message["id"]).set_result(message)
            elif message.get("method") == "Log.entryAdded":
                self.said.append(message["params"]["entry"]["text"])
            elif message.get("method") == "Runtime.exceptionThrown":
                self.said.append(message["params"]["exceptionDetails"].get("exception", {}).get("description", "an exception"))
            elif message.get("method") == "Runtime.consoleAPICalled":
                self.said.append(" ".join(str(a.get("value")) for a in message["params"]["args"]))

    async def ask(self, method, **params):
        """One command of the DevTools protocol."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.page:
            message["sessionId"] = self.page
        answer = self.waiting[number] = asyncio.get_running_loop().create_future()
        self.out.write(json.dumps(message).encode() + b"\0")
        try:
            got = await asyncio.wait_for(answer, 30 * wire.PATIENCE)
        except asyncio.TimeoutError:
            raise BrowserProblem(f"no answer to {method}") from None
        if "error" in got:
            raise BrowserProblem(f"{method}: {got['error']['message']}")
        return got["result"]

    async def open(self, url):
        await self.ask("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'", "the page is loaded")

    async def value(self, expression):
        got = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in got:
            raise BrowserProblem(f"{expression}: {got['exceptionDetails'].get('exception', {}).get('description')}")
        return got["result"].get("value")

    async def until(self, expression, what, seconds=20):
        deadline = asyncio.get_running_loop().time() + seconds * wire.PATIENCE
        while not await self.value(expression):
            if asyncio.get_running_loop().time() > deadline:
                raise BrowserProblem(f"waited {seconds} s until {what}; the page said {self.said}")
            await asyncio.sleep(0.1)

    async def picture(self, path):
        """A PNG of what is shown."""
        got = await self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=False)
        with open(path, "wb") as f:
            f.write(base64.b64decode(got["data"]))

    async def stop(self):
        if self.process and self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), 10 * wire.PATIENCE)
            except asyncio.TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self.reader_task:
            self.reader_task.cancel()
            self.out.close()
        shutil.rmtree(self.dir, ignore_errors=True)
