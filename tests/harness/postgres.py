"""A PostgreSQL server of the tests' own, on a Unix socket in a temporary folder, as a user without rights."""
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

from .server import ServerProblem, die_with_parent
from .wire import PATIENCE

USER = "starling"


def programs():
    """The folder of the newest server here: STARLING_PG_BIN, or Debian's."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: int(p.split("/")[4]))
    given = os.environ.get("STARLING_PG_BIN") or (found and found[-1])
    if not given:
        raise ServerProblem("no PostgreSQL server here: scripts/deps test installs one")
    return given


def user_without_rights():
    """The server refuses to be root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    raise ServerProblem("no user to run PostgreSQL as")


class Postgres:
    """Use it with `with`. Unless it is durable, only against the death of its processes: the kernel keeps what they wrote."""

    def __init__(self, durable=False):
        self.durable = durable
        self.bin = programs()
        self.dir = tempfile.mkdtemp(prefix="starling-pg-")
        self.data = os.path.join(self.dir, "data")
        self.process = None
        self.as_user = user_without_rights() if os.getuid() == 0 else None
        self.log = open(os.path.join(self.dir, "log"), "ab")
        self.names = 0
        self.listen, self.port = "", 5432  # TCP addresses, if any
        if self.as_user:
            os.chown(self.dir, self.as_user.pw_uid, self.as_user.pw_gid)

    def __enter__(self):
        try:
            self.run("initdb", "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop(signal.SIGQUIT)
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def child(self):
        if self.as_user:
            os.setgroups([])
            os.setgid(self.as_user.pw_gid)
            os.setuid(self.as_user.pw_uid)
        die_with_parent()

    def run(self, program, *args):
        """Runs one of its programs; what it writes."""
        p = subprocess.run([os.path.join(self.bin, program), *args], cwd=self.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, preexec_fn=self.child, timeout=120 * PATIENCE, check=False)
        if p.returncode:
            raise ServerProblem(f"{program} ended with {p.returncode}: {p.stderr.decode(errors='replace')}")
        return p.stdout.decode()

    def spawn(self):
        options = [f"listen_addresses={self.listen}", f"port={self.port}", f"fsync={'on' if self.durable else 'off'}", "max_connections=200", "shared_buffers=16MB"]
        self.process = subprocess.Popen(
            [os.path.join(self.bin, "postgres"), "-D", self.data, "-k", self.dir, *(x for o in options for x in ("-c", o))],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, preexec_fn=self.child)

    def start(self):
        """Tries again when it is too early: the processes of one that was killed may still be there."""
        deadline = time.monotonic() + 60 * PATIENCE
        while True:
            if self.process is None or self.process.poll() is not None:
                self.spawn()
            if subprocess.run([os.path.join(self.bin, "pg_isready"), "-q", *self.address()], check=False).returncode == 0:
                return
            if time.monotonic() > deadline:
                with open(self.log.name, errors="replace") as f:
                    raise ServerProblem("PostgreSQL does not start:\n" + f.read()[-3000:])
            time.sleep(0.05)

    def stop(self, sig=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: at once; SIGKILL: as a crash of the machine, save for what the kernel has."""
        if self.process:
            self.process.send_signal(sig)
            self.process.wait()
            self.process = None

    def address(self):
        """Where it listens, for its own programs."""
        return "-h", self.dir, "-p", str(self.port)

    def sql(self, database, text):
        return self.run("psql", *self.address(), "-U", USER, "-d", database, "-Atqc", text).strip()

    def create(self):
        """The name of a new, empty database."""
        self.names += 1
        name = f"t{self.names}"
        self.run("createdb", *self.address(), "-U", USER, name)
        return name

    def drop(self, name):
        self.run("dropdb", *self.address(), "-U", USER, "--force", "--if-exists", name)

    def options(self, database):
        """The section `store` of a node's configuration."""
        return {"backend": "postgres", "postgres": {"host": self.dir, "user": USER, "database": database, "pool": 2}}
