"""A certificate authority for one test: ECDSA and RSA certificates that name all hosts, made with openssl."""
import os
import subprocess


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


def make_authority(folder):
    """ca.pem and ca.key in the folder; gives the path of ca.pem. RSA: aiosasl's tls-server-end-point knows no hash for ECDSA signatures."""
    ca = os.path.join(folder, "ca.pem")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test authority",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", os.path.join(folder, "ca.key"), "-out", ca)
    return ca


def make_certificate(folder, name, hosts, kind="ec"):
    """name.pem with its key in name.key, signed by the folder's authority; gives both paths. kind: ec or rsa."""
    path = os.path.join(folder, name)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else ["-newkey", "rsa:2048"]
    openssl("req", *key, "-nodes", "-subj", f"/CN={hosts[0]}", "-keyout", path + ".key", "-out", path + ".csr")
    with open(path + ".ext", "w") as f:
        f.write("subjectAltName=" + ",".join("DNS:" + h for h in hosts) + "\n")
    openssl("x509", "-req", "-in", path + ".csr", "-CA", os.path.join(folder, "ca.pem"), "-CAkey", os.path.join(folder, "ca.key"),
            "-CAcreateserial", "-days", "2", "-extfile", path + ".ext", "-out", path + ".pem")
    return path + ".pem", path + ".key"
