# The admin socket, the admin port, and what a trusted proxy says about its clients.
# SPDX-License-Identifier: Apache-2.0
import os
import socket
import stat
import subprocess
import unittest

from helpers.service import PROGRAM, Client, Server, ServiceTest, get, post


class Socket(Client):
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.pending = b""


class Entrances(ServiceTest):
    arguments = ["--admin-listen", "127.0.0.1:0"]

    @property
    def path(self):
        return os.path.join(self.folder, "registry", "admin.sock")

    def test_the_socket_is_for_its_user_and_has_all_routes(self):
        mode = os.stat(self.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        with Socket(self.path) as c:
            for data in [get("/metrics"), get(), post(), get("/metrics").replace(b"localhost", b"slipway")]:
                self.assertEqual(c.ask(data).status, 200)

    def test_the_public_port_has_only_what_is_for_the_public(self):
        for path in ["/metrics"]:
            self.assertEqual(self.server.ask(get(path)).status, 404)
            self.assertEqual(self.server.ask(get(path)).json()["code"], "no_route")
            with Client(self.server.admin_port) as c:
                self.assertEqual(c.ask(get(path)).status, 200)
        for port in [self.server.port, self.server.admin_port]:
            with Client(port) as c:
                self.assertEqual([c.ask(get()).status, c.ask(post()).status, c.ask(get("/api/v1/models")).status],
                                 [200, 200, 200])

    def test_a_second_server_leaves_the_socket_alone(self):
        second = Server(self.environment)
        self.assertEqual(second.ask(get("/metrics")).status, 200)
        log = second.read_log()
        second.stop()
        self.assertRegex(log, "no admin socket.*a server answers there")
        with Socket(self.path) as c:
            self.assertEqual(c.ask(get()).status, 200)


class WhatIsLeft(ServiceTest):
    def test_a_socket_that_was_left_is_replaced_and_goes_with_its_server(self):
        path = os.path.join(self.folder, "registry", "admin.sock")
        self.server.process.kill()
        self.server.process.wait()
        self.server.process.stdout.close()
        self.assertTrue(os.path.exists(path))
        type(self).server = Server(self.environment)
        with Socket(path) as c:
            self.assertEqual(c.ask(get("/metrics")).status, 200)
        self.server.stop()
        self.assertFalse(os.path.exists(path))
        type(self).server = Server(self.environment)
        type(self).addClassCleanup(self.server.stop)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._class_cleanups.pop()  # the server is killed by the test


class Wrong(ServiceTest):
    def test_bad_addresses_are_named(self):
        for option, value, says in [("--admin-listen", "nowhere", "HOST:PORT"), ("--admin-listen", "::1:80", "HOST:PORT"),
                                    ("--admin-listen", f"127.0.0.1:{self.server.port}", "admin-listen"),
                                    ("--trusted-proxy", "10.0.0.0/99", "10.0.0.0/99"), ("--trusted-proxy", "me", "me")]:
            done = subprocess.run([PROGRAM, "serve", "--port", "0", option, value], capture_output=True, text=True,
                                  env=self.environment, timeout=20)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(says, done.stderr)


if __name__ == "__main__":
    unittest.main()
