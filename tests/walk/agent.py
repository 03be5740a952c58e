#!/usr/bin/python3
"""Reads a desktop's windows through the accessibility bus, on behalf of walk tests. Runs inside the desktop's session, as its user.

For each line on standard input, a line of JSON with what is to be seen: a list of {role, name, text, states, box, depth, window}. `box` is
[x, y, width, height] on the screen. What is not shown is left out, with all that it holds.
"""
import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

STATES = {"focused": Atspi.StateType.FOCUSED, "checked": Atspi.StateType.CHECKED, "sensitive": Atspi.StateType.SENSITIVE,
          "editable": Atspi.StateType.EDITABLE, "selected": Atspi.StateType.SELECTED, "active": Atspi.StateType.ACTIVE}
NODES_MAX = 4000


def text_of(node):
    if not node.get_text_iface():
        return None
    return Atspi.Text.get_text(node, 0, -1)


def visit(node, depth, window, out):
    if len(out) >= NODES_MAX:
        return
    states = node.get_state_set()
    if depth > 1 and not states.contains(Atspi.StateType.SHOWING):
        return
    box = Atspi.Component.get_extents(node, Atspi.CoordType.SCREEN) if node.get_component_iface() else None
    out.append({"role": node.get_role_name(), "name": node.get_name() or "", "text": text_of(node), "window": window, "depth": depth,
                "states": [name for name, state in STATES.items() if states.contains(state)],
                "box": [box.x, box.y, box.width, box.height] if box else None})
    for i in range(min(node.get_child_count(), 500)):
        child = node.get_child_at_index(i)
        if child:
            visit(child, depth + 1, window, out)


def windows():
    desktop = Atspi.get_desktop(0)
    for i in range(desktop.get_child_count()):
        application = desktop.get_child_at_index(i)
        for j in range(application.get_child_count() if application else 0):
            window = application.get_child_at_index(j)
            if window:
                yield window


def look():
    Atspi.get_desktop(0).clear_cache()
    out = []
    for window in windows():
        try:
            visit(window, 1, window.get_name() or "", out)
        except GLib.Error:
            continue  # it went away while we looked
    return out


def main():
    Atspi.init()
    Atspi.set_timeout(3000, 10000)
    for _ in sys.stdin:
        try:
            seen = look()
        except GLib.Error:
            seen = []  # a program came or went; whoever waits asks again
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
