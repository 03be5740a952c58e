"""What the check-* scripts share: the list of sources, C text without comments and literals, and a self-test.

A check is a function check(root) -> list of "file:line: what is wrong". main() runs it on the tree, or, with --self-test, on small
trees that must and must not be refused: a check that cannot fail proves nothing.
"""
import os
import re
import sys
import tempfile

ROOMS = ("proto", "cluster", "node", "tests")

_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def sources(root, suffixes=(".c", ".h"), rooms=ROOMS):
    """Paths relative to root, sorted."""
    found = []
    for room in rooms:
        for folder, folders, files in os.walk(os.path.join(root, room)):
            folders.sort()
            found += [os.path.relpath(os.path.join(folder, f), root) for f in files if f.endswith(suffixes)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def bare(text):
    """The text with comments and the insides of literals blanked, every line where it was."""

    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + " " * (len(token) - 2) + token[0]
        return re.sub(r"[^\n]", " ", token)

    return _TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def _write_tree(root, files):
    for path, text in files.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


def _self_test(name, check, cases):
    wrong = 0
    for title, files, expected in cases:
        with tempfile.TemporaryDirectory() as root:
            _write_tree(root, files)
            findings = check(root)
        missed = [e for e in expected if not any(e in f for f in findings)]
        if missed or len(findings) != len(expected):
            wrong += 1
            print(f"{name}: self-test '{title}': expected {expected}, got {findings}")
    print(f"{name}: self-test: {len(cases) - wrong} passed, {wrong} failed")
    return 1 if wrong else 0


def main(name, check, cases):
    """cases: (title, {path: text}, [part of each expected finding])."""
    if sys.argv[1:] == ["--self-test"]:
        sys.exit(_self_test(name, check, cases))
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    findings = check(root)
    for finding in findings:
        print(finding)
    print(f"{name}: {len(findings)} finding(s)")
    sys.exit(1 if findings else 0)
