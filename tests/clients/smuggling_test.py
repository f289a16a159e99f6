# Requests that two programs could cut in different places: straight, and through nginx and haproxy, whose connections to
# the server are shared by their clients. Nobody may see more requests than were forwarded, or another's answer.
# SPDX-License-Identifier: Apache-2.0
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

from helpers.service import Client, ServiceTest, get

HIDDEN = b"GET /api/v1/models/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
LINE = b" /api/v1/models/titanic/predict HTTP/1.1\r\nHost: localhost\r\n"
END = b"0\r\n\r\n"


def case(*lines, body=b"", method=b"POST", start=None):
    head = [start or method + LINE.rstrip(b"\r\n"), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


CL, TE = b"Content-Length: 5", b"Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n" + END

# Understood by the server in one way only; the hidden request, sent behind each, is the second one that it sees.
SOUND = {
    "length": case(CL, body=b"hello"),
    "length with zeros": case(b"Content-Length: 005", body=b"hello"),
    "length and a tab": case(b"Content-Length:\t5", body=b"hello"),
    "no body": case(),
    "a body in GET": case(CL, body=b"hello", start=b"GET /health/live HTTP/1.1\r\nHost: localhost"),
    "chunks": case(TE, body=CHUNKS),
    "chunks in capitals": case(b"TRANSFER-ENCODING: CHUNKED", body=CHUNKS),
    "chunks behind a tab": case(b"Transfer-Encoding:\tchunked ", body=CHUNKS),
    "chunk extensions": case(TE, body=b"5;a=\"b\"\r\nhello\r\n" + END),
    "trailers": case(TE, body=b"5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: x\r\n\r\n"),
    "zeros before a chunk's size": case(TE, body=b"000005\r\nhello\r\n" + END),
    "hop by hop length": case(CL, b"Connection: keep-alive, Content-Length", body=b"hello"),
    "hop by hop coding": case(TE, b"Connection: keep-alive, Transfer-Encoding", body=CHUNKS),
    "an upgrade": case(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", CL,
                       body=b"hello"),
    "a coding that is none": case(b"Transfer_Encoding: chunked", CL, body=b"hello"),
    "a query like a line": case(CL, body=b"hello", start=b"POST /api/v1/models/titanic/predict?%0d%0aContent-Length:%2040 HTTP/1.1\r\nHost: localhost"),
    "absolute": case(CL, body=b"hello", start=b"POST http://localhost/api/v1/models/titanic/predict HTTP/1.1\r\nHost: localhost"),
    "1.0 kept alive": case(CL, b"Connection: keep-alive", body=b"hello", start=b"POST /api/v1/models/titanic/predict HTTP/1.0\r\nHost: localhost"),
    "a line before": b"\r\n" + case(CL, body=b"hello"),
}

# Refused by the server, with all that comes behind.
REFUSED = {
    "length and coding": case(CL, TE, body=CHUNKS),
    "coding and length": case(TE, CL, body=CHUNKS),
    "two lengths": case(CL, CL, body=b"hello"),
    "two other lengths": case(CL, b"Content-Length: 6", body=b"hello!"),
    "a list of lengths": case(b"Content-Length: 5, 5", body=b"hello"),
    "signed": case(b"Content-Length: +5", body=b"hello"),
    "hexadecimal": case(b"Content-Length: 0x5", body=b"hello"),
    "less than nothing": case(b"Content-Length: -5", body=b"hello"),
    "two numbers": case(b"Content-Length: 5 6", body=b"hello"),
    "no number": case(b"Content-Length:", body=b"hello"),
    "a vertical tab": case(b"Content-Length: 5\x0b", body=b"hello"),
    "too long a number": case(b"Content-Length: 18446744073709551621", body=b"hello"),
    "blank before the colon of a length": case(b"Content-Length : 5", body=b"hello"),
    "blank before the colon of a coding": case(b"Transfer-Encoding : chunked", body=CHUNKS),
    "two codings": case(TE, b"Transfer-Encoding: identity", body=CHUNKS),
    "chunked twice": case(TE, TE, body=CHUNKS),
    "a list of codings": case(b"Transfer-Encoding: chunked, identity", body=CHUNKS),
    "identity": case(b"Transfer-Encoding: identity", CL, body=b"hello"),
    "xchunked": case(b"Transfer-Encoding: xchunked", body=CHUNKS),
    "quoted": case(b"Transfer-Encoding: \"chunked\"", body=CHUNKS),
    "parameters": case(b"Transfer-Encoding: chunked;q=1", body=CHUNKS),
    "a vertical tab before the coding": case(b"Transfer-Encoding:\x0bchunked", body=CHUNKS),
    "an empty coding": case(b"Transfer-Encoding:", CL, body=b"hello"),
    "a folded coding": case(b"Transfer-Encoding:\r\n chunked", body=CHUNKS),
    "a folded first line": case(b" Transfer-Encoding: chunked", body=CHUNKS),
    "LF alone": case(b"X: y\n" + TE, body=CHUNKS),
    "CR alone": case(b"X: y\r" + TE, body=CHUNKS),
    "NUL": case(b"X: y\0" + TE, body=CHUNKS),
    "NUL in a name": case(b"Transfer\0-Encoding: chunked", CL, body=b"hello"),
    "a line without a colon": case(b"Transfer-Encoding chunked", CL, body=b"hello"),
    "a line without a name": case(b": chunked", CL, body=b"hello"),
    "1.0 and chunks": case(TE, b"Connection: keep-alive", body=CHUNKS, start=b"POST /api/v1/models/titanic/predict HTTP/1.0\r\nHost: localhost"),
    "two hosts": case(b"Host: other", CL, body=b"hello"),
    "no host": case(CL, body=b"hello", start=b"POST /api/v1/models/titanic/predict HTTP/1.1\r\nX: y"),
    "a host against the target": case(CL, body=b"hello", start=b"POST http://other/api/v1/models/titanic/predict HTTP/1.1\r\nHost: localhost"),
    "two blanks": case(CL, body=b"hello", start=b"POST  /api/v1/models/titanic/predict HTTP/1.1\r\nHost: localhost"),
    "a tab for a blank": case(CL, body=b"hello", start=b"POST\t/api/v1/models/titanic/predict HTTP/1.1\r\nHost: localhost"),
    "1.9": case(CL, body=b"hello", start=b"POST /api/v1/models/titanic/predict HTTP/1.9\r\nHost: localhost"),
    "2.0": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "0.9": b"GET /health/live\r\n",
    "a chunk longer than it says": case(TE, body=b"3\r\nhello\r\n" + END),
    "a chunk in bytes of 0x": case(TE, body=b"0x5\r\nhello\r\n" + END),
    "a blank before a size": case(TE, body=b" 5\r\nhello\r\n" + END),
    "a blank behind a size": case(TE, body=b"5 \r\nhello\r\n" + END),
    "a signed size": case(TE, body=b"+5\r\nhello\r\n" + END),
    "an endless size": case(TE, body=b"10000000000000005\r\nhello\r\n" + END),
    "a size with LF": case(TE, body=b"5\nhello\r\n" + END),
    "an extension with LF": case(TE, body=b"5;a\nb\r\nhello\r\n" + END),
    "an extension with CR": case(TE, body=b"5;a\rb\r\nhello\r\n" + END),
    "an end with LF": case(TE, body=b"5\r\nhello\n0\n\n"),
    "no size": case(TE, body=b"\r\nhello\r\n" + END),
    "an odd trailer": case(TE, body=b"5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
}


def hear(connection, quiet=0.25):
    """All that is said until it closes or has been quiet for a while."""
    heard = b""
    connection.settimeout(quiet)
    try:
        while data := connection.recv(1 << 16):
            heard += data
    except (TimeoutError, ConnectionResetError):
        pass
    return heard


def statuses(heard):
    return [int(s) for s in re.findall(rb"(?:^|[}\n])HTTP/1\.[01] (\d{3}) ", heard) if s != b"100"]


class Proxy:
    def __init__(self, folder, backend):
        self.folder, self.backend, self.n_forwarded = folder, backend, 0
        os.makedirs(folder, exist_ok=True)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def start(self, *command):
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.process.terminate()
        raise AssertionError(self.process.communicate())

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()


class Nginx(Proxy):
    program = "nginx"

    def __init__(self, folder, backend):
        super().__init__(folder, backend)
        self.log = os.path.join(folder, "forwarded")
        temporary = "".join(f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        with open(os.path.join(folder, "conf"), "w") as f:
            f.write(f"""daemon off; master_process off; pid {folder}/pid; error_log {folder}/error;
events {{ worker_connections 256; }}
http {{
  {temporary}
  underscores_in_headers on; ignore_invalid_headers off;
  log_format forwarded "$upstream_status"; access_log {self.log} forwarded;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{self.port};
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host localhost;
      proxy_request_buffering off; proxy_next_upstream off;
    }}
  }}
}}
""")
        self.start("nginx", "-e", f"{folder}/error", "-c", f"{folder}/conf", "-p", folder)

    def forwarded(self):
        with open(self.log) as f:
            return sum(bool(re.match(r"\d{3}", line)) for line in f)


class Haproxy(Proxy):
    program = "haproxy"

    def __init__(self, folder, backend):
        super().__init__(folder, backend)
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.bind(("127.0.0.1", 0))
        with open(os.path.join(folder, "conf"), "w") as f:
            f.write(f"""global
  log 127.0.0.1:{self.ear.getsockname()[1]} local0
defaults
  mode http
  log global
  log-format "to=%s status=%ST"
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  timeout http-request 2s
  option http-keep-alive
  http-reuse always
frontend front
  bind 127.0.0.1:{self.port}
  default_backend back
backend back
  retries 0
  server one 127.0.0.1:{backend}
""")
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()
        self.start("haproxy", "-db", "-f", f"{folder}/conf")

    def listen(self):
        while (line := self.ear.recv(4096)) != b"stop":
            self.n_forwarded += b"to=one" in line

    def forwarded(self):
        return self.n_forwarded

    def stop(self):
        super().stop()
        self.ear.sendto(b"stop", self.ear.getsockname())
        self.thread.join()
        self.ear.close()


class Smuggling(ServiceTest):
    def seen(self):
        """Requests that the server answered so far, without our own questions."""
        self.n_questions = getattr(self, "n_questions", 0) + 1
        return self.server.metric("slipway_requests_total") - self.n_questions + 1

    def settled(self):
        """The same once it stands still: an event loop counts an answer just after it has left, and another may be asked
        for the sum by then."""
        last, now = None, self.seen()
        while now != last:
            time.sleep(0.02)
            last, now = now, self.seen()
        return now

    def test_straight(self):
        for name, data in SOUND.items():
            with self.subTest(name), socket.create_connection(("127.0.0.1", self.server.port)) as c:
                c.sendall(data + HIDDEN)
                heard = hear(c)
                got = statuses(heard)
                self.assertEqual(len(got), 2, heard)
                self.assertEqual(got[1], 404)
                self.assertIn(b"smuggled", heard.rsplit(b"HTTP/1.1", 1)[1])
        for name, data in REFUSED.items():
            with self.subTest(name), socket.create_connection(("127.0.0.1", self.server.port)) as c:
                c.sendall(data + HIDDEN)
                heard = hear(c)
                self.assertNotIn(b"smuggled", heard)
                self.assertRegex(heard, rb"\r\nConnection: close\r\n")
                self.assertTrue(all(s >= 400 for s in statuses(heard)) and len(statuses(heard)) == 1, heard)

    def through(self, kind):
        if not shutil.which(kind.program):
            self.skipTest(f"no {kind.program}")
        proxy = kind(os.path.join(self.folder, kind.program), self.server.port)
        try:
            for name, data in {**SOUND, **REFUSED}.items():
                with self.subTest(name):
                    self.one(proxy, data, name in SOUND)
        finally:
            proxy.stop()

    def one(self, proxy, data, sound):
        before_seen, before_forwarded = self.settled(), proxy.forwarded()
        with Client(proxy.port) as victim:
            # It asks before, so that a connection to the server is there to be poisoned, and after.
            self.ask_for(victim, "before")
            with socket.create_connection(("127.0.0.1", proxy.port)) as c:
                c.sendall(data + HIDDEN)
                heard = hear(c)
            self.ask_for(victim, "after")
            with Client(proxy.port) as other:
                self.ask_for(other, "other")
        end = time.monotonic() + 3

        def counts():
            return int(self.seen() - before_seen), proxy.forwarded() - before_forwarded
        while (now := counts()) and now[0] != now[1] and time.monotonic() < end:
            time.sleep(0.05)
        self.assertLessEqual(now[0], now[1], (now, heard))  # fewer: it was cut in the middle by its client
        if sound:
            self.assertEqual(now[0], now[1], heard)
        # The hidden request is answered only behind an answer to what came before it.
        self.assertLessEqual(heard.count(b"smuggled"), max(0, len(statuses(heard)) - 1), heard)

    def ask_for(self, client, name):
        client.send(get(f"/api/v1/models/{name}"))
        answer = client.read()
        self.assertEqual(answer.status, 404)
        self.assertIn(f'"{name}"'.encode(), answer.body.replace(b"\\", b""))

    def test_nginx(self):
        self.through(Nginx)

    def test_haproxy(self):
        self.through(Haproxy)


if __name__ == "__main__":
    unittest.main()
