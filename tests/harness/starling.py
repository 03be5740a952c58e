"""A Starling node of a test's own: two workers, three hosts, data in a temporary directory."""
import asyncio
import contextlib
import copy
import os

from . import http
from .certs import make_authority, make_certificate
from .postgres import Postgres
from .server import Server, ServerProblem, set_path, to_yaml
from .wire import PATIENCE

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOSTS = ["localhost", "example.net", "anon.localhost"]


def binary():
    """STARLING_BIN, or the one in make's build folder B."""
    return os.environ.get("STARLING_BIN") or os.path.join(ROOT, os.environ.get("B", "build/gcc"), "starling")


def control_binary():
    return os.path.join(os.path.dirname(binary()), "starlingctl")


def add_store_option(args):
    """To a program's arguments: where the nodes of its run keep their accounts. `with store_in(opts.store)` is around the run."""
    args.add_argument("--store", choices=("sqlite", "postgres"), default=os.environ.get("STORE") or "sqlite")


@contextlib.contextmanager
def store_in(kind):
    if kind != "postgres":
        yield
        return
    with Postgres() as Starling.postgres:
        try:
            yield
        finally:
            Starling.postgres = None


class Starling(Server):
    """With certificates=True it has an ECDSA and an RSA one of a test authority, else the self-signed one that it makes. Keeps its
    accounts in a database of `postgres`, if that is set, for all nodes of a run (`store_in`) or for one; else in a file."""

    name = "starling"
    postgres = None

    def __init__(self, overrides=None, keep=False, certificates=False):
        super().__init__(overrides, keep)
        self.certificates = certificates
        self.database = None

    def base_config(self):
        e = self.endpoint
        return {
            "hosts": {"localhost": {}, "example.net": {}, "anon.localhost": {"anonymous": True}},
            "data_dir": os.path.join(self.dir, "data"),
            "workers": 2,
            "http": {"port": e["http"]},
            "listen": [
                {"port": e["starttls"], "address": self.address, "tls": "starttls"},
                {"port": e["direct"], "address": self.address, "tls": "direct"},
                {"port": e["plain"], "address": self.address, "tls": "none"},
                {"port": e["starttls"], "address": "::1", "tls": "starttls"},
                {"port": e["proxied"], "address": self.address, "proxy_protocol": True, "trusted_proxies": ["127.0.0.0/8"]},
                {"port": e["untrusted"], "address": self.address, "proxy_protocol": True, "trusted_proxies": ["192.0.2.0/24"]},
            ],
        }

    @property
    def socket(self):
        return os.path.join(self.dir, "data", "starling.sock")

    def program(self):
        return binary()

    def prepare(self):
        config = copy.deepcopy(self.base_config())
        if self.certificates and not self.ca:
            self.ca = make_authority(self.dir)
            config["tls"] = dict(zip(("certificate", "key"), make_certificate(self.dir, "ec", HOSTS)))
            config["tls"].update(zip(("certificate2", "key2"), make_certificate(self.dir, "rsa", HOSTS, "rsa")))
        if self.postgres:
            self.database = self.database or self.postgres.create()
            config["store"] = self.postgres.options(self.database)
        for dotted, value in self.overrides.items():
            set_path(config, dotted, value)
        path = os.path.join(self.dir, "starling.yml")
        with open(path, "w") as f:
            f.write(to_yaml(config))
        return [self.program(), "--config", path]

    async def stop(self):
        problems = await super().stop()
        if self.postgres and self.database and not self.keep and not problems:
            self.postgres.drop(self.database)
        return problems

    async def is_ready(self):
        """The control socket is made last, but one that a crash left behind is there before; and the workers begin when all listens."""
        try:
            _, writer = await asyncio.open_unix_connection(self.socket)
            writer.close()
        except OSError:
            return False
        if not await super().is_ready():
            return False
        try:
            got = await http.get(self.endpoint["http"], "/readyz")
        except ConnectionRefusedError:  # a node without a stats endpoint
            return True
        except OSError:
            return False
        return got is not None and got.status == 200

    async def ctl(self, *args):
        """Runs starlingctl; (exit code, stdout, stderr)."""
        p = await asyncio.create_subprocess_exec(control_binary(), "--socket", self.socket, *args, stdin=asyncio.subprocess.DEVNULL,
                                                 stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=self.environment())
        try:
            out, err = await asyncio.wait_for(p.communicate(), 30 * PATIENCE)
        except asyncio.TimeoutError:
            p.kill()
            raise ServerProblem("starlingctl %s did not end within %g s" % (" ".join(args), 30 * PATIENCE)) from None
        return p.returncode, out.decode(errors="replace"), err.decode(errors="replace")

    async def register(self, user, host, password):
        code, out, err = await self.ctl("register_identified", user, host, password)
        if code != 0:
            raise ServerProblem(f"register_identified {user} {host} ended with {code}: {out}{err}\n{self.log_tail(10)}")
