"""SASL, client side: PLAIN, ANONYMOUS and SCRAM (RFC 5802, RFC 7677) with channel binding. Written here and not taken from a library,
so that the scripts can also misbehave."""
import base64
import hashlib
import hmac
import os

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
PREFERENCE = ["SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1",
              "PLAIN", "ANONYMOUS"]


class SaslError(Exception):
    """The server's side of the exchange is wrong."""


def b64(data):
    return base64.b64encode(data).decode()


def plain(user, password, authzid=""):
    return f"{authzid}\0{user}\0{password}".encode()


class Scram:
    """One attempt. first() -> final(challenge) -> check(success data)."""

    def __init__(self, mech, user, password, authzid="", cb_name=None, cb_data=b"", gs2_flag=None):
        base = mech[:-5] if mech.endswith("-PLUS") else mech
        self.hash = HASHES[base]
        self.password = password.encode()
        self.nonce = b64(os.urandom(18))
        flag = gs2_flag or (f"p={cb_name}" if mech.endswith("-PLUS") else "n")
        self.gs2 = f"{flag},{'a=' + escape_name(authzid) if authzid else ''},"
        self.cb = self.gs2.encode() + (cb_data if flag.startswith("p=") else b"")
        self.bare = f"n={escape_name(user)},r={self.nonce}"

    def first(self):
        return (self.gs2 + self.bare).encode()

    def _hmac(self, key, data):
        return hmac.new(key, data, self.hash).digest()

    def final(self, challenge):
        text = challenge.decode()
        fields = dict(f.split("=", 1) for f in text.split(","))
        if not fields["r"].startswith(self.nonce) or len(fields["r"]) <= len(self.nonce):
            raise SaslError("the server's nonce does not extend ours")
        if int(fields["i"]) < 4096:
            raise SaslError("fewer than 4096 iterations: " + fields["i"])
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(fields["s"]), int(fields["i"]))
        client_key = self._hmac(salted, b"Client Key")
        stored = hashlib.new(self.hash, client_key).digest()
        without_proof = f"c={b64(self.cb)},r={fields['r']}"
        auth = f"{self.bare},{text},{without_proof}".encode()
        signature = self._hmac(stored, auth)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self.server_signature = self._hmac(self._hmac(salted, b"Server Key"), auth)
        return f"{without_proof},p={b64(proof)}".encode()

    def check(self, data):
        """The server must prove that it knows the keys."""
        if data != b"v=" + b64(self.server_signature).encode():
            raise SaslError("wrong server signature: %r" % data)


def escape_name(name):
    return name.replace("=", "=3D").replace(",", "=2C")


def choose(offered, wanted=None):
    for mech in [wanted] if wanted else PREFERENCE:
        if mech in offered:
            return mech
    raise SaslError(f"no usable mechanism among {offered} (wanted {wanted})")
