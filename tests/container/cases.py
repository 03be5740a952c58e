"""The image as an operator uses it. The last line is `N passed, N failed`."""
import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
sys.dont_write_bytecode = True

import typed  # noqa: E402
from harness import pages  # noqa: E402
from harness.client import Client  # noqa: E402
from harness.server import free_ports  # noqa: E402
from harness.wire import PATIENCE  # noqa: E402

IMAGE, BASE = os.environ["STARLING_IMAGE"], os.environ["STARLING_BASE_IMAGE"]
names = (f"starling-test-{os.getpid()}-{n}" for n in itertools.count(1))


def docker(*args, code=0, stdin=None):
    p = subprocess.run(["docker", *args], capture_output=True, text=True, input=stdin, timeout=900 if args[0] == "build" else 120 * PATIENCE)
    assert code is None or p.returncode == code, f"docker {' '.join(args)} ended with {p.returncode}: {p.stdout}{p.stderr}"
    return p.stdout + p.stderr


def until(what, condition, seconds=30):
    deadline = time.monotonic() + seconds * PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
    return value


class Box:
    """Containers, volumes and folders of one case."""

    def __init__(self):
        self.containers, self.volumes, self.folders = [], [], []

    def run(self, *options, image=IMAGE, command=()):
        """One line of `docker run`; the container and where its ports are."""
        name = next(names)
        c2s, direct, stats = free_ports(3)
        self.containers.append(name)
        docker("run", "-d", "--name", name, "-p", f"127.0.0.1:{c2s}:5222", "-p", f"127.0.0.1:{direct}:5223", "-p", f"127.0.0.1:{stats}:5280",
               *options, image, *command)
        return name, {"address": "127.0.0.1", "starttls": c2s, "direct": direct, "stats": stats}

    def volume(self):
        name = next(names)
        docker("volume", "create", name)
        self.volumes.append(name)
        return name

    def folder(self, **files):
        path = tempfile.mkdtemp(prefix="starling-container-")
        os.chmod(path, 0o755)
        self.folders.append(path)
        for name, text in files.items():
            with open(os.path.join(path, name.replace("_", ".")), "w") as f:
                f.write(text)
        return path

    def clean(self):
        for c in self.containers:
            docker("rm", "-f", "-v", c, code=None)
        for v in self.volumes:
            docker("volume", "rm", "-f", v, code=None)
        for f in self.folders:
            shutil.rmtree(f, ignore_errors=True)


def ctl(container, *args, code=0):
    return docker("exec", container, "starlingctl", *args, code=code)


def ready(container):
    until(f"{container} serves", lambda: "ready" in docker("exec", container, "starlingctl", "probe", code=None))


def health(container):
    return json.loads(docker("inspect", container))[0]["State"].get("Health", {}).get("Status")


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as r:
        return r.status, r.read().decode()


async def chat(endpoint, second="direct"):
    one = Client("one", endpoint, "romeo", "localhost", "secret", "a")
    two = Client("two", endpoint, "juliet", "localhost", "secret", "b", tls=second)
    for c in (one, two):
        await c.connect()
        await c.send("<presence/>")
        await c.ping()
    await one.send(f"<message to='{two.jid}' id='m'><body>hi</body></message>")
    await two.await_stanza(lambda e: e.get("id") == "m", "the message")
    for c in (one, two):
        await c.close()


def register(container):
    for user in ("romeo", "juliet"):
        assert "successfully registered" in ctl(container, "register_identified", user, "localhost", "secret")


