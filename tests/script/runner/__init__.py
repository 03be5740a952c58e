"""The script runner: parse.py reads a conversation, play.py holds it with a server, match.py compares what came with what should."""
