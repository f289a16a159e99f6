# What a polite client gets: every route, both forms of a body, headers, and errors that say what, where and why.
# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import re
import subprocess
import unittest

from helpers.service import BODY, PASSENGER, PREDICT, ServiceTest, get, post


def rows(*changes):
    return json.dumps({"rows": [{**PASSENGER, **change} for change in changes]}).encode()


class Answers(ServiceTest):
    def problem(self, data, status, code, **members):
        answer = self.server.ask(data)
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, "application/problem+json"), answer.body)
        problem = answer.json()
        self.assertEqual((problem["status"], problem["code"]), (status, code), problem)
        for key in ["type", "title", "detail"]:
            self.assertTrue(problem[key])
        for key, value in members.items():
            self.assertEqual(problem.get(key), value, problem)
        return problem

    def test_rows_and_columns_say_the_same(self):
        by_row = self.server.ask(post(rows({}, {"sex": "female", "pclass": 1}, {"age": None}))).json()
        self.assertEqual((by_row["model"], by_row["version"]), ("titanic", 1))
        columns = {k: [v, 1 if k == "pclass" else "female" if k == "sex" else v, None if k == "age" else v]
                   for k, v in PASSENGER.items()}
        by_column = self.server.ask(post(json.dumps({"columns": columns}).encode())).json()["columns"]
        self.assertEqual([p["label"] for p in by_row["predictions"]], by_column["label"])
        self.assertEqual([p["probabilities"]["1"] for p in by_row["predictions"]], by_column["probabilities"]["1"])
        for p in by_row["predictions"]:
            self.assertIn(p["label"], (0, 1))
            self.assertAlmostEqual(sum(p["probabilities"].values()), 1, places=6)

    def test_a_row_gives_the_same_alone_and_among_others(self):
        changes = [{"age": i, "fare": 3.5 * i} for i in range(40)]
        together = self.server.ask(post(rows(*changes))).json()["predictions"]
        alone = [self.server.ask(post(rows(c))).json()["predictions"][0] for c in changes]
        self.assertEqual(together, alone)

    def test_a_number_is_predicted(self):
        path = "/api/v1/models/diabetes/predict"
        example = self.example("diabetes")
        answer = self.server.ask(post(json.dumps(example).encode(), path)).json()
        self.assertIsInstance(answer["predictions"][0]["value"], (int, float))

    def example(self, name):
        api = self.server.ask(get("/openapi.json")).json()
        return api["paths"][f"/api/v1/models/{name}/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]

    def test_options_list_what_a_path_knows(self):
        host = f"Host: 127.0.0.1:{self.server.port}\r\n\r\n"
        for path, methods in (("/health/live", "GET HEAD"), ("/api/v1/models/titanic/predict", "POST"),
                              ("/api/v1/models/titanic/versions", "GET HEAD POST"),
                              ("/api/v1/models/titanic/deployment", "GET HEAD PUT"),
                              ("/api/v1/models/titanic/deployment/shadow", "PUT DELETE"),
                              ("/api/v1/models/titanic/aliases/live", "GET HEAD PUT DELETE")):
            answer = self.server.ask(f"OPTIONS {path} HTTP/1.1\r\n{host}".encode())
            self.assertEqual(set(answer.headers["allow"].split(", ")), {*methods.split(), "OPTIONS"}, path)

    def test_openapi_and_its_examples(self):
        answer = self.server.ask(get("/openapi.json"))
        api = answer.json()
        self.assertEqual(api["openapi"], "3.1.0")
        for name in ["titanic", "diabetes"]:
            path = f"/api/v1/models/{name}/predict"
            self.assertEqual(self.server.ask(post(json.dumps(self.example(name)).encode(), path)).status, 200)
        for path, item in api["paths"].items():
            if "get" in item and "{" not in path.replace("{name}", ""):
                refused = "sharedmemory" in path or path == "/graphql"  # which wants a query
                status = self.server.ask(get(path.replace("{name}", "titanic"))).status
                self.assertEqual(status, 400 if refused else 200, path)
        again = self.server.ask(get("/openapi.json", [f"If-None-Match: {answer.headers['etag']}"]))
        self.assertEqual((again.status, again.body), (304, b""))

    def test_models(self):
        models = {m["name"]: m for m in self.server.ask(get("/api/v1/models")).json()["models"]}
        self.assertEqual(sorted(models), ["diabetes", "titanic"])
        self.assertEqual((models["titanic"]["version"], models["titanic"]["status"]), (1, "serving"))
        card = self.server.ask(get("/api/v1/models/titanic")).json()
        self.assertEqual(sorted(i["name"] for i in card["schema"]["inputs"]), sorted(PASSENGER))
        self.assertEqual(card["aliases"], {"production": 1})
        self.assertGreater(card["metrics"]["test"]["accuracy"], 0.6)
        self.assertEqual(self.server.ask(get("/api/v1/models/%74itanic")).status, 200)

    def test_health_and_metrics(self):
        self.assertEqual(self.server.ask(get("/health/live")).json()["status"], "live")
        ready = self.server.ask(get("/health/ready"))
        self.assertEqual((ready.status, ready.json()["status"]), (200, "ready"))
        before = self.server.metric("slipway_predicted_rows_total")
        self.server.ask(post(rows({}, {}, {})))
        self.assertEqual(self.server.metric("slipway_predicted_rows_total"), before + 3)
        self.assertEqual(self.server.metric("slipway_models_serving"), 2)
        for name in ["process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
                     "slipway_request_seconds_count"]:
            self.assertGreater(self.server.metric(name), 0)
        text = self.server.ask(get("/metrics")).body.decode()
        for line in text.splitlines():
            self.assertRegex(line, r"^(# (HELP|TYPE) \w+ .+|\w+(\{\w+=\"[^\"]*\"(,\w+=\"[^\"]*\")*\})? [0-9.e+-]+)$")

    def test_front_page_has_a_curl_line_that_works(self):
        page = self.server.ask(get("/")).body.decode()
        line = re.search(r"curl .*titanic.*", page).group()
        done = subprocess.run(["bash", "-c", line], capture_output=True, check=True)
        self.assertIn("predictions", json.loads(done.stdout))

    def test_front_page_for_programs(self):
        library = ["Accept: */*", "Accept-Encoding: gzip, deflate"]  # as KServe's client asks, over httpx
        for headers in library, ["Accept: application/json"]:
            answer = self.server.ask(get("/", headers))
            self.assertEqual(answer.headers["content-type"], "application/json")
            self.assertEqual((answer.json()["status"], answer.json()["models"]), ("alive", ["diabetes", "titanic"]))
        browser = ["Accept: text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Encoding: gzip, deflate, br"]
        for headers in browser, ["Accept: */*"], []:  # and curl
            answer = self.server.ask(get("/", headers))
            self.assertEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
            self.assertIn(b"titanic, version 1", answer.body)

    def test_allow_names_no_more_than_there_is(self):
        with self.server.client() as c:
            for path, operations in c.ask(get("/openapi.json")).json()["paths"].items():
                there = {method.upper() for method in operations} | {"HEAD", "OPTIONS"}
                path = re.sub(r"{[^}]*}", "x", path)
                answer = c.ask(f"OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                self.assertLessEqual(set(answer.headers["allow"].split(", ")), there, path)

    def test_head_and_options(self):
        with self.server.client() as c:
            whole = c.ask(get("/api/v1/models"))
            head = c.ask(get("/api/v1/models").replace(b"GET", b"HEAD", 1), head_only=True)
            self.assertEqual(head.headers["content-length"], str(len(whole.body)))
            options = c.ask(get(PREDICT).replace(b"GET", b"OPTIONS", 1))
            self.assertEqual((options.status, options.headers["allow"]), (204, "POST, OPTIONS"))
            self.assertEqual(c.ask(get("*").replace(b"GET", b"OPTIONS", 1)).status, 204)
            wrong = c.ask(get(PREDICT))
            self.assertEqual((wrong.status, wrong.headers["allow"]), (405, "POST, OPTIONS"))
            self.assertEqual(c.ask(get("http://localhost/health/live")).status, 200)
            for method in [b"TRACE", b"PATCH", b"QUERY"]:
                wrong = c.ask(get(PREDICT).replace(b"GET", method, 1))
                self.assertEqual((wrong.status, wrong.headers["allow"]), (405, "POST, OPTIONS"))

    def test_media_types(self):
        self.problem(post(headers=["Accept: text/html"]), 406, "not_acceptable")
        self.problem(post().replace(b"application/json", b"text/plain"), 415, "media_type")
        self.problem(post().replace(b"application/json", b"application/json; charset=latin1"), 415, "media_type")
        self.problem(post(headers=["Content-Encoding: br"]), 415, "content_encoding")
        for headers in [["Accept: */*"], ["Accept: application/json"], ["Accept: text/html, application/*;q=0.1"]]:
            self.assertEqual(self.server.ask(post(headers=headers)).status, 200)
        self.assertEqual(self.server.ask(post().replace(b"Content-Type: application/json\r\n", b"")).status, 200)

    def test_answers_are_packed_for_who_asks(self):
        plain = self.server.ask(get("/openapi.json"))
        self.assertEqual((plain.headers["vary"], plain.headers.get("content-encoding")), ("Accept-Encoding", None))
        for accepts in ["gzip", "br, gzip;q=0.5", "*"]:
            packed = self.server.ask(get("/openapi.json", [f"Accept-Encoding: {accepts}"]))
            self.assertEqual((packed.headers["vary"], packed.headers["content-encoding"]), ("Accept-Encoding", "gzip"))
            self.assertEqual(gzip.decompress(packed.body), plain.body)
            self.assertEqual(packed.headers["etag"], plain.headers["etag"][:-1] + '-gzip"')
            again = self.server.ask(get("/openapi.json", ["Accept-Encoding: gzip", "If-None-Match: " + packed.headers["etag"]]))
            self.assertEqual((again.status, again.headers["etag"]), (304, packed.headers["etag"]))
            head = get("/openapi.json", ["Accept-Encoding: gzip"]).replace(b"GET", b"HEAD", 1)
            self.assertEqual(self.server.ask(head, head_only=True).headers["content-length"], str(len(packed.body)))
        for accepts in ["br", "gzip;q=0", "identity, *;q=0.000", "xgzip"]:
            answer = self.server.ask(get("/openapi.json", [f"Accept-Encoding: {accepts}"]))
            self.assertEqual(answer.body, plain.body)
        # Small ones and predictions stay as they are.
        for request in [get("/api/v1/models", ["Accept-Encoding: gzip"]), post(headers=["Accept-Encoding: gzip"]),
                        post(rows(*[{}] * 100), headers=["Accept-Encoding: gzip"])]:
            self.assertNotIn("content-encoding", self.server.ask(request).headers)

    def test_docs_are_of_this_server_alone(self):
        page = self.server.ask(get("/docs"))
        self.assertEqual(page.headers["content-type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'none'", page.headers["content-security-policy"])
        self.assertNotIn(b"<style", page.body)
        self.assertNotIn(b"://", page.body)
        for path in re.findall(rb'(?:src|href)="([^"]*)"', page.body):
            part = self.server.ask(get(path.decode()))
            self.assertEqual((part.status, part.headers["x-content-type-options"] if b"docs" in path else "nosniff"),
                             (200, "nosniff"), path)

    def test_gzip(self):
        packed = gzip.compress(BODY)
        plain = self.server.ask(post()).body
        self.assertEqual(self.server.ask(post(packed, headers=["Content-Encoding: gzip"])).body, plain)
        self.problem(post(packed[:-5], headers=["Content-Encoding: gzip"]), 400, "format")
        self.problem(post(packed + b"x", headers=["Content-Encoding: gzip"]), 400, "format")
        self.problem(post(BODY, headers=["Content-Encoding: gzip"]), 400, "format")

    def test_what_does_not_fit(self):
        self.problem(post(rows({}, {"agee": 1})), 422, "unknown_column", row=1, column="agee", pointer="/rows/1/agee")
        self.assertIn('did you mean \"age\"', self.problem(post(rows({"agee": 1})), 422, "unknown_column")["detail"])
        self.problem(post(rows({"age": "old"})), 422, "wrong_type", row=0, column="age", pointer="/rows/0/age")
        self.problem(post(BODY.replace(b"14.5", b"1e99")), 422, "out_of_range", row=0, column="fare")
        self.problem(post(BODY.replace(b"14.5", b"NaN")), 400, "invalid_json", offset=BODY.index(b"14.5"))
        self.problem(post(b""), 400, "invalid_json", offset=0)
        self.problem(post(b'{"rows":[]}'), 422, "no_rows")
        self.problem(post(b'{"columns":{"age":[1,2],"fare":[1]}}'), 422, "ragged_columns", column="fare")
        self.problem(post(path="/api/v1/models/titanik/predict"), 404, "unknown_model")
        self.problem(get("/nothing"), 404, "no_route")
        self.problem(get("/api/v1/models/"), 404, "no_route")
        self.problem(get("/api/v1/models/a/../titanic"), 404, "no_route")
        self.problem(get("/api/v1/models/%ff"), 400, "format")
        # An unknown category is no error: it is served as the preparation says.
        self.assertEqual(self.server.ask(post(rows({"embarked": "Atlantis"}))).status, 200)

    def test_only_names_of_this_machine(self):
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:5", "[::1]:80"]:
            self.assertEqual(self.server.ask(get().replace(b"localhost", host.encode())).status, 200)
        for host in ["evil.example", "localhost.evil.example", "127.evil.example", "127.0.0.1.evil.example"]:
            answer = self.server.ask(get().replace(b"localhost", host.encode()))
            self.assertEqual(answer.status, 421, host)

    def test_expect(self):
        head, body = post(headers=["Expect: 100-continue"]).split(b"\r\n\r\n", 1)
        with self.server.client() as c:
            c.send(head + b"\r\n\r\n")
            self.assertEqual(c.read().status, 100)
            self.assertEqual(c.ask(body).status, 200)
            self.assertEqual(c.ask(head + b"\r\n\r\n" + body).status, 200)  # it did not wait: no 100
            self.assertEqual(c.ask(head.replace(b"titanic", b"x/y") + b"\r\n\r\n").status, 404)  # and no body is asked for
            self.assertTrue(c.closed())


if __name__ == "__main__":
    unittest.main()
