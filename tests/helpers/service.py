"""A server with two small models, and clients that say exactly what they are told: for tests."""
# SPDX-License-Identifier: Apache-2.0
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

PROGRAM = os.environ["SLIPWAY"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "examples")

PASSENGER = {"pclass": 3, "sex": "male", "age": 28, "sibsp": 0, "parch": 0, "fare": 14.5, "embarked": "S"}
BODY = json.dumps({"rows": [PASSENGER]}).encode()
PREDICT = "/api/v1/models/titanic/predict"

# Short, so that tests of deadlines take seconds.
DEADLINES = {"SLIPWAY_HEADER_MS": "1500", "SLIPWAY_BODY_MS": "1500", "SLIPWAY_WRITE_MS": "1500",
             "SLIPWAY_IDLE_MS": "3000", "SLIPWAY_STOP_MS": "5000"}


def post(body=BODY, path=PREDICT, headers=()):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
             f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def get(path="/health/live", headers=()):
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers]).encode() + b"\r\n\r\n"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Client:
    """One connection; reads answers by their Content-Length."""

    def __init__(self, port, timeout=20, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 16)
        self.pending += data
        return len(data) > 0

    def read_head(self):
        while b"\r\n\r\n" not in self.pending:
            if not self.more():
                raise EOFError(self.pending)
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
        return int(re.fullmatch(r"HTTP/1\.1 (\d{3}) .+", first).group(1)), headers

    def read(self, head_only=False):
        status, headers = self.read_head()
        length = 0 if head_only or status in (100, 204, 304) else int(headers["content-length"])
        while len(self.pending) < length:
            if not self.more():
                raise EOFError(self.pending)
        body, self.pending = self.pending[:length], self.pending[length:]
        return Answer(status, headers, body)

    def ask(self, data, **options):
        self.send(data)
        return self.read(**options)

    def closed(self):
        """Whether the server has nothing more to say and closes, orderly or not."""
        try:
            return not self.pending and self.socket.recv(1 << 16) == b""
        except ConnectionResetError:
            return True


def run(environment, *arguments):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


def children(pid):
    """(pid, state, name of its command) of each."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as f:
                name, rest = f.read().rsplit(")", 1)
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == pid:
            found.append((int(entry), state, name.split("(", 1)[1]))
    return found


class Server:
    def __init__(self, environment, *arguments, program=(PROGRAM,)):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([*program, "serve", "--port", "0", "--json", *arguments], env=environment,
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise AssertionError(self.read_log())
        ready = json.loads(line)
        self.port, self.admin_port = ready["port"], ready.get("admin_port")

    def read_log(self):
        self.log.seek(0)
        return self.log.read()

    def client(self, **options):
        return Client(self.port, **options)

    def ask(self, data, **options):
        with self.client() as c:
            return c.ask(data, **options)

    def alive(self):
        return self.ask(get()).status == 200

    def metric(self, name):
        text = self.ask(get("/metrics")).body.decode()
        return sum(float(v) for v in re.findall(rf"(?m)^{name}(?:{{[^}}]*}})? (\S+)$", text))

    def memory(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def stop(self, told=False):
        """Ends it as a service manager would (`told`: it was told already), and looks whether a sanitizer spoke."""
        if not told and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.process.stdout.close()
        log = self.read_log()
        self.log.close()
        assert self.process.returncode == 0, (self.process.returncode, log)
        assert "Sanitizer" not in log, log


class ServiceTest(unittest.TestCase):
    """One registry and one server for all tests of a class."""
    arguments = ()
    deadlines = DEADLINES

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="slipway-http-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        cls.environment.update(SLIPWAY_DATA_DIR=os.path.join(cls.folder, "registry"), **cls.deadlines)
        cls.titanic = cls.train("titanic", "survived", 10, "--drop", "name,ticket,cabin,home.dest")
        cls.deploy(cls.titanic)
        cls.deploy(cls.train("diabetes", "progression", 5))
        cls.server = Server(cls.environment, *cls.arguments)
        cls.addClassCleanup(cls.server.stop)

    @classmethod
    def train(cls, name, target, n_trees, *arguments, output=None):
        path = os.path.join(cls.folder, output or name + ".onnx")
        run(cls.environment, "train", os.path.join(EXAMPLES, name + ".csv"), "--target", target, "--set",
            f"n_trees={n_trees}", "--set", "depth_max=4", "-o", path, *arguments)
        return path

    @classmethod
    def deploy(cls, path, *arguments):
        run(cls.environment, "deploy", path, *arguments)

    def wait_until(self, truth, seconds=10):
        end = time.monotonic() + seconds
        while not truth():
            self.assertLess(time.monotonic(), end, "it never came true")
            time.sleep(0.02)
