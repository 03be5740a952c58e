import unittest

from .transcript import LONGEST, Transcript


class TranscriptTest(unittest.TestCase):
    def test_a_login_without_trouble_is_left_out_of_the_short_form(self):
        t = Transcript()
        t.add("", "7: romeo connects")
        mark = t.mark()
        t.add("romeo", "> <auth/>")
        t.add("juliet", "< <message/>")
        t.went_well(mark, "romeo")
        t.add("romeo", "> <presence/>")
        told = [line.split(maxsplit=1)[1] for line in t.short()]
        self.assertEqual(told, ["7: romeo connects", "juliet < <message/>", "romeo > <presence/>"])
        self.assertEqual(len(t.full()), 4)

    def test_the_short_form_clips_lines(self):
        t = Transcript()
        t.add("romeo", "> " + "x" * 5000)
        self.assertLess(len(t.short()[0]), LONGEST + 30)
        self.assertGreater(len(t.full()[0]), 5000)


if __name__ == "__main__":
    unittest.main()