def one_line(box):
    """docker run -p ... IMAGE: healthy, on a read-only root, without any capability, as nobody in particular."""
    c, at = box.run("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
    ready(c)
    register(c)
    asyncio.run(chat(at))
    assert "uid=5222" in docker("exec", c, "id")
    until("the health check says so", lambda: health(c) == "healthy")
    assert get(at["stats"], "/readyz")[0] == 200 and "starling_build_info" in get(at["stats"], "/metrics")[1]
    assert "<html" in get(at["stats"], "/")[1].lower()
    assert "component=node msg=started" in docker("logs", c)


def lean(box):
    """No compiler, no headers, no shell script of ours; every library is there."""
    out = docker("run", "--rm", "--entrypoint", "sh", IMAGE, "-c",
                 "ldd /usr/bin/starling | grep 'not found'; dpkg -l | awk '{print $2}' | grep -E -- '-dev|^gcc-|^make$|^cpp' | grep -v gcc-12-base; ls /src /out 2>&1", code=None)
    assert "not found" not in out and "-dev" not in out and out.count("No such file") == 2, out


def stop_and_go_on(box):
    """SIGTERM drains and ends with 0; the data is in the volume."""
    v = box.volume()
    c, at = box.run("-v", f"{v}:/var/lib/starling", "--read-only")
    ready(c)
    register(c)
    client = Client("one", at, "romeo", "localhost", "secret", "a")

    async def is_told():
        await client.connect()
        stop = asyncio.create_task(asyncio.to_thread(docker, "stop", c))
        error = await client.await_stanza(lambda e: e.name == "error", "the stream's end")
        assert "system-shutdown" in str(error), error
        await stop
    asyncio.run(is_told())
    code = json.loads(docker("inspect", c))[0]["State"]["ExitCode"]
    assert code == 0, f"it ended with {code}; 137: docker had to kill it"
    assert "msg=stopped" in docker("logs", c)
    again, at = box.run("-v", f"{v}:/var/lib/starling", "--read-only")
    ready(again)
    asyncio.run(chat(at))


def by_environment(box):
    c, _ = box.run("-e", "STARLING_HOSTS=a.example,b.example", "-e", "STARLING_LIMITS_RESOURCES=7", "-e", "STARLING_LOG_FORMAT=json",
                   "-e", "STARLING_LISTEN=[{port: 5222}, {port: 5223, tls: direct, proxy_protocol: true, trusted_proxies: [10.0.0.0/8]}]")
    ready(c)
    dump = ctl(c, "dump_config")
    assert "limits.resources = 7  # STARLING_LIMITS_RESOURCES" in dump and "hosts.b.example" in dump and "proxy_protocol: true" in dump, dump
    assert json.loads(docker("logs", c).splitlines()[0])["level"]
    broken, _ = box.run("-e", "STARLING_LIMITS_RESOURCE=7")
    until("it ends", lambda: json.loads(docker("inspect", broken))[0]["State"]["Status"] == "exited")
    assert json.loads(docker("inspect", broken))[0]["State"]["ExitCode"] == 78
    assert "did you mean STARLING_LIMITS_RESOURCES?" in docker("logs", broken)


def days(container):
    return json.loads(ctl(container, "--json", "list_certificates"))["data"][0]["days_left"]


def by_file(box):
    """A file, found by STARLING_CONFIG, a certificate beside it, both read again by SIGHUP."""
    folder = box.folder(starling_yml="hosts: {localhost: }\nlimits: {resources: 5}\ntls: {certificate: /etc/starling/cert.pem}\n")

    def certificate(days):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days), "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{folder}/key", "-out", f"{folder}/chain"], check=True, capture_output=True)
        with open(f"{folder}/cert.pem", "w") as out:
            for part in ("chain", "key"):
                with open(f"{folder}/{part}") as f:
                    out.write(f.read())
        os.chmod(f"{folder}/cert.pem", 0o644)
    certificate(100)
    c, _ = box.run("-v", f"{folder}:/etc/starling:ro", "-e", "STARLING_CONFIG=/etc/starling/starling.yml", "--read-only")
    ready(c)
    assert days(c) in (99, 100) and "limits.resources = 5" in ctl(c, "dump_config"), ctl(c, "list_certificates")
    certificate(200)
    with open(f"{folder}/starling.yml", "a") as f:
        f.write("c2s: {login_tries: 3}\n")
    docker("kill", "-s", "HUP", c)
    until("the reload is logged", lambda: "loaded again" in docker("logs", c))
    until("the certificate is the new one", lambda: days(c) in (199, 200))
    assert "c2s.login_tries = 3" in ctl(c, "dump_config")


