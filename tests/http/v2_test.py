"""The Open Inference Protocol and KServe's first one, as bytes on a socket: media types, lengths, binary data, faults."""
# SPDX-License-Identifier: Apache-2.0
import gzip
import json
import struct
import unittest

from helpers.service import PASSENGER, ServiceTest, get, post

INFER = "/v2/models/titanic/infer"
KSERVE = "/v1/models/titanic:predict"
TEXTS = ("sex", "embarked")


def ask(body=b"", path=INFER, headers=()):
    """A POST without the Content-Type that post() adds."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_inputs(rows):
    return [{"name": k, "shape": [len(rows)], "datatype": "BYTES" if k in TEXTS else "FP32",
             "data": [row[k] for row in rows]} for k in PASSENGER]


def binary_request(rows, **more):
    inputs, data = [], b""
    for k in PASSENGER:
        values = [row[k] for row in rows]
        if k in TEXTS:
            raw = b"".join(struct.pack("<I", len(v)) + v.encode() for v in values)
        else:
            raw = struct.pack(f"<{len(values)}f", *values)
        inputs.append({"name": k, "shape": [len(rows), 1], "datatype": "BYTES" if k in TEXTS else "FP32",
                       "parameters": {"binary_data_size": len(raw)}})
        data += raw
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head, data


class V2(ServiceTest):
    def infer(self, body, headers=()):
        return self.server.ask(post(json.dumps(body).encode(), INFER, headers))

    def native(self, rows):
        return self.server.ask(post(json.dumps({"rows": rows}).encode())).json()["predictions"]

    def fault(self, answer, status, part):
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(list(answer.json()), ["error"])
        self.assertIn(part, answer.json()["error"])
        self.assertEqual(answer.headers["content-type"], "application/json")

    def agrees(self, answer, rows):
        self.assertEqual(answer.status, 200, answer.body)
        outputs = {o["name"]: o for o in answer.json()["outputs"]}
        native = self.native(rows)
        self.assertEqual(outputs["label"]["data"], [p["label"] for p in native])
        self.assertEqual(outputs["probabilities"]["data"],
                         [p["probabilities"][c] for p in native for c in ("0", "1")])

    def test_many_rows_through_a_worker(self):
        rows = [{**PASSENGER, "age": i % 80, "fare": i / 7} for i in range(3000)]
        self.agrees(self.infer({"inputs": json_inputs(rows)}), rows)
        head, data = binary_request(rows)
        length = f"Inference-Header-Content-Length: {len(head)}"
        self.agrees(self.server.ask(ask(head + data, headers=[length])), rows)
        packed = gzip.compress(head + data)
        self.agrees(self.server.ask(ask(packed, headers=[length, "Content-Encoding: gzip"])), rows)

    def test_binary_in_and_out(self):
        rows = [PASSENGER, {**PASSENGER, "sex": "female", "pclass": 1}]
        head, data = binary_request(rows, id="x", parameters={"binary_data_output": True})
        for media in ([], ["Content-Type: application/octet-stream"], ["Content-Type: application/json"]):
            answer = self.server.ask(
                ask(head + data, headers=[f"Inference-Header-Content-Length: {len(head)}", *media]))
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.headers["content-type"], "application/octet-stream")
            length = int(answer.headers["inference-header-content-length"])
            meta = json.loads(answer.body[:length])
            self.assertEqual(meta["id"], "x")
            self.assertEqual([(o["name"], o["shape"], o["parameters"]) for o in meta["outputs"]],
                             [("label", [2, 1], {"binary_data_size": 16}),
                              ("probabilities", [2, 2], {"binary_data_size": 16})])
            native = self.native(rows)
            labels = struct.unpack("<2q", answer.body[length:length + 16])
            self.assertEqual(list(labels), [p["label"] for p in native])
            scores = struct.unpack("<4f", answer.body[length + 16:])
            want = [p["probabilities"][c] for p in native for c in ("0", "1")]
            self.assertEqual(scores, struct.unpack("<4f", struct.pack("<4f", *want)))

    def test_lengths_that_lie(self):
        head, data = binary_request([PASSENGER])
        body = head + data

        def sent(length, media=()):
            return self.server.ask(ask(body, headers=[f"Inference-Header-Content-Length: {length}", *media]))

        self.assertEqual(sent(len(head)).status, 200)
        self.fault(sent(len(body) + 1), 400, "the body has")
        self.fault(sent(-1), 400, "Inference-Header-Content-Length is")
        self.fault(sent("9" * 30), 400, "Inference-Header-Content-Length is")
        self.fault(sent("x"), 400, "Inference-Header-Content-Length is")
        self.fault(sent(len(head) - 1), 400, "")  # binary data is a byte off before the JSON is seen to end early
        self.fault(sent(len(head) + 1), 400, "")
        self.fault(sent(0), 400, "not JSON")
        self.fault(self.server.ask(ask(body)), 400, "is Inference-Header-Content-Length right?")
        self.fault(self.server.ask(ask(head)), 400, "is Inference-Header-Content-Length right?")
        self.fault(self.server.ask(ask(body, headers=["Content-Type: application/octet-stream"])), 400, "raw tensor")
        self.fault(self.server.ask(ask(body + b"x", headers=[f"Inference-Header-Content-Length: {len(head)}"])), 400,
                   "more binary data")
        self.fault(self.server.ask(ask(body[:-1], headers=[f"Inference-Header-Content-Length: {len(head)}"])), 400,
                   "past the end")

    def test_media_types(self):
        body = json.dumps({"inputs": json_inputs([PASSENGER])}).encode()
        for media, status in ((None, 200), ("application/json", 200), ("application/json; charset=utf-8", 200),
                              ("text/csv", 415), ("application/x-www-form-urlencoded", 415),
                              ("multipart/form-data; boundary=x", 415)):
            answer = self.server.ask(ask(body, headers=[f"Content-Type: {media}"] if media else []))
            self.assertEqual(answer.status, status, media)
        self.fault(answer, 415, "neither application/json nor application/octet-stream")

    def test_repository_index(self):
        want = [("diabetes", "1", "READY"), ("titanic", "1", "READY")]
        for body in (b"", b"{}", b" ", b'{"ready":true}', b'{"ready":false,"x":[1]}'):
            answer = self.server.ask(ask(body, "/v2/repository/index"))
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual([(m["name"], m["version"], m["state"]) for m in answer.json()], want)
        self.fault(self.server.ask(ask(b'{"ready":1}', "/v2/repository/index")), 400, "neither true nor false")
        self.fault(self.server.ask(ask(b"[]", "/v2/repository/index")), 400, "no object")
        self.fault(self.server.ask(ask(b"{", "/v2/repository/index")), 400, "not JSON")

    def test_orders(self):
        for body in (b"", b"{}", b'{"parameters":{"x":[1]}}'):
            self.assertEqual(self.server.ask(ask(body, "/v2/repository/models/titanic/load")).status, 200)
        for body, part in ((b"[]", "no object"), (b"{", "not JSON"), (b'{"parameters":1}', "no object"),
                           (b'{"parameters":{"config":"{}"}}', "configuration"),
                           (b'{"parameters":{"file:1/model.onnx":"eA=="}}', "files")):
            for order in ("load", "unload"):
                self.fault(self.server.ask(ask(body, f"/v2/repository/models/titanic/{order}")), 400, part)
        self.assertEqual(self.server.ask(get("/v2/models/titanic/ready")).status, 200)

    def test_paths(self):
        for path, status in (("/v2", 200), ("/v2/health/live", 200), ("/v2/health/ready", 200), ("/v2/models", 200),
                             ("/v2/models/titanic", 200), ("/v2/models/titanic/versions/1", 200),
                             ("/v2/models/titanic/versions/production", 200), ("/v2/models/titanic/versions/2", 404),
                             ("/v2/models/titanic/versions/1/ready", 200), ("/v2/models/titanic/versions/2/ready", 503),
                             ("/v2/models/titanic/versions/1/config", 200), ("/v2/models/stats", 200),
                             ("/v2/models/titanic/versions/1/stats", 200), ("/v2/models/nothing", 404),
                             ("/v2/models/nothing/ready", 404), ("/v2/models/nothing/stats", 404),
                             ("/v2/systemsharedmemory/region/r/status", 400), (INFER, 405), ("/v2/x", 404),
                             ("/v2/models/titanic/trace/setting", 404)):
            answer = self.server.ask(get(path))
            self.assertEqual(answer.status, status, (path, answer.body))
            if status >= 400 and status not in (503,):
                self.assertEqual(list(answer.json()), ["error"], path)

    def kserve(self, body):
        return self.server.ask(post(json.dumps(body).encode(), KSERVE))

    def test_kserve(self):
        rows = [PASSENGER, {**PASSENGER, "sex": "female", "pclass": 1, "age": None}]
        native = self.native(rows)
        labels = [p["label"] for p in native]
        arrays = [list(row.values()) for row in rows]
        columns = {k: [row[k] for row in rows] for k in PASSENGER}
        for body in ({"instances": rows}, {"instances": arrays}, {"inputs": rows}, {"inputs": columns},
                     {"parameters": {"a": [1]}, "instances": rows, "signature_name": "serving_default"}):
            answer = self.kserve(body)
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.json(), {"predictions": labels})
        answer = self.kserve({"instances": arrays, "signature_name": "predict_proba"})
        self.assertEqual(answer.json()["predictions"], [list(p["probabilities"].values()) for p in native])
        diabetes = [row["name"] for row in self.server.ask(get("/v2/models/diabetes")).json()["inputs"]]
        answer = self.server.ask(post(json.dumps({"instances": [[0.01] * len(diabetes)]}).encode(),
                                      "/v1/models/diabetes:predict"))
        self.assertIsInstance(answer.json()["predictions"][0], float)

    def test_kserve_faults(self):
        for body, part in (({}, "no rows"), ([], "no object"), ({"instances": []}, "no rows"),
                           ({"instances": [PASSENGER], "inputs": []}, "rows come twice"),
                           ({"instances": [[1]]}, "row 0 has 1 values for 7 columns"),
                           ({"instances": [[*PASSENGER.values(), 1]]}, "more values than the 7 columns"),
                           ({"instances": [7]}, "no object and no array"),
                           ({"instances": 7}, "\"instances\" is no array"),
                           ({"instances": [{**PASSENGER, "agee": 1}]}, "did you mean \"age\""),
                           ({"instances": [["x", *list(PASSENGER.values())[1:]]]}, "column \"pclass\": a text"),
                           ({"instances": [PASSENGER], "signature_name": "x"}, "signature_name")):
            self.fault(self.kserve(body), 400, part)
        self.fault(self.server.ask(post(b'{"instances":[{}]}', "/v1/models/titanic:explain")), 400, "no explainer")
        self.fault(self.server.ask(post(b'{"instances":[{}]}', "/v1/models/nothing:predict")), 404, "no model")
        body = json.dumps({"instances": [[0.01] * 10], "signature_name": "predict_proba"}).encode()
        self.fault(self.server.ask(post(body, "/v1/models/diabetes:predict")), 400, "no classes")


if __name__ == "__main__":
    unittest.main()
