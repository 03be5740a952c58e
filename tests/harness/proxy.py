"""A TCP relay that spoils connections on request: tests/cluster/proxy.c as a process, one per address that is to be spoilt.

    with Proxy(("127.0.0.1", 7400)) as proxy:      # listens at proxy.address
        proxy.latency(20); proxy.rate(64 << 10, "up"); proxy.stall("down"); proxy.cut_after(1000, "up")
"""
import os
import subprocess

PROGRAM = os.path.join(os.environ.get("B", "build/gcc"), "tests/cluster/proxy")


class Proxy:
    def __init__(self, target, listen=("127.0.0.1", 0), command=()):
        """`command` is put before the program: ["ip", "netns", "exec", NAME]."""
        self.process = subprocess.Popen([*command, PROGRAM, "%s:%d" % listen, "%s:%d" % target], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        first = self.process.stdout.readline().split()
        if first[:1] != ["listening"]:
            raise RuntimeError("the proxy does not listen")
        self.address = (listen[0], int(first[1]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def ask(self, *words):
        self.process.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def tell(self, *words):
        answer = self.ask(*words)
        if answer != "ok":
            raise RuntimeError(f"the proxy says {answer!r} to {words}")

    def latency(self, ms, way="both"):
        self.tell("latency", way, ms)

    def rate(self, bytes_a_second, way="both"):
        self.tell("rate", way, bytes_a_second)

    def stall(self, way="both"):
        self.tell("stall", way)

    def flow(self, way="both"):
        self.tell("flow", way)

    def half(self, way):
        self.tell("half", way)

    def cut(self):
        self.tell("cut")

    def cut_after(self, count, way):
        self.tell("cut-after", way, count)

    def refuse(self):
        self.tell("refuse")

    def accept(self):
        self.tell("accept")

    def count(self):
        """{"pairs": open now, "up": bytes, "down": bytes, "made": connections so far}"""
        words = self.ask("count").split()
        return dict(zip(words[::2], map(int, words[1::2])))
