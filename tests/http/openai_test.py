# OpenAI's routes: models in its shape (where KServe V1 has the same path, in both), and errors that say that there is no
# language model here.
# SPDX-License-Identifier: Apache-2.0
import json
import unittest

from helpers.service import ServiceTest, get, post


def ask(body, path="/v1/chat/completions"):
    return post(body if isinstance(body, bytes) else json.dumps(body).encode(), path)


class OpenAi(ServiceTest):
    def test_models_in_both_shapes_and_in_one(self):
        both = self.server.ask(get("/v1/models")).json()
        self.assertEqual(both["models"], ["diabetes", "titanic"])
        self.assertEqual([m["id"] for m in both["data"]], ["diabetes", "titanic"])
        pure = self.server.ask(get("/openai/v1/models")).json()
        self.assertEqual(sorted(pure), ["data", "object"])
        self.assertEqual(pure["data"], both["data"])
        one = self.server.ask(get("/openai/v1/models/titanic")).json()
        self.assertEqual((one["object"], one["owned_by"], sorted(one)),
                         ("model", "slipway", ["created", "id", "object", "owned_by"]))
        self.assertGreater(one["created"], 1.7e9)
        self.assertEqual(self.server.ask(get("/v1/models/titanic")).json(), {**one, "name": "titanic", "ready": True})

    def refused(self, data, status, kind, code, param):
        answer = self.server.ask(data)
        self.assertEqual((answer.status, answer.headers["content-type"]), (status, "application/json"), answer.body)
        error = answer.json()["error"]
        self.assertTrue(error.pop("message"))
        self.assertEqual(error, {"type": kind, "code": code, "param": param})

    def test_errors(self):
        bad = "invalid_request_error"
        for root in ["/v1", "/openai/v1"]:
            for path in ["/chat/completions", "/completions", "/embeddings"]:
                self.refused(ask({"model": "titanic"}, root + path), 400, bad, "not_a_language_model", "model")
                self.refused(ask({"model": "nobody"}, root + path), 404, bad, "model_not_found", "model")
            self.refused(get(root + "/models/nobody"), 404, bad, "model_not_found", "model")
        self.refused(ask({"messages": []}), 400, bad, "missing_required_parameter", "model")
        self.refused(ask({"model": 3}), 400, bad, "invalid_type", "model")
        self.refused(ask([1]), 400, bad, "wrong_shape", None)
        self.refused(ask(b'{"model":"titanic","model":"x"}'), 400, bad, "wrong_shape", "model")
        self.refused(ask(b'{"model":"titanic"'), 400, bad, "invalid_json", None)
        self.refused(ask(b""), 400, bad, "invalid_json", None)
        self.refused(get("/v1/chat/completions"), 405, bad, "method", None)
        self.refused(ask({}).replace(b"application/json", b"text/plain"), 415, bad, "media_type", None)


if __name__ == "__main__":
    unittest.main()
