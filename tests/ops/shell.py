"""starlingctl at a prompt: completion in bash, the manual page, tables on a terminal."""
import asyncio
import os
import pty

from harness.starling import ROOT, Starling, control_binary
from harness.wire import PATIENCE
from reload import ctl, until  # noqa: F401

COMPLETION = os.path.join(ROOT, "scripts", "install", "starlingctl.bash")


async def run(*command, **env):
    p = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                                             stderr=asyncio.subprocess.STDOUT, env=dict(os.environ, **env))
    out, _ = await asyncio.wait_for(p.communicate(), 30)
    return p.returncode, out.decode()


async def complete(socket, *words):
    """What bash would offer for the last of the words."""
    quoted = " ".join("'%s'" % w for w in words)
    script = f"source {COMPLETION}; COMP_WORDS=({quoted}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _starlingctl {control_binary()}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    code, out = await run("bash", "-c", script, STARLING_CTL_SOCKET=socket)
    assert code == 0, out
    return out.split()


async def completion(bench):
    node = await bench.start()
    assert "registered_users" in await complete(node.socket, "starlingctl", "reg")
    assert await complete(node.socket, "starlingctl", "help", "kick_u") == ["kick_user"]
    assert set(await complete(node.socket, "starlingctl", "registered_users", "--")) == {"--json", "--limit=", "--after="}
    assert set(await complete(node.socket, "starlingctl", "--json", "registered_users", "")) == {"localhost", "example.net", "anon.localhost"}
    assert await complete(node.socket + "x", "starlingctl", "registered_users", "l") == []


async def manual_page(_):
    code, page = await run(control_binary(), "--manual")
    assert code == 0
    with open(os.path.join(ROOT, "docs", "starlingctl.1")) as f:
        assert f.read() == page, "docs/starlingctl.1 is not what `starlingctl --manual` prints: make docs"
    code, out = await run("bash", "-c", f"man -l --warnings=all '{ROOT}/docs/starlingctl.1' 2>&1 >/dev/null", LC_ALL="C.UTF-8", MANWIDTH="100")
    assert code == 0 and not out, out


async def table(bench):
    """On a terminal the table has a head; into a pipe it has none."""
    node = await bench.start()
    await node.register("romeo", "localhost", "secret")
    primary, secondary = pty.openpty()
    p = await asyncio.create_subprocess_exec(control_binary(), "--socket", node.socket, "list_certificates", stdout=secondary)
    os.close(secondary)
    assert await p.wait() == 0
    shown = os.read(primary, 4096).decode()
    os.close(primary)
    assert shown.splitlines()[0].split() == ["host", "days_left", "self_signed"], shown
    assert "\t" not in shown and "\t" in await ctl(node, "list_certificates")


async def passwords(bench):
    """'-' is a password on standard input; at a terminal it is asked for and not shown. Elsewhere '-' is itself."""
    node = await bench.start()
    command = [control_binary(), "--socket", node.socket]
    p = await asyncio.create_subprocess_exec(*command, "register_identified", "romeo", "localhost", "-", stdin=asyncio.subprocess.PIPE,
                                             stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    out, _ = await asyncio.wait_for(p.communicate(b"o sole mio\n"), 20 * PATIENCE)
    assert p.returncode == 0 and b"Password" not in out, out
    await ctl(node, "check_password", "romeo", "localhost", "o sole mio")
    main, side = pty.openpty()
    p = await asyncio.create_subprocess_exec(*command, "change_password", "romeo", "localhost", "-", stdin=side, stdout=side, stderr=side)
    os.close(side)
    os.set_blocking(main, False)
    seen = b""

    async def await_text(text):
        nonlocal seen
        deadline = asyncio.get_running_loop().time() + 20 * PATIENCE
        while text not in seen:
            assert asyncio.get_running_loop().time() < deadline, seen
            try:
                seen += os.read(main, 4096)
            except BlockingIOError:
                await asyncio.sleep(0.02)
    await await_text(b"Password: ")
    os.write(main, b"wherefore\n")
    await await_text(b"changed")
    assert await asyncio.wait_for(p.wait(), 20 * PATIENCE) == 0 and b"wherefore" not in seen, seen
    os.close(main)
    await ctl(node, "check_password", "romeo", "localhost", "wherefore")
    await ctl(node, "ban_account", "romeo", "localhost", "-")
    assert "reason: -" in await ctl(node, "account_details", "romeo", "localhost")


async def started(bench):
    """`started` waits for a node that is about to come, and no longer than it is told."""
    node = Starling()
    p = await asyncio.create_subprocess_exec(control_binary(), "--socket", node.socket, "started", stdout=asyncio.subprocess.PIPE)
    await bench.start(node=node)
    out, _ = await asyncio.wait_for(p.communicate(), 60 * PATIENCE)
    assert (p.returncode, out) == (0, b"ready\n"), (p.returncode, out)
    gone = node.socket + "x"
    assert await run(control_binary(), "--socket", gone, "started", "--seconds", "0") == (3, f"starlingctl: no node is running (nothing answers on {gone})\n")
    code, out = await run(control_binary(), "--socket", gone, "started", "--seconds", "long")
    assert code == 2 and "must be a number" in out, out


async def nobody_answers(_):
    """Only `started` waits for a node: whatever else is asked of one that is not there is told so at once."""
    gone = "/nonexistent/starling.sock"
    for words in (("status",), ("check_account", "romeo", "localhost"), ("register", "localhost", "secret"), ("kick_user", "romeo", "localhost"), ("list_cluster",)):
        code, out = await run(control_binary(), "--socket", gone, *words)
        assert (code, out) == (3, f"starlingctl: no node is running (nothing answers on {gone})\n"), (words, code, out)


CASES = {
    "started": started, "nobody answers": nobody_answers,
    "passwords": passwords, "completion": completion, "manual page": manual_page, "tables": table}
