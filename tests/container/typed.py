"""The commands of the pages, run as an operator types them (as-typed says what is not quite so)."""
import asyncio
import json
import os
import shutil
import subprocess
import tempfile

from harness import pages
from harness.starling import ROOT
from harness.wire import PATIENCE

HERE = os.path.dirname(os.path.abspath(__file__))


class Shell:
    """A shell in a fresh checkout."""

    def __init__(self, prefix, places=None):
        self.folder = tempfile.mkdtemp(prefix="starling-typed-")
        os.chmod(self.folder, 0o755)
        self.bin, self.state = (os.path.join(self.folder, n) for n in (".bin", ".state"))
        self.prefix = prefix + "-"
        os.mkdir(self.bin)
        os.symlink(os.path.join(HERE, "as-typed"), os.path.join(self.bin, "docker"))
        self.docker = shutil.which("docker")
        self.env = dict(os.environ, PATH=self.bin + ":" + os.environ["PATH"], TYPED_PREFIX=self.prefix, TYPED_STATE=self.state,
                        TYPED_PLACES=json.dumps(places or {}), TYPED_DOCKER=self.docker)
        files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        there = b"\0".join(f for f in files.split(b"\0") if f and os.path.exists(os.path.join(ROOT.encode(), f)))
        tar = subprocess.run(["tar", "-c", "--null", "-T", "-"], cwd=ROOT, input=there, capture_output=True, check=True).stdout
        self.checkout = os.path.join(self.folder, "starling")
        os.mkdir(self.checkout)
        subprocess.run(["tar", "-x", "-C", self.checkout], input=tar, check=True)

    def type(self, block):
        """Runs a block, a line at a time; what they said."""
        said = ""
        for line in pages.commands(block):
            p = subprocess.run(["bash", "-ec", line], cwd=self.checkout, env=self.env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=900)
            assert p.returncode == 0, f"{line}\nended with {p.returncode}: {p.stdout[-3000:]}{p.stderr[-3000:]}"
            said += p.stdout
        return said

    def started(self):
        """What `docker run` was asked for, the last first: {"name", "ports": {typed: real}}."""
        with open(self.state) as f:
            return [json.loads(line) for line in f][::-1]

    def endpoint(self, name):
        ports = next(s["ports"] for s in self.started() if s["name"] == name)
        return {"address": "127.0.0.1", "starttls": ports.get("5222") or ports.get("5322"), "direct": ports.get("5223"), "stats": ports.get("5280")}

    def containers(self):
        out = subprocess.run([self.docker, "ps", "-aq", "--filter", f"label=starling-test={self.prefix}"], capture_output=True, text=True, check=True)
        return out.stdout.split()

    def clean(self):
        for command in ([["rm", "-f", "-v", c] for c in self.containers()] +
                        [["volume", "rm", "-f", self.prefix + n] for n in ("starling", "elsewhere")] + [["rmi", "-f", self.prefix + "starling"]]):
            subprocess.run([self.docker, *command], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def certificate(folder, days):
    """What the operator's authority would give: cert.pem and key.pem, which uid 5222 can read."""
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"], check=True, capture_output=True)
    os.chmod(f"{folder}/key.pem", 0o644)


def readme(tools):
    """Done when a new operator, with only the README, runs the container, registers users, watches the page, reloads a certificate and takes a
    backup that restores elsewhere."""
    begin, again, reload, elsewhere = pages.blocks(os.path.join(ROOT, "README.md"), "sh docker")
    shell = Shell(next(tools.names))
    name = shell.prefix + "starling"

    def lives():
        tools.ready(name)
        asyncio.run(tools.chat(shell.endpoint("starling")))
    try:
        shell.type(begin)
        lives()
        assert "<html" in tools.get(shell.endpoint("starling")["stats"], "/")[1].lower()
        certificate(os.path.join(shell.checkout, "certs"), 30)
        shell.type(again)
        lives()
        assert tools.days(name) in (29, 30), tools.days(name)
        certificate(os.path.join(shell.checkout, "certs"), 90)

        async def stays():
            one = tools.Client("one", shell.endpoint("starling"), "romeo", "localhost", "secret", "a")
            await one.connect()
            said = await asyncio.to_thread(shell.type, reload)
            await one.ping()
            await one.close()
            return said
        said = asyncio.run(asyncio.wait_for(stays(), 60 * PATIENCE))
        assert "localhost\t89\t" in said or "localhost\t90\t" in said, said
        shell.type(elsewhere)
        tools.ready(shell.prefix + "elsewhere")
        asyncio.run(tools.chat(shell.endpoint("elsewhere"), second="starttls"))
    finally:
        shell.clean()


def install(tools):
    """docs/install.md: each container that it starts gets ready."""
    etc = tempfile.mkdtemp(prefix="starling-etc-")
    os.chmod(etc, 0o755)
    certificate(etc, 30)
    with open(os.path.join(etc, "starling.yml"), "w") as f:
        f.write("hosts: {example.net: }\ntls: {certificate: /etc/starling/cert.pem, key: /etc/starling/key.pem}\n")
    shell = Shell(next(tools.names), {"/etc/starling": etc})
    try:
        for block in pages.blocks(os.path.join(ROOT, "docs", "install.md"), "sh docker"):
            shell.type(block)
        wanted = {"localhost", "example.org", "example.net"}
        found = shell.containers()
        assert len(found) == len(wanted), found
        for c in found:
            tools.ready(c)
            wanted -= set(json.loads(tools.ctl(c, "--json", "status"))["data"]["hosts"])
        assert not wanted, f"nobody serves {wanted}"
        assert "romeo" in "".join(tools.ctl(c, "registered_users", "localhost", code=None) for c in found)
    finally:
        shell.clean()
        shutil.rmtree(etc, ignore_errors=True)
