# Versions and aliases over HTTP: looked at, uploaded, downloaded, moved, rolled back, removed; and all that is refused.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import unittest

from helpers.service import ServiceTest, get, post


def ask(method, path, body=b"", headers=()):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


MODEL = "/api/v1/models/titanic"


class Registry(ServiceTest):
    def problem(self, data, status, code):
        answer = self.server.ask(data)
        self.assertEqual((answer.status, answer.json().get("code")), (status, code), answer.body)
        return answer.json()

    def json(self, data, status=200):
        answer = self.server.ask(data)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def test_versions_are_told_and_downloaded(self):
        versions = self.json(get(MODEL + "/versions"))
        self.assertEqual(versions["model"], "titanic")
        first = versions["versions"][0]
        self.assertEqual(first["version"], 1)
        self.assertIn("accuracy", first["metrics"]["test"])
        whole = self.json(get(MODEL + "/versions/1"))
        self.assertEqual((whole["digest"], whole["recipe"]), (first["digest"], "tabular-classification"))
        self.assertEqual(whole["options"]["family"], "forest")
        self.assertTrue(whole["schema"]["inputs"])
        answer = self.server.ask(get(MODEL + "/versions/1/file"))
        with open(self.titanic, "rb") as f:
            self.assertEqual(answer.body, f.read())
        self.assertEqual(answer.headers["content-disposition"], 'attachment; filename="titanic-1.onnx"')
        self.assertEqual(answer.headers["etag"], f'"{first["digest"]}"')

    def test_a_file_becomes_a_version_that_answers(self):
        with open(self.titanic, "rb") as f:
            file = f.read()
        path = "/api/v1/models/uploaded/versions"
        answer = self.server.ask(ask("POST", path + "?alias=production", file))
        self.assertEqual((answer.status, answer.headers.get("location")), (201, path + "/1"), answer.body)
        made = answer.json()
        self.assertEqual((made["version"], made["existed"], made["alias"]), (1, False, "production"))
        self.wait_until(lambda: self.server.ask(post(path="/api/v1/models/uploaded/predict")).status == 200)
        self.assertEqual(self.server.ask(get(path + "/1/file")).body, file)
        again = self.json(ask("POST", path, file))
        self.assertEqual((again["version"], again["existed"], again["digest"]), (1, True, made["digest"]))
        self.problem(ask("DELETE", "/api/v1/models/uploaded"), 409, "aliased")
        self.problem(ask("DELETE", path + "/1"), 409, "aliased")
        self.assertEqual(self.server.ask(ask("DELETE", "/api/v1/models/uploaded?force=true")).status, 204)
        self.problem(get(path), 404, "unknown_model")
        self.wait_until(lambda: self.server.ask(post(path="/api/v1/models/uploaded/predict")).status == 404)

    def test_aliases_move_and_go_back(self):
        second = self.train("titanic", "survived", 11, "--drop", "name,ticket,cabin,home.dest", output="moved.onnx")
        with open(second, "rb") as f, open(self.titanic, "rb") as g:
            for number, file in enumerate([g.read(), f.read()], 1):
                made = self.json(ask("POST", "/api/v1/models/moved/versions", file), 201)
                self.assertEqual(made["version"], number)
        aliases = "/api/v1/models/moved/aliases"
        self.assertEqual(self.json(get(aliases))["aliases"], {})
        for version in (1, 2):
            told = self.json(ask("PUT", aliases + "/best", json.dumps({"version": version}).encode()))
            self.assertEqual(told, {"model": "moved", "alias": "best", "version": version})
        self.assertEqual(self.json(get(aliases + "/best"))["version"], 2)
        back = self.json(ask("POST", aliases + "/best/rollback"))
        self.assertEqual((back["from"], back["version"]), (2, 1))
        self.problem(ask("POST", aliases + "/best/rollback"), 409, "nothing_before")
        self.assertEqual(self.json(get(aliases))["aliases"], {"best": 1})
        self.assertEqual(self.server.ask(ask("DELETE", aliases + "/best")).status, 204)
        self.problem(ask("DELETE", aliases + "/best"), 404, "unknown_alias")
        self.problem(get(aliases + "/best"), 404, "unknown_alias")
        self.assertEqual(self.server.ask(ask("DELETE", "/api/v1/models/moved/versions/1")).status, 204)
        self.problem(ask("DELETE", "/api/v1/models/moved/versions/1"), 404, "unknown_version")
        self.assertEqual([v["version"] for v in self.json(get("/api/v1/models/moved/versions"))["versions"]], [2])

    def test_what_is_refused_is_refused_with_a_reason(self):
        for path, code in [("/api/v1/models/nobody/versions", "unknown_model"), (MODEL + "/versions/77", "unknown_version"),
                           (MODEL + "/versions/x", "unknown_version"), (MODEL + "/versions/0", "unknown_version"),
                           (MODEL + "/versions/99999999999999999999", "unknown_version"),
                           (MODEL + "/aliases/1", "unknown_alias"), ("/api/v1/models/a%2Fb/versions", "unknown_model"),
                           (MODEL + "/versions/77/file", "unknown_version")]:
            self.problem(get(path), 404, code)
        put = MODEL + "/aliases/x"
        for body in [b"{}", b'{"version": 0}', b'{"version": "1"}', b'{"version": 1.5}', b'{"version": null}', b"[]"]:
            self.problem(ask("PUT", put, body), 422, "wrong_shape")
        self.assertIn("version", self.problem(ask("PUT", put, b'{"versoin": 1}'), 422, "unknown_member")["detail"])
        self.problem(ask("PUT", put, b'{"version": 1'), 400, "invalid_json")
        self.problem(ask("PUT", put, b"[" * 100000), 413, "limit")
        self.problem(ask("PUT", put, b'{"version": 77}'), 404, "unknown_version")
        self.problem(ask("PUT", MODEL + "/aliases/12", b'{"version": 1}'), 422, "invalid_name")
        self.problem(ask("POST", "/api/v1/models/-x/versions", b"x"), 422, "invalid_name")
        self.problem(ask("POST", MODEL + "/versions?alias=", b"x"), 422, "invalid_name")
        for file in [b"", b"not a model", hashlib.sha256(b"").digest() * 40]:
            self.problem(ask("POST", MODEL + "/versions", file), 422, "invalid_model")
        self.problem(ask("DELETE", MODEL + "/versions/1?force=perhaps"), 400, "invalid_query")
        answer = self.server.ask(ask("PUT", MODEL + "/versions/1", b"{}"))
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET, HEAD, DELETE, OPTIONS"))
        self.assertTrue(self.server.alive())


if __name__ == "__main__":
    unittest.main()