def backup_elsewhere(box):
    """What the issue asks of a new operator: a backup that restores elsewhere."""
    first, second, store = box.volume(), box.volume(), box.volume()
    docker("run", "--rm", "-v", f"{store}:/backup", "--user", "0", "--entrypoint", "chown", IMAGE, "5222", "/backup")
    c, _ = box.run("-v", f"{first}:/var/lib/starling", "-v", f"{store}:/backup")
    ready(c)
    register(c)
    assert "complete and checked" in ctl(c, "backup", "/backup/monday.db")
    docker("stop", c)
    out = docker("run", "--rm", "-v", f"{second}:/var/lib/starling", "-v", f"{store}:/backup", "--entrypoint", "starlingctl", IMAGE,
                 "restore", "/backup/monday.db", "/var/lib/starling")
    assert "Restored" in out
    other, at = box.run("-v", f"{second}:/var/lib/starling")
    ready(other)
    asyncio.run(chat(at))


def sick(box):
    """A node that does not answer is reported unhealthy."""
    c, _ = box.run("--health-interval", "1s", "--health-retries", "1", "--health-timeout", "6s", "--health-start-period", "0s")
    until("it is healthy", lambda: health(c) == "healthy")
    pid = json.loads(docker("inspect", c))[0]["State"]["Pid"]
    os.kill(pid, 19)  # SIGSTOP
    try:
        until("it is unhealthy", lambda: health(c) == "unhealthy", 40)
    finally:
        os.kill(pid, 18)
    until("it is healthy again", lambda: health(c) == "healthy", 40)


def readme(_):
    typed.readme(sys.modules[__name__])


def install_page(_):
    typed.install(sys.modules[__name__])


# ---- the Debian package, in a container that systemd runs ----

SYSTEMD = """FROM %s
RUN apt-get update -q && apt-get install -y -q --no-install-recommends systemd procps openssl ca-certificates sudo && rm -rf /var/lib/apt/lists/*
ENV container=docker
STOPSIGNAL SIGRTMIN+3
CMD ["/lib/systemd/systemd"]
""" % BASE


def systemd_box(box):
    image = IMAGE + "-systemd"
    docker("build", "-t", image, "-", stdin=SYSTEMD)
    hybrid = os.path.isdir("/sys/fs/cgroup/systemd")
    cgroups = ["--cgroupns=host", "-v", "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd"] if hybrid else ["--cgroupns=private", "-v", "/sys/fs/cgroup:/sys/fs/cgroup"]
    c, at = box.run("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
                    "--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp", *cgroups, image=image)
    until("systemd runs", lambda: docker("exec", c, "systemctl", "is-system-running", code=None).strip() in ("running", "degraded"))
    return c, at


