"""Runs the load tool against all nodes of a service, and looks at their processes while it measures."""
import asyncio
import os
import re
import time
from collections import Counter

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LOAD = os.path.join(TOP, os.environ.get("B", "build/gcc"), "tests/bench/load")
TIMEOUT_S = 180
SETTLE_S = 1.2  # nodes tell their counters anew once a second
# Whose processor time it is, by the names of our threads; the rest is the main thread's, and the store's.
GROUPS = {"mesh": re.compile(r"mesh$"), "zmq": re.compile(r"ZMQbg/"), "workers": re.compile(r"w\d+$"), "rest": re.compile("")}
WRONG = ("lost", "repeated", "reordered", "errors", "strangers", "fallen")


def group_of(name):
    return next(group for group, pattern in GROUPS.items() if pattern.match(name))


def thread_us(pids):
    """Microseconds of processor time so far of all threads that live, by group."""
    found = Counter()
    for pid in pids:
        for tid in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii", errors="replace") as comm:
                    group = group_of(comm.read().strip())
                with open(f"/proc/{pid}/task/{tid}/schedstat", encoding="ascii") as stat:
                    found[group] += int(stat.read().split()[0]) / 1000
            except FileNotFoundError:  # it ended meanwhile
                continue
    return found


def process_us(pid):
    """The same of a whole process."""
    return time.clock_gettime(~pid << 3 | 2) * 1e6  # the number of its clock, as clock_getcpuclockid makes it


class Watch:
    """`nodes`: (port, pid) of each. `count` gives a number that grows, and is asked for while nothing is measured; `beside` is a process
    that they lean on."""

    def __init__(self, nodes, count=None, beside=None):
        self.nodes = nodes
        self.count = count
        self.beside = beside

    def command(self, mode, options):
        (port, pid), *others = self.nodes
        command = [LOAD, mode, "--marks", "--port", str(port), "--pid", str(pid)]
        for port, pid in others:
            command += ["--other-port", str(port), "--other-pid", str(pid)]
        return [*command, *map(str, options)]

    async def follow(self, process, marks, words):
        """Looks where the load tool says so; collects what else it complains of."""
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            if not text.startswith("mark "):
                words.append(text)
                continue
            name, waits = text[5:].rstrip("?"), text.endswith("?")
            if waits and self.count:
                await asyncio.sleep(SETTLE_S)
                marks["counts"].append((await self.count(), time.monotonic()))
            if name in ("window", "end"):
                marks[name] = thread_us(pid for _, pid in self.nodes)
                marks[name]["beside"] = process_us(self.beside) if self.beside else 0
            if waits:
                process.stdin.write(b"\n")

    async def load(self, mode, *options):
        """What the load tool found; with `threads`, the microseconds of the measured time by group, and `counted`: over all that was said
        (`in_all`), for idle over the measured time and some before and after (`counted_s`, seconds)."""
        process = await asyncio.create_subprocess_exec(*self.command(mode, options), stdin=asyncio.subprocess.PIPE,
                                                       stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        marks, words = {"counts": []}, []
        try:
            await asyncio.wait_for(self.follow(process, marks, words), TIMEOUT_S)
            out = (await process.stdout.read()).decode()
        except BaseException:
            process.kill()
            raise
        finally:
            await process.wait()
        got = {key: float(value) for key, _, value in (word.partition("=") for word in out.split("\n")[0].split()[1:])}
        if not got:
            raise RuntimeError(f"load {mode}: " + " ".join(words))
        if process.returncode:
            print(f"  load {mode} is not content:", out.strip(), *words, flush=True)
        if "end" in marks:
            got["threads"] = {group: marks["end"][group] - marks["window"][group] for group in (*GROUPS, "beside")}
        if marks["counts"]:
            (before, begun), *_, (after, ended) = marks["counts"]
            got["counted"], got["counted_s"] = after - before, ended - begun
        return got


def split_of(run):
    """Microseconds a message, by whose they are; nothing of a server whose threads have other names than ours."""
    return {group: run["threads"][group] / run["delivered"] for group in GROUPS} if run["threads"]["workers"] else {}


def wrong_of(*runs):
    return sum(run.get(key, 1) for run in runs for key in WRONG)


def print_table(columns, rows):
    """`columns`: key, title, format of each; what a row has not is a dash."""
    lines = [[title for _, title, _ in columns]]
    lines += [[format(row[key], form) if key in row else "-" for key, _, form in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        print("  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))))
