"""The matcher must accept what fits and refuse what does not."""
import unittest

from harness.stanza import parse
from runner.match import TEST_NS, BadPattern, match, match_any_order


def one(text):
    return parse(text, f"xmlns:t='{TEST_NS}'")[0]


class MatchTest(unittest.TestCase):
    def fits(self, pattern, actual, env=None, own=()):
        env = {} if env is None else env
        self.assertEqual(match(one(pattern), one(actual), env, own), [])
        return env

    def refuses(self, pattern, actual, env=None, own=()):
        env = dict(env or {})
        before = dict(env)
        self.assertNotEqual(match(one(pattern), one(actual), env, own), [])
        self.assertEqual(env, before, "a refused match must remember nothing")

    def test_equal_stanzas_match(self):
        self.fits("<message to='a'><body>x</body></message>", "<message to='a'><body>x</body></message>")

    def test_another_name_is_refused(self):
        self.refuses("<message/>", "<presence/>")

    def test_another_namespace_is_refused(self):
        self.refuses("<iq><ping xmlns='urn:xmpp:ping'/></iq>", "<iq><ping xmlns='urn:other'/></iq>")

    def test_another_attribute_value_is_refused(self):
        self.refuses("<message to='a'/>", "<message to='b'/>")

    def test_a_missing_attribute_is_refused(self):
        self.refuses("<message to='a'/>", "<message/>")

    def test_an_extra_attribute_is_refused(self):
        self.refuses("<message/>", "<message type='chat'/>")

    def test_extra_attributes_can_be_allowed(self):
        self.fits("<message t:attrs='any'/>", "<message type='chat' id='1'/>")

    def test_an_optional_attribute_may_be_missing_but_not_wrong(self):
        self.fits("<message from='{?}a'/>", "<message/>")
        self.fits("<message from='{?}a'/>", "<message from='a'/>")
        self.refuses("<message from='{?}a'/>", "<message from='b'/>")

    def test_another_text_is_refused(self):
        self.refuses("<body>x</body>", "<body>y</body>")
        self.refuses("<body>x</body>", "<body/>")
        self.refuses("<body>x</body>", "<body> x</body>")

    def test_unexpected_text_is_refused(self):
        self.refuses("<message/>", "<message>x</message>")

    def test_any_matches_text_and_values(self):
        self.fits("<message id='{any}'><body>{any}</body></message>", "<message id='7'><body>a\nb</body></message>")

    def test_any_in_a_part(self):
        self.fits("<m to='{any}@localhost/x'/>", "<m to='abc@localhost/x'/>")
        self.refuses("<m to='{any}@localhost/x'/>", "<m to='abc@localhost/y'/>")

    def test_dots_of_a_pattern_are_literal(self):
        self.refuses("<m to='a.b'/>", "<m to='aXb'/>")

    def test_capture_and_reuse(self):
        env = self.fits("<m id='{first}'/>", "<m id='77'/>")
        self.assertEqual(env, {"first": "77"})
        self.fits("<m id='{=first}'/>", "<m id='77'/>", env)
        self.refuses("<m id='{=first}'/>", "<m id='78'/>", env)

    def test_an_unknown_reference_is_the_scripts_fault(self):
        with self.assertRaises(BadPattern):
            match(one("<m id='{=never}'/>"), one("<m id='1'/>"), {})

    def test_doubled_brace_is_a_brace(self):
        self.fits("<m>{{any}</m>", "<m>{any}</m>")
        self.refuses("<m>{{any}</m>", "<m>x</m>")

    def test_a_missing_child_is_refused(self):
        self.refuses("<m><a/><b/></m>", "<m><a/></m>")

    def test_an_extra_child_is_refused(self):
        self.refuses("<m><a/></m>", "<m><a/><b/></m>")
        self.refuses("<m><a/></m>", "<m><a/><a/></m>")

    def test_extra_children_can_be_allowed(self):
        self.fits("<m><a/>{extra}</m>", "<m><b/><a/><c/></m>")
        self.refuses("<m><a/>{extra}</m>", "<m><b/></m>")

    def test_the_order_of_children_is_free(self):
        self.fits("<m><a/><b/></m>", "<m><b/><a/></m>")

    def test_children_are_assigned_with_second_thoughts(self):
        self.fits("<m><a x='{any}'/><a x='1'/></m>", "<m><a x='1'/><a x='2'/></m>")
        self.refuses("<m><a x='1'/><a x='1'/></m>", "<m><a x='1'/><a x='2'/></m>")

    def test_an_optional_child(self):
        self.fits("<m><a/><b t:optional='yes'/></m>", "<m><a/></m>")
        self.fits("<m><a/><b t:optional='yes'/></m>", "<m><b/><a/></m>")
        self.refuses("<m><a/><b t:optional='yes' x='1'/></m>", "<m><b x='2'/><a/></m>")

    def test_an_absent_child(self):
        self.fits("<m>{extra}<b t:absent='yes'/></m>", "<m><a/></m>")
        self.refuses("<m>{extra}<b t:absent='yes'/></m>", "<m><a/><b/></m>")

    def test_own_address_in_to_needs_no_mention(self):
        self.fits("<m/>", "<m to='me'/>", own=("me",))
        self.refuses("<m/>", "<m to='you'/>", own=("me",))
        self.refuses("<m to='you'/>", "<m to='me'/>", own=("me",))

    def test_language_needs_no_mention_but_is_compared_when_named(self):
        self.fits("<m/>", "<m xml:lang='en'/>")
        self.refuses("<m xml:lang='de'/>", "<m xml:lang='en'/>")

    def test_indentation_is_no_text(self):
        self.fits("<m>\n  <a/>\n</m>", "<m><a/></m>")
        self.fits("<m><a/></m>", "<m>\n<a/>\n</m>")

    def test_any_order(self):
        stanzas = [one("<m id='1'/>"), one("<m id='2'/>")]
        self.assertEqual(match_any_order([one("<m id='{x}'/>"), one("<m id='1'/>")], stanzas, {}, ()), [])
        self.assertNotEqual(match_any_order([one("<m id='3'/>"), one("<m id='1'/>")], stanzas, {}, ()), [])


if __name__ == "__main__":
    unittest.main()