def package(box):
    """Installed on a clean system it starts; reload, watchdog, crash and purge do what they should."""
    c, at = systemd_box(box)

    def sh(command, code=0):
        return docker("exec", c, "sh", "-c", command, code=code)

    def show(what):
        return sh(f"systemctl show -p {what} --value starling").strip()
    def typed_there(page, which=slice(None)):
        for block in pages.blocks(os.path.join(pages.ROOT, page), "sh package")[which]:
            for line in pages.commands(block):
                docker("exec", "-w", "/root", c, "bash", "-ec", line)
    sh("apt-get update -q; mkdir -p /root/build/deb; ln -s /var/lib/starling /root/starling-data")
    docker("cp", os.environ["STARLING_DEB"], f"{c}:/root/build/deb/")
    typed_there("docs/install.md", slice(0, 1))
    until("it runs", lambda: show("ActiveState") == "active")
    assert "romeo" in ctl(c, "registered_users", "localhost")
    ctl(c, "unregister", "romeo", "localhost")
    typed_there("docs/tutorial.md")
    sh("echo | openssl s_client -connect 127.0.0.1:5223 -servername localhost -verify_return_error -verify_hostname localhost -CApath /etc/ssl/certs")
    assert show("StatusText") == "Serving 1 host", show("StatusText")
    assert sh("systemctl is-enabled starling").strip() == "enabled"
    register(c)
    asyncio.run(chat(at))
    pid = show("MainPID")
    assert sh(f"ps -o user= -p {pid}").strip() == "starling" and "0000000000000400" in sh(f"grep CapPrm /proc/{pid}/status")
    # Reload
    sh("printf 'c2s: {login_tries: 3}\\n' >> /etc/starling/starling.yml; systemctl reload starling")
    until("it is reloaded", lambda: "c2s.login_tries = 3" in ctl(c, "dump_config"))
    assert show("MainPID") == pid
    # A node that hangs is started anew, and so is one that was killed.
    sh("mkdir -p /etc/systemd/system/starling.service.d; printf '[Service]\\nWatchdogSec=2\\nTimeoutAbortSec=1\\n' > /etc/systemd/system/starling.service.d/quick.conf; "
       "systemctl daemon-reload; systemctl restart starling")
    time.sleep(5)  # more than two watchdog times: it must live
    assert show("NRestarts") == "0"
    sh(f"kill -STOP {show('MainPID')}")
    until("the watchdog bites", lambda: show("NRestarts") == "1" and show("ActiveState") == "active")
    sh(f"kill -KILL {show('MainPID')}")
    until("it comes back", lambda: show("NRestarts") == "2" and show("ActiveState") == "active")
    asyncio.run(chat(at))
    # A configuration that is wrong is told, and not tried for ever.
    sh("printf 'limits: {depht: 1}\\n' >> /etc/starling/starling.yml")
    sh("systemctl restart starling", code=None)
    until("it has failed", lambda: show("ActiveState") == "failed")
    assert show("ExecMainStatus") == "78" and "did you mean" in sh("journalctl -u starling --no-pager -n 20")
    sh("sed -i '$d' /etc/starling/starling.yml; systemctl reset-failed starling; systemctl start starling")
    exposure = [line for line in sh("systemd-analyze security starling --no-pager", code=None).splitlines() if "Overall" in line]
    assert exposure and float(exposure[0].split()[-3]) < 2.5, exposure
    # systemd keeps the ports: the first client starts the service, who connects while it restarts is not refused, and a low port needs no
    # capability.
    sh("mkdir -p /etc/systemd/system/starling.socket.d; printf '[Socket]\\nListenStream=443\\n' > /etc/systemd/system/starling.socket.d/low.conf; "
       "printf '[Service]\\nCapabilityBoundingSet=\\nAmbientCapabilities=\\n' > /etc/systemd/system/starling.service.d/none.conf; "
       "printf 'listen: [{port: 5222}, {port: 5223, tls: direct}, {port: 443, tls: direct}]\\n' >> /etc/starling/starling.yml; "
       "systemctl daemon-reload")
    typed_there("docs/install.md", slice(1, 2))
    sh("systemctl stop starling")
    asyncio.run(chat(at))
    assert show("ActiveState") == "active" and "0000000000000000" in sh(f"grep CapPrm /proc/{show('MainPID')}/status")
    sh("echo | openssl s_client -connect 127.0.0.1:443 -xmpphost localhost 2>&1 | grep -q 'BEGIN CERTIFICATE'")
    knocks = subprocess.Popen(["docker", "exec", c, "bash", "-c", "until test -e /tmp/enough; do exec 3<>/dev/tcp/127.0.0.1/5222 || exit 1; exec 3>&-; sleep 0.01; done"])
    for _ in range(3):
        sh("systemctl restart starling")
    sh("touch /tmp/enough")
    assert knocks.wait(30) == 0, "a client was refused while the service restarted"
    asyncio.run(chat(at))
    # Removal keeps the data, purge does not.
    sh("dpkg -r starling")
    assert "starling.db" in sh("ls /var/lib/starling") and show("ActiveState") == "inactive"
    sh("dpkg -P starling")
    sh("test ! -e /var/lib/starling && test ! -e /etc/starling/starling.yml")


CASES = {
    "one line starts a node": one_line,
    "the image is lean": lean,
    "stops well, and goes on": stop_and_go_on,
    "configured by the environment": by_environment,
    "configured by a file": by_file,
    "a backup restores elsewhere": backup_elsewhere,
    "a sick node is unhealthy": sick,
    "README, as typed": readme,
    "docs/install.md, as typed": install_page,
    "the Debian package": package,
}


def main():
    words = sys.argv[1:]
    passed = failed = 0
    for name, case in CASES.items():
        if words and not any(w in name for w in words):
            continue
        box = Box()
        begin = time.monotonic()
        try:
            case(box)
            print(f"ok    {name} ({time.monotonic() - begin:.1f} s)", flush=True)
            passed += 1
        except Exception as err:
            print(f"FAIL  {name}", *traceback.format_exception(err), *(f"--- {c}\n" + docker("logs", "--tail", "20", c, code=None) for c in box.containers), sep="\n")
            failed += 1
        finally:
            box.clean()
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
