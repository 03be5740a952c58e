"""Scripts that are wrong must be refused with their line, not passed by."""
import unittest

from harness.stanza import StreamParser, StreamProblem
from runner.parse import BadScript, parse_script
from runner.words import Words, unescape

GOOD = """
title: a talk
client romeo: user romeo@localhost resource orchard split 1
account nurse@localhost password secret
config limits.x=5
config limits.y=[10.0.0.0/8, ::1]

romeo connects
romeo sends
  <message to='nurse@localhost'/>
  <presence/>
ctl status
"""


class ParseTest(unittest.TestCase):
    def test_a_script_has_steps_with_bodies(self):
        s = parse_script(GOOD)
        steps = [(t.subject, t.action, len(t.body)) for t in s.steps]
        self.assertEqual(steps, [("romeo", "connects", 0), ("romeo", "sends", 2), ("ctl", "status", 0)])
        self.assertEqual((s.clients["romeo"].split, s.accounts), (1, [("nurse", "localhost", "secret")]))
        self.assertEqual(s.config, {"limits.x": 5, "limits.y": ["10.0.0.0/8", "::1"]})

    def test_wrong_scripts_are_refused(self):
        for text in ("", "client romeo: user r@h\n", "juliet connects\n", "client r: colour red\nr connects\n",
                     "tls perhaps\nclient r: user r@h\nr connects\n", "client r: user r@h\n  <stray/>\nr connects\n",
                     "client r: user r@h\nr connects\nx connects\n"):
            with self.assertRaises(BadScript, msg=text):
                parse_script(text)

    def test_accounts_get_unique_names_and_readable_ones_again(self):
        w = Words(parse_script(GOOD), "k1")
        self.assertEqual(w.rename("to='romeo@localhost/orchard' nurse@localhost."), "to='romeo.k1@localhost/orchard' nurse.k1@localhost.")
        others = "xromeo@localhost romeo@localhost.org tybalt@localhost"
        self.assertEqual(w.rename(others), others)
        self.assertEqual(w.readable(w.rename("romeo@localhost/x")), "romeo@localhost/x")

    def test_macros(self):
        w = Words(parse_script(GOOD), "k1")
        self.assertEqual(w.expand("{repeat 3 ab}"), "ababab")
        self.assertEqual(w.expand("{base64 \\0x\\0y}"), "AHgAeQ==")
        w.env["a"] = "1"
        self.assertEqual(w.expand("{=a}"), "1")
        self.assertEqual(unescape("a\\n\\xff\\\\"), b"a\n\xff\\")


class StreamParserTest(unittest.TestCase):
    HEAD = b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

    def test_a_byte_at_a_time(self):
        p = StreamParser()
        events = [e for i in range(len(self.HEAD)) for e in p.feed(self.HEAD[i:i + 1])]
        events += [e for b in b"<iq/> <message><body>x</body></message></stream:stream>" for e in p.feed(bytes([b]))]
        self.assertEqual([k for k, _ in events], ["open", "stanza", "stanza", "close"])

    def test_a_new_stream_may_follow_success_at_once(self):
        p = StreamParser()
        events = p.feed(self.HEAD + b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>" + self.HEAD + b"<iq/>")
        self.assertEqual([k for k, _ in events], ["open", "stanza", "open", "stanza"])

    def test_what_a_server_must_not_send_is_a_problem(self):
        for bad in (b"<!-- x -->", b"<?pi x?>", b"text", b"</wrong>", b"&entity;", b"\xff"):
            p = StreamParser()
            p.feed(self.HEAD)
            with self.assertRaises(StreamProblem, msg=bad):
                p.feed(bad)


if __name__ == "__main__":
    unittest.main()
