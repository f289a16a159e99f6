"""Certificates for tests, made with the openssl command."""
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess


class Authority:
    """A root, and what it signs; all files are in `folder`."""

    def __init__(self, folder, name="root"):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.name = folder, name
        self.cert, key = self.path(name + ".pem"), self.path(name + ".key")
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                 "-out", self.cert, "-subj", f"/CN={name}", "-days", "2")
        with open(self.path("ca.cnf"), "w") as f:
            f.write(f"""[ca]
default_ca = it
[it]
database = {self.path("index")}
new_certs_dir = {folder}
certificate = {self.cert}
private_key = {key}
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
""")
        open(self.path("index"), "w").close()

    def path(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def run(*arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)

    def sign(self, name, common_name="localhost", start=None, end=None, rsa=False):
        """Paths of a certificate and its key; start and end as 20200101000000Z."""
        cert, key, request = (self.path(name + end_) for end_ in (".pem", ".key", ".csr"))
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self.run("req", "-newkey", *kind, "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={common_name}",
                 "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        when = ["-startdate", start, "-enddate", end] if end else ["-days", "1"]
        self.run("ca", "-batch", "-notext", "-config", self.path("ca.cnf"), "-in", request, "-out", cert, *when)
        return cert, key
