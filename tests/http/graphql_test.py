# GraphQL over HTTP against the real program: statuses and media types, predictions that agree with the native protocol,
# versions and aliases looked at and changed, refusals.
# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import unittest
import urllib.parse

from helpers.service import BODY, PASSENGER, ServiceTest, get, post

STRICT = "application/graphql-response+json"


class GraphQl(ServiceTest):
    def raw(self, body, headers=()):
        return self.server.ask(post(body if isinstance(body, bytes) else json.dumps(body).encode(), "/graphql", headers))

    def ask(self, query, variables=None, status=200, **more):
        answer = self.raw({"query": query, "variables": variables, **more})
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(answer.headers["content-type"], "application/json; charset=utf-8")
        return answer.json()

    def data(self, query, variables=None):
        answer = self.ask(query, variables)
        self.assertNotIn("errors", answer)
        return answer["data"]

    def codes(self, query, variables=None):
        return [e["extensions"]["code"] for e in self.ask(query, variables)["errors"]]

    def by_get(self, headers=(), **parameters):
        return self.server.ask(get("/graphql?" + urllib.parse.urlencode(parameters), headers))

    def test_predictions_are_those_of_the_native_protocol(self):
        rows = [PASSENGER, {**PASSENGER, "sex": "female", "age": None}]
        native = self.server.ask(post(json.dumps({"rows": rows}).encode())).json()
        ours = self.data("query($r: [JSON!]!) {predict(model: \"titanic\", rows: $r) {model version rows {label "
                         "probability probabilities {label probability} value}}}", {"r": rows})["predict"]
        self.assertEqual((ours["model"], ours["version"]), (native["model"], native["version"]))
        for mine, theirs in zip(ours["rows"], native["predictions"], strict=True):
            self.assertEqual(mine["label"], theirs["label"])
            self.assertEqual({str(p["label"]): p["probability"] for p in mine["probabilities"]}, theirs["probabilities"])
            self.assertEqual(mine["probability"], theirs["probabilities"][str(mine["label"])])
            self.assertIsNone(mine["value"])
        literal = ", ".join(f"{k}: {json.dumps(v)}" for k, v in PASSENGER.items() if k != "age")
        again = self.data("query($age: Int) {predict(model: \"titanic\", version: \"production\", rows: {" + literal +
                          ", age: $age}) {rows {label probability}}}", {"age": PASSENGER["age"]})
        self.assertEqual(again["predict"]["rows"][0]["label"], ours["rows"][0]["label"])
        number = self.data("{predict(model: \"diabetes\", rows: [{}]) {rows {label value}}}"
                           if self.accepts_nothing("diabetes") else "{predict: __typename}")
        self.assertIn("predict", number)

    def accepts_nothing(self, model):
        return all(c["missingOk"] for c in self.data("{model(name: \"%s\") {inputs {missingOk}}}" % model)["model"]["inputs"])

    def test_predictions_say_what_is_wrong(self):
        answer = self.ask("{a: predict(model: \"titanic\", rows: [{age: \"x\"}]) {version} server {version}}")
        self.assertIsNone(answer["data"]["a"])
        self.assertTrue(answer["data"]["server"]["version"])
        error = answer["errors"][0]
        self.assertEqual(error["path"], ["a"])
        self.assertEqual(error["locations"], [{"line": 1, "column": 2}])
        self.assertEqual(error["extensions"], {"code": "wrong_type", "row": 0, "column": "age", "pointer": "/rows/0/age"})
        self.assertEqual(self.codes("{predict(model: \"titanik\", rows: []) {version}}"), ["unknown_model"])
        self.assertEqual(self.codes("{predict(model: \"titanic\", rows: []) {version}}"), ["no_rows"])
        self.assertEqual(self.codes("{predict(model: \"titanic\", version: \"7\", rows: [{}]) {version}}"), ["unknown_version"])

    def test_models_are_described(self):
        models = self.data("{models {name status serving wanted fault recipe target {name task classes} inputs {__typename "
                           "name type missingOk ...on NumberColumn {min max quantiles} ...on CategoryColumn {categories}} "
                           "aliases {name version} versions {version digest size created aliases metrics options training "
                           "recipe target {name} inputs {name}} memory traffic {requests rows}}}")["models"]
        self.assertEqual([m["name"] for m in models], ["diabetes", "titanic"])
        titanic = models[1]
        card = self.server.ask(get("/api/v1/models/titanic")).json()
        self.assertEqual(titanic["status"], "SERVING")
        self.assertEqual(sorted(i["name"] for i in titanic["inputs"]), sorted(PASSENGER))
        self.assertEqual({a["name"]: a["version"] for a in titanic["aliases"]}, card["aliases"])
        self.assertEqual(titanic["versions"][0]["digest"], card["versions"][0]["digest"])
        self.assertEqual(titanic["versions"][0]["metrics"], card["versions"][0]["metrics"])
        self.assertEqual(self.data("{model(name: \"titanic\") {metrics}}")["model"]["metrics"], card["metrics"])
        names = [m["name"] for m in self.data("{models(first: 1, after: \"a\", filter: {status: [SERVING]}) {name}}")["models"]]
        self.assertEqual(names, ["diabetes"])
        self.assertEqual(self.data("{models(filter: {nameStartsWith: \"tit\", status: SERVING}) {name}}")["models"],
                         [{"name": "titanic"}])
        self.assertEqual(self.data("{models(filter: {status: [BROKEN]}) {name}}")["models"], [])
        self.assertEqual(self.codes("{models(first: 1001) {name}}"), ["out_of_range"])
        self.assertEqual(self.data("{model(name: \"titanic\") {version(version: 77) {size}}}"), {"model": {"version": None}})
        self.assertEqual(self.codes("{model(name: \"titanix\") {name}}"), ["unknown_model"])
        self.assertEqual(self.data("{health {ready status} deployments {model serving status}}"),
                         {"health": {"ready": True, "status": "READY"},
                          "deployments": [{"model": m, "serving": 1, "status": "SERVING"} for m in ("diabetes", "titanic")]})
        metrics = self.data("{metrics {requestsStarted sentBytes routes {route requests meanSeconds} models {model rows}}}")
        self.assertGreater(metrics["metrics"]["requestsStarted"], 0)
        self.assertIn("graphql", [r["route"] for r in metrics["metrics"]["routes"]])

    def test_aliases_and_versions_are_changed(self):
        for n, trees in enumerate((3, 4, 6)):
            self.deploy(self.train("diabetes", "progression", trees, output=f"life{n}.onnx"), "--name", "life")
        change = self.data("mutation {setAlias(model: \"life\", alias: \"test\", version: 2) {model alias version from}}")
        self.assertEqual(change["setAlias"], {"model": "life", "alias": "test", "version": 2, "from": None})
        back = self.data("mutation {rollback(model: \"life\") {alias version from}}")["rollback"]
        self.assertEqual(back, {"alias": "production", "version": 2, "from": 3})
        self.wait_until(lambda: self.data("{model(name: \"life\") {serving}}")["model"]["serving"] == 2)
        self.assertEqual(self.codes("mutation {deleteVersion(model: \"life\", version: 2)}"), ["aliased"])
        both = self.ask("mutation {a: deleteVersion(model: \"life\", version: 3) b: deleteVersion(model: \"life\", version: 3)"
                        " removeAlias(model: \"life\", alias: \"test\") {version}}")
        self.assertEqual(both["data"], {"a": True, "b": None, "removeAlias": {"version": None}})
        self.assertEqual([(e["path"], e["extensions"]["code"]) for e in both["errors"]], [(["b"], "unknown_version")])
        versions = self.data("{model(name: \"life\") {versions(first: 1, before: 3) {version aliases}}}")["model"]["versions"]
        self.assertEqual(versions, [{"version": 2, "aliases": ["production"]}])
        for mutation, code in (("setAlias(model: \"life\", version: 9) {alias}", "unknown_version"),
                               ("setAlias(model: \"life\", alias: \"7\", version: 1) {alias}", "invalid_name"),
                               ("setAlias(model: \"no\", version: 1) {alias}", "unknown_model"),
                               ("setAlias(model: \"../x\", version: 1) {alias}", "invalid_name"),
                               ("removeAlias(model: \"life\", alias: \"gone\") {alias}", "unknown_alias"),
                               ("deleteVersion(model: \"life\", version: 0)", "unknown_version"),
                               ("deleteModel(model: \"life\")", "aliased")):
            self.assertEqual(self.codes("mutation {" + mutation + "}"), [code], mutation)
        self.assertEqual(self.data("mutation {deleteModel(model: \"life\", force: true)}"), {"deleteModel": True})
        self.wait_until(lambda: "life" not in [m["name"] for m in self.data("{models {name}}")["models"]])

    def test_runs_and_datasets(self):
        table = b"x,z,y\n" + b"".join(b"%d,%d,%d\n" % (i % 13, i % 5, i * i % 7) for i in range(90))
        dataset = self.server.ask(post(table, "/api/v1/datasets")).json()["id"]
        asked = {"kind": "train", "dataset": dataset, "target": "y", "settings": {"n_trees": 3}}
        run = self.server.ask(post(json.dumps(asked).encode(), "/api/v1/runs")).json()["id"]
        query = "query ($id: ID!) {run(id: $id) {id kind state dataset created started ended asked result fault {code message}}}"
        self.wait_until(lambda: self.data(query, {"id": run})["run"]["ended"], 60)
        self.assertEqual(self.data(query, {"id": run})["run"]["state"], "SUCCEEDED", self.data(query, {"id": run}))
        ours, native = self.data(query, {"id": run})["run"], self.server.ask(get("/api/v1/runs/" + run)).json()
        for key in ("id", "kind", "dataset", "created", "started", "ended", "asked", "result"):
            self.assertEqual(ours[key], native[key], key)
        self.assertIsNone(ours["fault"])
        listed = self.data("{runs(first: 1) {id number} batches: runs(batches: true) {id}}")
        self.assertEqual(listed, {"runs": [{"id": run, "number": native["number"]}], "batches": []})
        older = self.data("query ($n: Long) {runs(before: $n) {id number}}", {"n": native["number"]})["runs"]
        self.assertTrue(all(r["number"] < native["number"] for r in older), older)
        found = self.data("query ($id: ID!) {dataset(id: $id) {id sha256 bytes created profile} datasets {id}}", {"id": dataset})
        self.assertEqual((found["dataset"]["bytes"], found["datasets"]), (len(table), [{"id": dataset}]))
        self.assertEqual(found["dataset"]["profile"], self.server.ask(get("/api/v1/datasets/" + dataset)).json()["profile"])
        self.assertEqual(self.codes("mutation ($id: ID!) {cancelRun(id: $id) {state}}", {"id": run}), ["ended"])
        long = {**asked, "settings": {"n_trees": 10000}, "folds": 20}
        long = self.server.ask(post(json.dumps(long).encode(), "/api/v1/runs")).json()["id"]
        cancelled = self.data("mutation ($id: ID!) {cancelRun(id: $id) {id state}}", {"id": long})["cancelRun"]
        self.assertIn((cancelled["id"], cancelled["state"]), [(long, s) for s in ("QUEUED", "RUNNING", "CANCELLED")])
        self.wait_until(lambda: self.data(query, {"id": long})["run"]["state"] == "CANCELLED", 30)
        for query, code in (("{run(id: \"no\") {id}}", "unknown_run"), ("{dataset(id: 7) {id}}", "unknown_dataset"),
                            ("{runs(first: 501) {id}}", "out_of_range"), ("mutation {cancelRun(id: \"no\") {id}}", "unknown_run")):
            self.assertEqual(self.codes(query), [code], query)

    def test_get(self):
        answer = self.by_get(query="query A($n: String!) {model(name: $n) {name}} query B {__typename}", operationName="A",
                             variables=json.dumps({"n": "titanic"}))
        self.assertEqual((answer.status, answer.json()), (200, {"data": {"model": {"name": "titanic"}}}))
        answer = self.by_get(query="mutation {rollback(model: \"titanic\") {version}}")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))
        self.assertEqual(answer.json()["errors"][0]["extensions"]["code"], "method")
        self.assertEqual(self.server.ask(get("/graphql")).status, 400)
        self.assertEqual(self.by_get(query="{a: __typename}", headers=["Accept: text/html"]).status, 406)
        head = self.server.ask(get("/graphql?query=%7B__typename%7D").replace(b"GET", b"HEAD"), head_only=True)
        self.assertEqual(head.status, 200)

    def test_statuses_and_media_types(self):
        for query in ("{", "{nobody}", "query($a: Int!) {__typename @skip(if: true) x: __typename}", "{a: __typename",
                      "query($i: Int!) {models(first: $i) {name}}"):
            loose, strict = self.raw({"query": query}), self.raw({"query": query}, [f"Accept: {STRICT}"])
            self.assertEqual((loose.status, strict.status), (200, 400), query)
            self.assertEqual(strict.headers["content-type"], STRICT + "; charset=utf-8")
            self.assertNotIn("data", strict.json())
            self.assertTrue(strict.json()["errors"][0]["message"])
        for body in (b"{", b"[]", b"{}", b'[{"query":"{__typename}"}]', b'{"query":1}', b'{"query":"{__typename}","query":""}',
                     b'{"query":"{__typename}","variables":"x"}', b"\xff"):
            for headers in ([], [f"Accept: {STRICT}"]):
                answer = self.raw(body, headers)
                self.assertEqual(answer.status, 400, body)
                self.assertIn("errors", answer.json())
        partly = self.raw({"query": "{model(name: \"nobody\") {name}}"}, [f"Accept: {STRICT}"])
        self.assertEqual((partly.status, partly.json()["data"]), (200, {"model": None}))
        packed = gzip.compress(json.dumps({"query": "{__typename}"}).encode())
        self.assertEqual(self.raw(packed, ["Content-Encoding: gzip"]).json(), {"data": {"__typename": "Query"}})

    def test_a_page_of_the_web_cannot_send_a_body(self):
        body = b'{"query":"{__typename}"}'
        for line in ("Content-Type: text/plain", "Content-Type: application/x-www-form-urlencoded", "X: y"):
            request = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\n{line}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            answer = self.server.ask(request)
            self.assertEqual(answer.status, 415, line)
            self.assertEqual(answer.json()["errors"][0]["extensions"]["code"], "media_type")

    def test_hostile_documents_are_refused(self):
        doubling = "".join(f" fragment F{i} on Query{{a:server{{...G{i}}}...F{i + 1}...F{i + 1}}} fragment G{i} on Server{{version}}"
                           for i in range(40)) + " fragment F40 on Query{__typename}"
        for query in ("{" * 5000, "{a(b:" + "[" * 100000, "{" + "a " * 40000 + "}", "{...F0}" + doubling,
                      "{" + " ".join(f"a{i}:server{{version}}" for i in range(600)) + "}", "#" * (1 << 20) + "\n{a}",
                      "{" + " ".join(f"p{i}: predict(model: \"titanic\", rows: []) {{version}}" for i in range(130)) + "}",
                      "{__schema{types{fields{type{fields{type{fields{type{fields{type{name}}}}}}}}}}}"):
            answer = self.raw({"query": query}, [f"Accept: {STRICT}"])
            self.assertEqual(answer.status, 400, query[:60])
            self.assertIn(answer.json()["errors"][0]["extensions"]["code"], ("limit", "syntax"))
        deep = b'{"query":"{__typename}","variables":' + b'{"a":' * 5000 + b"1" + b"}" * 5001
        self.assertEqual(self.raw(deep).status, 400)
        self.assertTrue(self.server.alive())

    def test_native_predictions_go_on(self):
        self.assertEqual(self.server.ask(post(BODY)).status, 200)


if __name__ == "__main__":
    unittest.main()
