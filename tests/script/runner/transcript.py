"""What all clients said and heard, in the order in which it happened, with the second of each line."""
import time

LONGEST = 1200  # of a line in the short form


class Transcript:
    def __init__(self):
        self.began = time.monotonic()
        self.lines = []  # [seconds, who, text, dull]

    def add(self, who, text):
        self.lines.append([time.monotonic() - self.began, who, text, False])

    def mark(self):
        return len(self.lines)

    def went_well(self, mark, who):
        """What this client did since the mark is of no interest: it only logged in."""
        for line in self.lines[mark:]:
            line[3] = line[3] or line[1] == who

    def full(self):
        return [self.form(*line[:3]) for line in self.lines]

    def short(self):
        """What a failure shows: a log keeps so many bytes only, and who logged in without trouble tells nothing."""
        shown = [self.form(*line[:3]) for line in self.lines if not line[3]]
        return [s if len(s) <= LONGEST else f"{s[:LONGEST]}... {len(s)} characters" for s in shown]

    @staticmethod
    def form(seconds, who, text):
        return f"{seconds:7.3f} {who:>10} {text}"
