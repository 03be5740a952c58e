"""How a conversation can fail."""


class Mismatch(Exception):
    """What came is not what the script says; the text tells both."""
