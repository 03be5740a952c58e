"""The pages that people read, and the commands in them: each stands in a fence that says which test runs it."""
import glob
import os
import re

from .starling import ROOT

# What may stand behind ```: who runs it.
FENCES = {
    "sh run": "tests/docs, beside a node",
    "sh source": "tests/docs, in a checkout: make run and what is typed beside it",
    "sh docker": "tests/container, with a Docker engine",
    "sh package": "tests/container, in a Debian that systemd runs",
    "sh compose": "tests/container, with docker-compose",
    "yaml cluster": "tests/container: the image says that it is a configuration",
    "yaml config": "tests/docs: the node of that page has it",
    "yaml prometheus": "tests/interop, with promtool",
    "ini fail2ban": "tests/ops, with fail2ban-regex",
    "text redis": "tests/cluster/redis_server_test.c, as a server's ACL file",
    "text": "nobody: no commands",
    "text profanity": "tests/walk, in other words",
}
FENCE = re.compile(r"^```([^\n]+)\n(.*?)^```$", re.M | re.S)


def pages():
    return [os.path.join(ROOT, p) for p in ("README.md", "CONTRIBUTING.md")] + sorted(glob.glob(os.path.join(ROOT, "docs", "*.md")))


def name_of(path):
    return os.path.relpath(path, ROOT)


def blocks(path, kind):
    """The texts of the fences of that kind."""
    with open(path) as f:
        return [text for info, text in FENCE.findall(f.read()) if info == kind]


def commands(text):
    """One a line, with what a backslash continues."""
    return [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]


def problems(path):
    """Blocks that no test would know of."""
    with open(path) as f:
        text = f.read()
    found = [f"{name_of(path)}: no test runs what is fenced as '{info}'" for info, _ in FENCE.findall(text) if info not in FENCES]
    rest = FENCE.sub("", text)
    found += [f"{name_of(path)}: a fence without a kind, or without its end"] if "```" in rest else []
    lines = rest.splitlines()
    found += [f"{name_of(path)}: an indented block, which no test runs: {line.strip()}" for before, line in zip(lines, lines[1:])
              if not before.strip() and re.match(r"    \S", line)]
    return found
