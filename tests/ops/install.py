"""make install: what it puts where, and that it runs from there."""
import asyncio
import os
import shutil
import tempfile

from harness.starling import ROOT, binary
from harness.wire import PATIENCE


async def run(*command, code=0, **env):
    p = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                                             stderr=asyncio.subprocess.STDOUT, env=dict(os.environ, B=os.path.dirname(binary()), **env))
    out = (await asyncio.wait_for(p.communicate(), 300 * PATIENCE))[0].decode()
    assert code is None or p.returncode == code, f"{command} ended with {p.returncode}: {out}"
    return out


def files(folder):
    return {os.path.relpath(os.path.join(d, n), folder) for d, _, names in os.walk(folder) for n in names}


async def into_a_folder(_):
    """DESTDIR goes before everything and into no file; an existing configuration stays."""
    root = tempfile.mkdtemp(prefix="starling-install-")
    try:
        install = ("make", "install", f"DESTDIR={root}", "PREFIX=/usr")
        await run(*install)
        found = files(root)
        wanted = {"usr/bin/starling", "usr/bin/starlingctl", "usr/share/man/man1/starling.1", "usr/share/man/man1/starlingctl.1", "etc/starling/starling.yml",
                  "usr/share/bash-completion/completions/starlingctl", "usr/lib/systemd/system/starling.service", "usr/lib/systemd/system/starling.socket",
                  "usr/lib/sysusers.d/starling.conf", "usr/share/doc/starling/README.md", "usr/share/doc/starling/administration.md",
                  "usr/share/doc/starling/starling.yml.example"}
        assert wanted <= found, wanted - found
        for name in found - {"usr/bin/starling"}:
            with open(os.path.join(root, name), "rb") as f:
                text = f.read()
            assert root.encode() not in text and not any(w in text for w in (b"@BINDIR@", b"@SYSCONFDIR@")), name
        config = os.path.join(root, "etc/starling/starling.yml")
        with open(config, "w") as f:
            f.write("hosts: {example.org: }\n")
        await run(*install)
        with open(config) as f:
            assert f.read() == "hosts: {example.org: }\n", "the configuration was overwritten"
        assert "fine" in await run(os.path.join(root, "usr/bin/starling"), "--check-config", config)
        assert "fine" in await run(os.path.join(root, "usr/bin/starling"), "--check-config", os.path.join(root, "usr/share/doc/starling/starling.yml.example"))
    finally:
        shutil.rmtree(root)


async def units(_):
    """systemd finds nothing wrong with the units, and little to take hold of."""
    root = tempfile.mkdtemp(prefix="starling-install-")
    try:
        await run("make", "install", f"PREFIX={root}")
        folder = os.path.join(root, "lib/systemd/system")
        out = await run("systemd-analyze", "verify", "--man=no", *(os.path.join(folder, n) for n in sorted(os.listdir(folder))))
        complaints = [line for line in out.splitlines() if "starling" in line]
        assert not complaints, out
        out = await run("systemd-analyze", "security", "--offline=yes", "--threshold=18", os.path.join(folder, "starling.service"))
        assert "Overall exposure level" in out, out
    finally:
        shutil.rmtree(root)


CASES = {"into a folder": into_a_folder, "units": units}
