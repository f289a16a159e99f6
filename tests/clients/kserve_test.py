"""KServe's own client, both protocols, pointed at the server as it is."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import json
import unittest

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

from helpers.service import PASSENGER, ServiceTest, post

ROWS = [PASSENGER, {**PASSENGER, "sex": "female", "pclass": 1, "age": 38.5}]


def inputs(binary):
    made = []
    for name in PASSENGER:
        values = [row[name] for row in ROWS]
        text = isinstance(values[0], str)
        array = np.array(values, dtype=object if text else np.float32)
        if text and binary:
            array = np.array([v.encode() for v in values], dtype=object)
        made.append(InferInput(name, [len(values)], "BYTES" if text else "FP32"))
        made[-1].set_data_from_numpy(array, binary_data=binary)
    return made


class Kserve(ServiceTest, unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.url = f"http://127.0.0.1:{cls.server.port}"
        cls.native = cls.server.ask(post(json.dumps({"rows": ROWS}).encode())).json()["predictions"]
        cls.labels = [p["label"] for p in cls.native]

    async def test_version_1(self):
        async with InferenceRESTClient(RESTConfig(protocol="v1", retries=1, timeout=20)) as client:
            self.assertTrue(await client.is_server_live(self.url))
            self.assertTrue(await client.is_model_ready(self.url, "titanic"))
            for body in ({"instances": ROWS}, {"instances": [list(row.values()) for row in ROWS]}):
                answer = await client.infer(self.url, body, model_name="titanic")
                self.assertEqual(answer, {"predictions": self.labels})
            with self.assertRaises(httpx.HTTPStatusError) as caught:
                await client.infer(self.url, {"instances": [{**PASSENGER, "agee": 1}]}, model_name="titanic")
            self.assertEqual(caught.exception.response.status_code, 400)
            self.assertIn("did you mean \"age\"", str(caught.exception))
            with self.assertRaises(httpx.HTTPStatusError) as caught:
                await client.explain(self.url, "titanic", {"instances": ROWS})
            self.assertIn("no explainer", str(caught.exception))

    async def test_version_2(self):
        async with InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=20)) as client:
            self.assertTrue(await client.is_server_live(self.url))
            self.assertTrue(await client.is_server_ready(self.url))
            self.assertTrue(await client.is_model_ready(self.url, "titanic"))
            self.assertFalse(await client.is_model_ready(self.url, "nothing"))
            for binary_in in (False, True):
                for binary_out in (False, True):
                    wanted = [RequestedOutput(n, parameters={"binary_data": binary_out})
                              for n in ("probabilities", "label")]
                    request = InferRequest(model_name="titanic", infer_inputs=inputs(binary_in), request_id="k1",
                                           request_outputs=wanted)
                    answer = await client.infer(self.url, request, model_name="titanic")
                    self.assertEqual((answer.id, answer.model_name), ("k1", "titanic"))
                    label, scores = (answer.get_output_by_name(n).as_numpy() for n in ("label", "probabilities"))
                    self.assertEqual(label.ravel().tolist(), self.labels)
                    want = np.array([list(p["probabilities"].values()) for p in self.native], np.float32)
                    np.testing.assert_array_equal(scores.astype(np.float32), want)


if __name__ == "__main__":
    unittest.main()
