"""A Prosody (Debian's package) in the place of Starling: shows whether a conversation says what another server also understands.

It is a yardstick, not a judge: `tests/script/run --against prosody` lists where the two differ, and each difference is looked up in
the RFC.
"""
import os
import re
import shutil
import subprocess

from .server import Server, ServerProblem
from .starling import HOSTS

CONFIG = """
pidfile = "{dir}/prosody.pid"
data_path = "{dir}/data"
run_as_root = true
daemonize = false
interfaces = {{ "{address}" }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "time", "version", "offline", "presence", "c2s" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
c2s_ports = {{ {starttls}, {plain} }}
c2s_direct_tls_ports = {{ {direct} }}
ssl = {{ certificate = "{dir}/cert.pem"; key = "{dir}/key.pem" }}
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
VirtualHost "localhost"
VirtualHost "example.net"
VirtualHost "anon.localhost"
    authentication = "anonymous"
"""


class Prosody(Server):
    name = "prosody"

    def prepare(self):
        if not shutil.which("prosody"):
            raise ServerProblem("prosody is not installed")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=" + ",".join("DNS:" + h for h in HOSTS),
                        "-keyout", f"{self.dir}/key.pem", "-out", f"{self.dir}/cert.pem"], check=True, capture_output=True)
        os.makedirs(f"{self.dir}/data", exist_ok=True)
        path = os.path.join(self.dir, "prosody.cfg.lua")
        with open(path, "w") as f:
            f.write(CONFIG.format(dir=self.dir, **self.endpoint))
        return ["prosody", "--config", path, "-F"]

    async def register(self, user, host, password):
        def encode(s):
            return re.sub(r"[^A-Za-z0-9]", lambda m: "".join("%%%02x" % b for b in m.group().encode()), s)
        folder = os.path.join(self.dir, "data", encode(host), "accounts")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, encode(user) + ".dat"), "w") as f:
            f.write('return {\n\t["password"] = "%s";\n};\n' % password.replace("\\", "\\\\").replace('"', '\\"'))

    async def ctl(self, *args):
        raise ServerProblem("no starlingctl here")
