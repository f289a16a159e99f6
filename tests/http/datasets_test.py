# Datasets over HTTP: uploaded at once and in pieces, gone on with after the line was cut, refused where the sum or the
# offset is wrong, and nothing left behind.
# SPDX-License-Identifier: Apache-2.0
import gzip
import hashlib
import json
import os
import unittest

from helpers.service import EXAMPLES, ServiceTest, get


def ask(method, path, body=b"", *headers):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def read(name):
    with open(os.path.join(EXAMPLES, name), "rb") as f:
        return f.read()


def sum_of(data):
    return hashlib.sha256(data).hexdigest()


class Datasets(ServiceTest):
    arguments = ("--dataset-max", "4000000")

    def problem(self, data, status, code):
        answer = self.server.ask(data)
        self.assertEqual((answer.status, answer.json().get("code")), (status, code), answer.body)
        return answer

    def json(self, data, status=200):
        answer = self.server.ask(data)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def files(self):
        folder = os.path.join(self.environment["SLIPWAY_DATA_DIR"], "datasets")
        return sorted(os.listdir(folder)) if os.path.isdir(folder) else []

    def profile_of(self, path):
        self.wait_until(lambda: self.json(get(path))["profile"], 30)
        return self.json(get(path))["profile"]

    def test_upload_profile_and_removal(self):
        data = read("iris.csv")
        answer = self.server.ask(ask("POST", "/api/v1/datasets?sha256=" + sum_of(data).upper(), data))
        self.assertEqual(answer.status, 201, answer.body)
        made, path = answer.json(), answer.headers["location"]
        self.assertEqual((made["bytes"], made["sha256"]), (len(data), sum_of(data)))
        self.assertEqual(path, "/api/v1/datasets/" + made["id"])
        columns = self.profile_of(path)["columns"]
        self.assertIn("species", [c["name"] for c in columns])
        self.assertIn(sum_of(data), self.files())
        again = self.json(ask("POST", "/api/v1/datasets", data))  # the same content is the same dataset
        self.assertEqual(again["id"], made["id"])
        self.assertIn(made["id"], [d["id"] for d in self.json(get("/api/v1/datasets"))["datasets"]])
        self.assertEqual(self.server.ask(ask("DELETE", path)).status, 204)
        self.problem(get(path), 404, "unknown_dataset")
        self.problem(ask("DELETE", path), 404, "unknown_dataset")
        self.assertNotIn(sum_of(data), self.files())

    def test_chunks_and_gzip_are_taken(self):
        data = gzip.compress(read("titanic.csv"))
        body = b"".join(b"%x\r\n%s\r\n" % (len(data[i:i + 1000]), data[i:i + 1000]) for i in range(0, len(data), 1000))
        head = "POST /api/v1/datasets HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = self.server.ask(head.encode() + body + b"0\r\n\r\n")
        self.assertEqual((answer.status, answer.json()["sha256"]), (201, sum_of(data)))
        profile = self.profile_of(answer.headers["location"])
        self.assertEqual(len(profile["columns"]), 12)
        self.assertTrue(profile["findings"])

    def test_what_is_wrong_leaves_nothing_behind(self):
        before = self.files()
        self.problem(ask("POST", "/api/v1/datasets?sha256=" + "0" * 64, b"a,b\n1,2\n"), 422, "wrong_sum")
        self.problem(ask("POST", "/api/v1/datasets?sha256=xyz", b"a,b\n1,2\n"), 422, "invalid_sum")
        self.problem(ask("POST", "/api/v1/datasets"), 422, "no_rows")
        answer = self.server.ask(ask("POST", "/api/v1/datasets", b"x" * 4000001))
        self.assertEqual(answer.status, 413)
        with self.server.client() as c:  # cut off in the middle
            c.send(ask("POST", "/api/v1/datasets", b"x" * 200000)[:-100])
        self.wait_until(lambda: self.files() == before)
        for path in ["/api/v1/datasets/..%2F..%2Fregistry.db", "/api/v1/datasets/" + "a" * 100]:
            self.assertEqual(self.server.ask(get(path)).status, 404)
        self.assertEqual(self.server.ask(get("/api/v1/datasets/../registry.db")).status, 404)

    def test_the_same_key_gives_the_same_answer(self):
        body, other = b"a,b\n1,2\n3,4\n", b"a,b\n5,6\n"
        first = self.server.ask(ask("POST", "/api/v1/datasets", body, "Idempotency-Key: d1"))
        again = self.server.ask(ask("POST", "/api/v1/datasets", body, "Idempotency-Key: d1"))
        self.assertEqual((first.status, first.body, first.headers["location"]),
                         (again.status, again.body, again.headers["location"]))
        self.assertEqual(first.status, 201)
        self.problem(ask("POST", "/api/v1/datasets", other, "Idempotency-Key: d1"), 422, "idempotency_key_reused")
        self.problem(ask("POST", "/api/v1/datasets", body, "Idempotency-Key: " + "k" * 256), 422, "idempotency_key")

    def begin(self, data, **members):
        body = json.dumps({"bytes": len(data), **members}).encode()
        answer = self.server.ask(ask("POST", "/api/v1/uploads", body))
        self.assertEqual(answer.status, 201, answer.body)
        self.assertEqual(answer.headers["location"], "/api/v1/uploads/" + answer.json()["id"])
        return answer.headers["location"]

    def test_an_upload_in_pieces(self):
        data = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * i % 97) for i in range(300000))
        self.assertGreater(len(data), 2500000)
        path = self.begin(data, sha256=sum_of(data))
        part = os.path.join(self.environment["SLIPWAY_DATA_DIR"], "datasets", path.rsplit("/", 1)[1] + ".part")
        first = self.server.ask(ask("PUT", path + "?offset=0", data[:40000]))
        self.assertEqual((first.status, first.headers["upload-offset"]), (200, "40000"), first.body)
        wrong = self.problem(ask("PUT", path + "?offset=39999", data[39999:]), 409, "wrong_offset")
        self.assertEqual(wrong.headers["upload-offset"], "40000")
        self.problem(ask("PUT", path, data[40000:]), 422, "invalid_range")
        self.problem(ask("PUT", path, data[40000:], f"Content-Range: bytes 40000-{len(data) - 1}/7"), 422, "invalid_range")
        # The line is cut: what came is kept, and the next piece begins there.
        piece = ask("PUT", path, data[40000:], f"Content-Range: bytes 40000-{len(data) - 1}/{len(data)}")
        with self.server.client() as c:
            c.send(piece[:-200000])
            self.wait_until(lambda: os.path.getsize(part) > 1000000)
            busy = self.server.ask(ask("PUT", path + "?offset=40000", b"x"))
            self.assertEqual((busy.status, busy.json()["code"]), (409, "upload_busy"))
        self.wait_until(lambda: self.json(get(path))["received"] > 40000)
        told = self.server.ask(ask("HEAD", path), head_only=True)
        at = int(told.headers["upload-offset"])
        self.assertLess(at, len(data))
        last = self.server.ask(ask("PUT", path, data[at:], f"Content-Range: bytes {at}-{len(data) - 1}/*"))
        self.assertEqual((last.status, last.json()["sha256"]), (201, sum_of(data)), last.body)
        self.problem(get(path), 404, "unknown_upload")
        self.assertEqual(len(self.profile_of(last.headers["location"])["columns"]), 2)

    def test_uploads_that_come_to_nothing(self):
        data = b"a,b\n1,2\n"
        path = self.begin(data, sha256="1" * 64)
        self.assertEqual(self.server.ask(ask("PUT", path + "?offset=0", data + b"x")).status, 413)
        self.problem(ask("PUT", path + f"?offset={self.json(get(path))['received']}",
                         data[self.json(get(path))["received"]:]), 422, "wrong_sum")
        self.problem(get(path), 404, "unknown_upload")
        path = self.begin(data)
        self.assertEqual(self.server.ask(ask("DELETE", path)).status, 204)
        self.problem(ask("PUT", path + "?offset=0", data), 404, "unknown_upload")
        self.assertEqual([f for f in self.files() if f.endswith(".part")], [])
        for body, code in [(b"{}", "wrong_shape"), (b'{"bytes":0}', "wrong_shape"), (b'{"bytes":"7"}', "wrong_shape"),
                           (b'{"bytes":7,"sha256":"a"}', "invalid_sum"), (b'{"bytes":7,"sha256":1}', "invalid_sum"),
                           (b'{"bytes":7,"name":"x"}', "unknown_member")]:
            self.problem(ask("POST", "/api/v1/uploads", body), 422, code)
        self.assertEqual(self.server.ask(ask("POST", "/api/v1/uploads", b'{"bytes":4000001}')).status, 413)


if __name__ == "__main__":
    unittest.main()
