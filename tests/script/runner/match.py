"""Patterns: what came against what should.

In attribute values and text: {any} matches anything, {name} matches anything and remembers it, {=name} is what was remembered, {{ is a
brace.
An attribute value that begins with {?} may be absent. {extra} as a piece of text lets an element have more children than the pattern names.
Attributes of the test namespace (prefix t) on a pattern element: t:attrs="any" lets it have more attributes; t:optional="yes": need not be
there; t:absent="yes": must not be there.
Otherwise everything must be as written, save that the order of children is free, an xml:lang that the pattern does not name is ignored,
and so is a `to` that names the receiver.
"""
import re

from harness.stanza import Elem, NS

TEST_NS = "urn:starling:test"
TOKEN = re.compile(r"\{\{|\{(=?)([A-Za-z_][\w.]*)\}")


class BadPattern(Exception):
    """The script is wrong, not the server."""


def compile_text(pattern, env):
    """(regex, names of its groups)."""
    out, names, at = "", [], 0
    for m in TOKEN.finditer(pattern):
        out += re.escape(pattern[at:m.start()])
        at = m.end()
        if m.group() == "{{":
            out += r"\{"
        elif m.group(1):
            out += re.escape(lookup(env, m.group(2)))
        elif m.group(2) == "any":
            out += ".*?"
        else:
            names.append(m.group(2))
            out += "(.*?)"
    return re.compile(out + re.escape(pattern[at:]), re.S), names


def lookup(env, name):
    if name not in env:
        raise BadPattern(f"nothing is remembered as {{={name}}}; known: {', '.join(sorted(env))}")
    return env[name]


def match_text(pattern, actual, env):
    """True and the captures go into env, or False."""
    regex, names = compile_text(pattern, env)
    m = regex.fullmatch(actual)
    if not m:
        return False
    env.update(zip(names, m.groups()))
    return True


def flag(pattern, name):
    return pattern.attrs.get((TEST_NS, name)) is not None


def show_attr(key):
    return ("xml:" if key[0] == NS["xml"] else f"{{{key[0]}}}" if key[0] else "") + key[1]


def match_attrs(pattern, actual, env, own, path):
    problems = []
    wanted = {k: v for k, v in pattern.attrs.items() if k[0] != TEST_NS}
    for key, value in wanted.items():
        may_miss = value.startswith("{?}")
        value = value[3:] if may_miss else value
        if key not in actual.attrs:
            if not may_miss:
                problems.append(f"{path}: attribute {show_attr(key)} is missing")
        elif not match_text(value, actual.attrs[key], env):
            problems.append(f"{path}: attribute {show_attr(key)} is {actual.attrs[key]!r}, not {value!r}")
    if not flag(pattern, "attrs"):
        for key, value in actual.attrs.items():
            ignored = key in wanted or key == (NS["xml"], "lang") or (key == (None, "to") and value in own)
            if not ignored:
                problems.append(f"{path}: unexpected attribute {show_attr(key)}={value!r}")
    return problems


def match_body(pattern_text, actual_text, env, path):
    if "\n" in pattern_text or not pattern_text.strip():
        pattern_text, actual_text = pattern_text.strip(), actual_text.strip()
    if match_text(pattern_text, actual_text, env):
        return []
    return [f"{path}: text is {actual_text!r}, not {pattern_text!r}"]


def match(pattern, actual, env, own=(), path=""):
    """A list of differences, empty when they match; then env holds the captures. `own` are addresses that a `to` may name unasked."""
    path = f"{path}/{pattern.name}"
    if (pattern.name, pattern.ns) != (actual.name, actual.ns):
        return [f"{path}: got <{actual.name} xmlns={actual.ns!r}>, not <{pattern.name} xmlns={pattern.ns!r}>"]
    trial = dict(env)
    text = pattern.text()
    extra = "{extra}" in text
    problems = match_attrs(pattern, actual, trial, own, path)
    problems += match_body(text.replace("{extra}", ""), actual.text() if not extra else actual.text().strip(), trial, path)
    problems += match_children(pattern.elems(), actual.elems(), extra, trial, path)
    if not problems:
        env.update(trial)
    return problems


def match_children(patterns, actuals, extra, env, path):
    """Any order; tries alternatives, so that a pattern that fits two children does not take the wrong one."""
    wanted = [p for p in patterns if not flag(p, "absent")]
    found = assign(wanted, list(actuals), extra, env, path)
    problems = [] if found is not None else explain(wanted, actuals, extra, env, path)
    if found is not None:
        env.update(found)
    for p in patterns:
        if flag(p, "absent"):
            problems += [f"{path}/{p.name}: must not be there" for a in actuals if not match(p, a, dict(env), (), path)]
    return problems


def assign(patterns, actuals, extra, env, path):
    """The env of a complete assignment, or None."""
    if not patterns:
        return env if extra or not actuals else None
    head, rest = patterns[0], patterns[1:]
    for i, a in enumerate(actuals):
        trial = dict(env)
        if not match(head, a, trial, (), path):
            found = assign(rest, actuals[:i] + actuals[i + 1:], extra, trial, path)
            if found is not None:
                return found
    return assign(rest, actuals, extra, env, path) if flag(head, "optional") else None


def explain(patterns, actuals, extra, env, path):
    """Why no assignment exists: the nearest child of each pattern that fits none, and children that nobody asked for."""
    problems, left = [], list(actuals)
    for p in patterns:
        fits = next((a for a in left if not match(p, a, env, (), path)), None)
        near = fits or next((a for a in left if (a.name, a.ns) == (p.name, p.ns)), None)
        if near is not None:
            left.remove(near)
        if fits is None and near is not None:
            problems += match(p, near, dict(env), (), path)
        elif fits is None and not flag(p, "optional"):
            problems.append(f"{path}/{p.name}: no such child (xmlns={p.ns!r})")
    if not extra:
        problems += [f"{path}: unexpected child {a}" for a in left]
    return problems or [f"{path}: the children do not fit together"]


def match_any_order(patterns, actuals, env, own):
    """Every actual stanza to one pattern. None, or problems."""
    def go(ps, rest, trial):
        if not ps:
            return trial
        for i, a in enumerate(rest):
            inner = dict(trial)
            if not match(ps[0], a, inner, own):
                found = go(ps[1:], rest[:i] + rest[i + 1:], inner)
                if found is not None:
                    return found
        return None
    found = go(list(patterns), list(actuals), dict(env))
    if found is None:
        return [f"these {len(actuals)} stanzas do not match the {len(patterns)} patterns in any order"]
    env.update(found)
    return []


__all__ = ["Elem", "BadPattern", "match", "match_text", "match_any_order", "TEST_NS", "TOKEN", "lookup"]
