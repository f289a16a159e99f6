# TLS: what is shown, what is refused, certificates that change, and clients that stall while hands are shaken.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from helpers.certificates import Authority
from helpers.service import BODY, PASSENGER, PROGRAM, Client, Server, ServiceTest, get, post

CERTIFICATES = tempfile.mkdtemp(prefix="slipway-tls-")
ROOT = Authority(CERTIFICATES)
CERT, KEY = ROOT.sign("server")


def tearDownModule():
    shutil.rmtree(CERTIFICATES)


class Encrypted(Client):
    def __init__(self, port, authority=ROOT.cert, session=None, certificate=None, alpn=None, versions=None, **options):
        super().__init__(port, **options)
        context = ssl.create_default_context(cafile=authority)
        if certificate:
            context.load_cert_chain(*certificate)
        if alpn:
            context.set_alpn_protocols(alpn)
        if versions:
            context.minimum_version, context.maximum_version = versions, versions
        self.context = context
        plain = self.socket
        try:
            self.socket = context.wrap_socket(plain, server_hostname="localhost", session=session)
        except (ssl.SSLError, OSError):
            plain.close()
            raise


class Tls(ServiceTest):
    @classmethod
    def setUpClass(cls):
        cls.cert, cls.key = os.path.join(CERTIFICATES, "shown.pem"), os.path.join(CERTIFICATES, "shown.key")
        cls.show(CERT, KEY)
        cls.arguments = ["--tls-cert", cls.cert, "--tls-key", cls.key]
        super().setUpClass()

    @classmethod
    def show(cls, cert, key):
        for source, to in [(key, cls.key), (cert, cls.cert)]:
            shutil.copy(source, to + ".new")
            os.replace(to + ".new", to)

    def client(self, **options):
        return Encrypted(self.server.port, **options)

    def alive(self):
        with self.client() as c:
            return c.ask(get()).status == 200

    def tearDown(self):
        self.assertTrue(self.alive())

    def test_requests_of_every_kind(self):
        big = json.dumps({"rows": [PASSENGER] * 3000}).encode()
        with self.client() as c:
            one = c.ask(post()).body
            self.assertEqual(c.ask(get("/health/ready")).status, 200)
            large = c.ask(post(big))
            self.assertEqual(len(large.json()["predictions"]), 3000)
            c.send(post() * 200)  # pipelined
            self.assertEqual([c.read().body for _ in range(200)], [one] * 200)
            c.send(post(big) * 10)  # more than the socket takes at once
            time.sleep(0.3)
            self.assertEqual([c.read().body for _ in range(10)], [large.body] * 10)
            chunked = post(headers=["Transfer-Encoding: chunked"]).replace(
                f"Content-Length: {len(BODY)}\r\n".encode(), b"").replace(BODY, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
            for i in range(0, len(chunked), 7):
                c.send(chunked[i:i + 7])
            self.assertEqual(c.read().body, one)

    def test_a_slow_reader_gets_it_all(self):
        big = json.dumps({"rows": [PASSENGER] * 3000}).encode()
        with self.client() as c:
            want = c.ask(post(big)).body
        with self.client(receive_buffer=4096) as c:
            c.send(post(big) * 6)
            for _ in range(6):
                time.sleep(0.05)
                self.assertEqual(c.read().body, want)

    def test_a_body_in_pieces(self):
        rows = b"a,b\n" + b"1,2\n" * 800_000
        head = get("/api/v1/datasets?sha256=" + "0" * 64).replace(b"GET", b"POST", 1)[:-4]
        with self.client() as c:
            c.send(head + b"\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(rows))
            self.assertEqual(c.read().status, 100)
            self.assertEqual(c.ask(rows).json()["code"], "wrong_sum")
            c.send(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(0, len(rows), 100_000):
                piece = rows[i:i + 100_000]
                c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.assertEqual(c.ask(b"0\r\n\r\n").json()["code"], "wrong_sum")
            self.assertEqual(c.ask(post()).status, 200)

    def test_both_versions_and_no_older_one(self):
        for version, name in [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]:
            with self.client(versions=version) as c:
                self.assertEqual(c.socket.version(), name)
                self.assertEqual(c.ask(post()).status, 200)
                if name == "TLSv1.2":
                    self.assertRegex(c.socket.cipher()[0], "^ECDHE-.*(GCM|POLY1305)")
        with self.assertRaises((ssl.SSLError, OSError)):
            self.client(versions=ssl.TLSVersion.TLSv1_1)

    def test_http_1_1_is_what_is_chosen(self):
        with self.client(alpn=["h2", "http/1.1"]) as c:
            self.assertEqual(c.socket.selected_alpn_protocol(), "http/1.1")
        with self.assertRaises((ssl.SSLError, OSError)):
            self.client(alpn=["h2"])

    def test_sessions_are_resumed(self):
        for version in [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]:
            with self.client(versions=version) as c:
                c.ask(get())
                session, context = c.socket.session, c.context
                self.assertFalse(c.socket.session_reused)
            plain = socket.create_connection(("127.0.0.1", self.server.port))
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as again:
                again.sendall(get())
                self.assertTrue(again.recv(4096).startswith(b"HTTP/1.1 200"))
                self.assertTrue(again.session_reused)

    def test_close_is_orderly(self):
        with self.client() as c:
            self.assertEqual(c.ask(get(headers=["Connection: close"])).status, 200)
            self.assertEqual(c.socket.recv(100), b"")  # an end that was announced: else SSLEOFError
        with self.client() as c:
            c.send(b"nonsense\r\n\r\n")
            self.assertEqual(c.read().status, 400)
            self.assertEqual(c.socket.recv(100), b"")

    def test_plain_http_is_told_so(self):
        answer = b""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as c:
            c.sendall(get())
            while data := c.recv(4096):
                answer += data
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 ") and b"https://" in answer, answer)
        head, body = answer.split(b"\r\n\r\n")
        self.assertIn(b"Content-Length: %d" % len(body), head)

    def test_noise_and_silence_are_cut(self):
        before = self.server_metric("slipway_connections")
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as silent, \
                socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as half:
            half.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            start = time.monotonic()
            for c in (silent, half):
                self.assertEqual(c.recv(100), b"")
            self.assertTrue(1.4 <= time.monotonic() - start <= 3.5)
        for i in range(30):
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=10) as c:
                c.sendall(os.urandom(300) if i % 2 else b"\x16\x03\x01" + os.urandom(300))
                try:
                    while c.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
        self.wait_until(lambda: self.server_metric("slipway_connections") <= before)

    def server_metric(self, name):
        with self.client() as c:
            for line in c.ask(get("/metrics")).body.decode().splitlines():
                if line.split(" ")[0] == name:
                    return float(line.split(" ")[1])
        return 0

    def test_certificates_are_taken_while_it_runs(self):
        def serial():
            with self.client() as c:
                return c.socket.getpeercert()["serialNumber"]
        before = serial()
        with self.client() as kept:
            self.assertEqual(kept.ask(get()).status, 200)
            self.show(*ROOT.sign("second"))
            self.wait_until(lambda: serial() != before)
            self.assertEqual(kept.ask(post()).status, 200)  # who was there before stays
        now = serial()
        self.assertIn("certificate taken", self.server.read_log())
        expired = ROOT.sign("expired", start="20200101000000Z", end="20210101000000Z")
        for cert, key, says in [(CERT, expired[1], "does not belong"), (*expired, "expired on 2021-01-01"),
                                (KEY, KEY, "no usable certificate"), (CERT, CERT, "no private key")]:
            self.show(cert, key)
            self.server.process.send_signal(signal.SIGHUP)
            self.wait_until(lambda says=says: says in self.server.read_log())
            self.assertEqual(serial(), now)
        os.unlink(self.cert)
        self.server.process.send_signal(signal.SIGHUP)
        self.wait_until(lambda: "No such file" in self.server.read_log())
        self.assertEqual(serial(), now)
        self.show(CERT, KEY)
        self.wait_until(lambda: serial() == before)

    def test_up_finds_a_server_that_speaks_tls(self):
        done = subprocess.run([PROGRAM, "up", os.path.join(os.path.dirname(PROGRAM), "../../examples/diabetes.csv"),
                               "--target", "progression", "--set", "n_trees=2", "--port", str(self.server.port), "--json"],
                              capture_output=True, text=True, timeout=60, env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(json.loads(done.stdout)["server_was_running"])

    def test_many_clients_at_once(self):
        faults = []

        def work():
            try:
                for _ in range(5):
                    with self.client() as c:
                        assert [c.ask(post()).status for _ in range(20)] == [200] * 20
            except Exception as e:  # noqa: all of them are reported
                faults.append(e)
        threads = [threading.Thread(target=work) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(faults, [])


class Mutual(ServiceTest):
    arguments = ["--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", ROOT.cert]

    def test_only_clients_with_a_certificate_get_in(self):
        with Encrypted(self.server.port, certificate=ROOT.sign("client", "me")) as c:
            self.assertEqual(c.ask(post()).status, 200)
        other = Authority(os.path.join(CERTIFICATES, "other"))
        expired = ROOT.sign("old", "me", start="20200101000000Z", end="20210101000000Z")
        for certificate in [None, other.sign("client", "me"), expired]:
            with self.assertRaises((ssl.SSLError, OSError, EOFError)):
                with Encrypted(self.server.port, certificate=certificate) as c:
                    c.ask(get())  # with TLS 1.3 the refusal comes after the client's part is done
        with Encrypted(self.server.port, certificate=ROOT.sign("client", "me")) as c:
            self.assertEqual(c.ask(get()).status, 200)


class Wrong(unittest.TestCase):
    def test_what_is_wrong_is_said(self):
        expired = ROOT.sign("expired2", start="20200101000000Z", end="20210101000000Z")
        early = ROOT.sign("early", start="20400101000000Z", end="20410101000000Z")
        secret = os.path.join(CERTIFICATES, "secret.key")
        Authority.run("ec", "-in", KEY, "-aes128", "-passout", "pass:x", "-out", secret)
        other = ROOT.sign("other")
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "SLIPWAY_DATA_DIR": folder}
            for arguments, says in [
                    (["--tls-cert", CERT], "tls-cert and tls-key go together"),
                    (["--tls-key", KEY], "tls-cert and tls-key go together"),
                    (["--tls-client-ca", ROOT.cert], "tls-client-ca goes with"),
                    (["--tls-cert", "/nowhere.pem", "--tls-key", KEY], "/nowhere.pem: No such file"),
                    (["--tls-cert", CERT, "--tls-key", "/nowhere.key"], "/nowhere.key: No such file"),
                    (["--tls-cert", CERT, "--tls-key", other[1]], "does not belong to the certificate"),
                    (["--tls-cert", CERT, "--tls-key", secret], "one with a password cannot be used"),
                    (["--tls-cert", KEY, "--tls-key", KEY], "no usable certificate"),
                    (["--tls-cert", expired[0], "--tls-key", expired[1]], "expired on 2021-01-01"),
                    (["--tls-cert", early[0], "--tls-key", early[1]], "not valid before 2040-01-01"),
                    (["--tls-cert", CERT, "--tls-key", KEY, "--tls-client-ca", KEY], "no usable certificate")]:
                for command in ["serve", "doctor"]:
                    done = subprocess.run([PROGRAM, command, "--port", "0", *arguments], capture_output=True, text=True,
                                          timeout=60, env=environment, stdin=subprocess.DEVNULL)
                    self.assertNotEqual(done.returncode, 0)
                    self.assertIn(says, done.stdout + done.stderr)
            done = subprocess.run([PROGRAM, "doctor", "--port", "0", "--tls-cert", CERT, "--tls-key", KEY],
                                  capture_output=True, text=True, timeout=60, env=environment)
            self.assertRegex(done.stdout, "note +certificate .*valid until")  # two days are soon


if __name__ == "__main__":
    unittest.main()
