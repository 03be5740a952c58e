"""What the tests share: starting nodes, speaking raw XMPP to them, reading their answers."""
