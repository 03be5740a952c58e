"""A conversation's text to a Script. The format is described in tests/script/README.md."""
import re
import shlex
from dataclasses import dataclass, field


class BadScript(Exception):
    """file:line: what is wrong."""


@dataclass
class ClientSpec:
    name: str
    user: str = ""        # localpart; empty for ANONYMOUS
    host: str = "localhost"
    resource: str = ""    # empty: the server makes one
    password: str = "secret"
    tls: str = ""         # on, off, direct; empty: the script's
    split: int = -1
    mech: str = ""
    anonymous: bool = False
    registered: bool = True
    address: str = ""
    tls_max: str = ""
    preamble: str = ""
    port: str = ""        # of the node's: proxied, untrusted


@dataclass
class Step:
    line: int
    subject: str          # a client's name, "ctl", "differ" or "server"
    action: str
    body: list = field(default_factory=list)


@dataclass
class Script:
    path: str
    title: str = ""
    clients: dict = field(default_factory=dict)
    accounts: list = field(default_factory=list)   # (user, host, password)
    tls: str = "on"
    split: int = 0
    alone: bool = False   # it says something of one node, and is not held against several
    own: bool = False     # a node of its own, for it is stopped or killed
    timeout: float = 0
    ignore: set = field(default_factory=set)
    config: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)


FLAGS = {"anonymous": ("anonymous", True), "unregistered": ("registered", False)}
TLS_MODES = ("on", "off", "direct")


def scalar(text):
    if text.startswith("[") and text.endswith("]"):
        return [scalar(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def parse_client(rest):
    name, colon, text = rest.partition(":")
    spec = ClientSpec(name.strip())
    if not colon or not re.fullmatch(r"[a-z][a-z0-9_]*", spec.name):
        raise ValueError("client NAME: user USER@HOST [resource R] ...")
    words = shlex.split(text)
    while words:
        key = words.pop(0)
        if key in FLAGS:
            setattr(spec, *FLAGS[key])
            continue
        if key not in ("user", "host", "resource", "password", "tls", "split", "mech", "address", "tls_max", "preamble", "port"):
            raise ValueError(f"unknown word {key!r} about a client")
        if not words:
            raise ValueError(f"{key} wants a value")
        value = words.pop(0)
        if key == "user":
            spec.user, _, spec.host = value.rpartition("@")
        else:
            setattr(spec, key, int(value) if key == "split" else value)
    if not spec.user and not spec.anonymous:
        spec.user = spec.name
    return spec


def header_line(script, word, rest):
    if word == "title":
        script.title = rest
    elif word == "client":
        spec = parse_client(rest)
        script.clients[spec.name] = spec
    elif word == "account":
        address, _, password = rest.partition(" ")
        user, _, host = address.rpartition("@")
        script.accounts.append((user, host, password.strip().removeprefix("password ").strip() or "secret"))
    elif word == "tls":
        if rest not in TLS_MODES:
            raise ValueError("tls on, off or direct")
        script.tls = rest
    elif word == "node":
        if rest not in ("own", "alone"):
            raise ValueError("node own, or node alone")
        script.own |= rest == "own"
        script.alone |= rest == "alone"
    elif word == "split":
        script.split = int(rest)
    elif word == "timeout":
        script.timeout = float(rest)
    elif word == "ignore":
        script.ignore.update(rest.split())
    elif word == "config":
        key, equals, value = rest.partition("=")
        if not equals:
            raise ValueError("config KEY=VALUE")
        script.config[key.strip()] = scalar(value.strip())
    else:
        raise ValueError(f"unknown header {word!r}, and no client has that name")


def parse_script(text, path="script"):
    script = Script(path)
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if bare and line[0] in " \t" and script.steps:
            script.steps[-1].body.append(line)
            continue
        if not bare or bare.startswith("#"):
            continue
        word, _, rest = bare.partition(" ")
        word, rest = word.rstrip(":") if word == "title:" else word, rest.strip()
        try:
            if line[0] in " \t":
                raise ValueError("indented lines belong to an action")
            if word in script.clients or word in ("ctl", "differ", "server", "clock"):
                script.steps.append(Step(number, word, rest))
            elif script.steps:
                raise ValueError(f"no client {word!r} is declared")
            else:
                header_line(script, word, rest)
        except ValueError as err:
            raise BadScript(f"{path}:{number}: {err}") from None
    if not script.steps:
        raise BadScript(f"{path}: nothing happens in it")
    return script


def dedent(body):
    """The lines without their common indentation, as one text."""
    lines = [line.expandtabs(4) for line in body]
    cut = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[cut:] for line in lines)
