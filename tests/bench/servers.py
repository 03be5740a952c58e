"""The servers that tests/bench/run compares: how each is configured in a folder of its own, started, told to make accounts, stopped.

All listen on 127.0.0.1 only, on ports that were free a moment ago, and keep what they write in their folder. References get settings
that favour them where their defaults are odd for a measurement: accounts are stored as SCRAM keys everywhere, Erlang's schedulers do
not spin, ejabberd's backlog is longer than 5, Prosody collects garbage by generations.
"""
import os
import shutil
import signal
import socket
import subprocess
import time

PASSWORD = "secret"
START_SECONDS = 30


class Trouble(Exception):
    """A server that cannot be measured, and why."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    name = ""
    has_tls = has_sm = True
    sasl = "scram"

    def __init__(self, folder, build):
        self.folder = os.path.join(folder, self.name)
        self.build = build
        self.port = self.tls_port = free_port()
        self.process = None
        os.makedirs(self.folder, exist_ok=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def missing(self):
        """Why it cannot run here, or None."""
        return None

    def configure(self):
        """Writes what it needs; once."""

    def command(self):
        raise NotImplementedError

    def environment(self):
        return dict(os.environ, LC_ALL="C.UTF-8")

    def make_certificate(self):
        """An ECDSA one, as Starling's own."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", self.path("key.pem"), "-out",
                        self.path("cert.pem")], check=True, capture_output=True)

    def start(self):
        with open(self.path("output.log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Trouble(f"{self.name} ended at its start, see its last words:\n{self.last_words()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.stop()
        raise Trouble(f"{self.name} does not listen:\n{self.last_words()}")

    def last_words(self):
        with open(self.path("output.log"), encoding="utf-8", errors="replace") as log:
            return log.read()[-1500:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def pid(self):
        return self.process.pid

    def register(self, load, users):
        """Makes the accounts load0, load1, ...: in band (XEP-0077), unless a server has a better way."""
        load("register", "--users", str(users), "--parallel", "16")


class Floor(Server):
    name = "floor"
    has_tls = has_sm = False
    sasl = "plain"

    def command(self):
        return [os.path.join(self.build, "tests/bench/floor"), str(self.port)]

    def register(self, load, users):
        pass


class Starling(Server):
    name = "starling"

    def missing(self):
        return None if os.access(os.path.join(self.build, "starling"), os.X_OK) else f"{self.build}/starling is not built"

    def configure(self):
        self.tls_port = free_port()
        self.write("starling.yml", f"""
http: {{ port: {free_port()} }}
hosts:
  localhost: {{}}
data_dir: {self.path('data')}
listen:
  - {{ port: {self.port}, address: 127.0.0.1, tls: none }}
  - {{ port: {self.tls_port}, address: 127.0.0.1, tls: starttls }}
""")

    def command(self):
        return [os.path.join(self.build, "starling"), "--config", self.path("starling.yml")]

    def register(self, load, users):
        ctl = os.path.join(self.build, "starlingctl")
        for first in range(0, users, 2):
            pair = [subprocess.Popen([ctl, "--socket", self.path("data", "starling.sock"), "register_identified", f"load{n}", "localhost", PASSWORD],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for n in (first, first + 1) if n < users]
            for process in pair:
                _, error = process.communicate()
                if process.returncode != 0:
                    raise Trouble(f"starlingctl: {error.strip()}")


class Prosody(Server):
    name = "prosody"

    def missing(self):
        return None if shutil.which("prosody") else "not installed (scripts/deps references)"

    def configure(self):
        self.make_certificate()
        os.makedirs(self.path("data"), exist_ok=True)
        self.write("prosody.cfg.lua", f"""
run_as_root = true
pidfile = "{self.path('prosody.pid')}"
data_path = "{self.path('data')}"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "version", "time", "register_ibr", "smacks" }}
modules_disabled = {{ "s2s", "offline" }}
allow_registration = true
c2s_require_encryption = false
authentication = "internal_hashed"
gc = {{ mode = "generational" }}
ssl = {{ key = "{self.path('key.pem')}", certificate = "{self.path('cert.pem')}" }}
log = {{ warn = "*console" }}
VirtualHost "localhost"
""")

    def command(self):
        return ["prosody", "--config", self.path("prosody.cfg.lua"), "-F"]


class Ejabberd(Server):
    name = "ejabberd"

    def missing(self):
        return None if shutil.which("ejabberdctl") and shutil.which("erl") else "not installed (scripts/deps references)"

    def configure(self):
        self.make_certificate()
        with open(self.path("both.pem"), "wb") as both:
            for name in ("cert.pem", "key.pem"):
                with open(self.path(name), "rb") as part:
                    both.write(part.read())
        self.write("ejabberd.yml", f"""
hosts: [localhost]
loglevel: warning
certfiles: ["{self.path('both.pem')}"]
auth_method: internal
auth_password_format: scram
listen:
  - port: {self.port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    backlog: 511
    starttls: true
acl:
  everybody:
    ip: 127.0.0.0/8
modules:
  mod_roster: {{}}
  mod_stream_mgmt: {{}}
  mod_disco: {{}}
  mod_ping: {{}}
  mod_version: {{}}
  mod_time: {{}}
  mod_register:
    ip_access: all
    access: all
    password_strength: 0
registration_timeout: infinity
""")

    # Not through ejabberdctl: that wants another user, a node name, and epmd, which would stay.
    def command(self):
        return ["erl", "+K", "true", "+P", "250000", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none", "-noinput", "-mnesia", "dir",
                f'"{self.path("spool")}"', "-s", "ejabberd"]

    def environment(self):
        os.makedirs(self.path("spool"), exist_ok=True)
        libraries = subprocess.run(["dpkg", "-L", "ejabberd"], capture_output=True, text=True, check=False).stdout.split("\n")
        application = next((line for line in libraries if line.endswith("/ejabberd.app")), "")
        return dict(os.environ, LC_ALL="C.UTF-8", HOME=self.folder, ERL_LIBS=os.path.dirname(os.path.dirname(os.path.dirname(application))),
                    EJABBERD_CONFIG_PATH=self.path("ejabberd.yml"), EJABBERD_LOG_PATH=self.path("ejabberd.log"),
                    EJABBERD_PID_PATH=self.path("ejabberd.pid"), ERL_CRASH_DUMP=self.path("crash.dump"), ERL_CRASH_DUMP_BYTES="0")


ALL = (Floor, Starling, Ejabberd, Prosody)
