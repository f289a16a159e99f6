"""NVIDIA's HTTP client, pointed at the server as it is."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import json
import time
import unittest

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from helpers.service import PASSENGER, ServiceTest

PEOPLE = {"pclass": [3, 1], "sex": ["male", "female"], "age": [22, 38], "sibsp": [1, 1], "parch": [0, 0],
          "fare": [7.25, 71.2833], "embarked": ["S", "C"]}


def tensor(name, values, datatype=None, binary=True, shape=None):
    array = np.array(values, dtype=object if isinstance(values[0], str) else None)
    if datatype is None:
        datatype = "BYTES" if array.dtype == object else "FP32"
    if datatype != "BYTES":
        array = array.astype(triton.triton_to_np_dtype(datatype) if hasattr(triton, "triton_to_np_dtype")
                             else {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "INT32": np.int32,
                                   "INT8": np.int8, "UINT8": np.uint8, "FP16": np.float16, "BOOL": bool}[datatype])
    array = array.reshape(shape or [len(values), 1])
    one = triton.InferInput(name, list(array.shape), datatype)
    one.set_data_from_numpy(array, binary_data=binary)
    return one


def people(binary=True):
    return [tensor(name, values, binary=binary) for name, values in PEOPLE.items()]


class Tritonclient(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = triton.InferenceServerClient(f"127.0.0.1:{cls.server.port}", concurrency=4)
        cls.addClassCleanup(cls.client.close)
        rows = [dict(zip(PEOPLE, row)) for row in zip(*PEOPLE.values())]
        cls.native = cls.server.ask(cls.post_rows(rows)).json()["predictions"]

    @staticmethod
    def post_rows(rows):
        from helpers.service import post
        return post(json.dumps({"rows": rows}).encode())

    def refused(self, status, part, call, *arguments, **options):
        with self.assertRaises(InferenceServerException) as caught:
            call(*arguments, **options)
        self.assertEqual(caught.exception.status(), str(status))
        self.assertIn(part, caught.exception.message())

    def agrees(self, result):
        np.testing.assert_array_equal(result.as_numpy("label"), [[p["label"]] for p in self.native])
        want = np.array([[p["probabilities"]["0"], p["probabilities"]["1"]] for p in self.native], np.float32)
        np.testing.assert_array_equal(result.as_numpy("probabilities"), want)

    def test_server_and_models_are_there(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("titanic"))
        self.assertTrue(self.client.is_model_ready("titanic", "1"))
        self.assertFalse(self.client.is_model_ready("titanic", "7"))
        self.assertFalse(self.client.is_model_ready("nothing"))
        server = self.client.get_server_metadata()
        self.assertEqual(server["name"], "slipway")
        self.assertIn("binary_tensor_data", server["extensions"])

    def test_metadata_is_enough_to_ask(self):
        for version in ("", "1"):
            model = self.client.get_model_metadata("titanic", version)
            self.assertEqual(model["name"], "titanic")
            self.assertEqual(model["versions"], ["1"])
            inputs = [tensor(t["name"], [PASSENGER[t["name"]]], t["datatype"]) for t in model["inputs"]]
            result = self.client.infer("titanic", inputs, version)
            self.assertEqual({o["name"] for o in model["outputs"]}, {"label", "probabilities"})
            for output in model["outputs"]:
                got = result.as_numpy(output["name"])
                self.assertEqual(list(got.shape), [1 if d == -1 else d for d in output["shape"]])
                self.assertEqual(np_to_triton_dtype(got.dtype), output["datatype"])
            classes = json.loads(model["outputs"][1]["parameters"]["classes"])
            self.assertEqual(classes, ["0", "1"])
        self.refused(404, "did you mean \"titanic\"", self.client.get_model_metadata, "titanci")
        self.refused(404, "version", self.client.get_model_metadata, "titanic", "7")

    def test_configuration(self):
        config = self.client.get_model_config("titanic")
        self.assertEqual(config["name"], "titanic")
        self.assertGreater(config["max_batch_size"], 1)
        self.assertIn({"name": "sex", "data_type": "TYPE_STRING", "dims": [1]}, config["input"])
        self.assertIn({"name": "probabilities", "data_type": "TYPE_FP32", "dims": [2]}, config["output"])
        self.assertEqual(self.client.get_model_config("titanic", "1"), config)

    def test_binary_and_json_agree_with_the_native_protocol(self):
        for binary_in in (True, False):
            self.agrees(self.client.infer("titanic", people(binary_in)))
            for binary_out in (True, False):
                outputs = [triton.InferRequestedOutput(n, binary_data=binary_out) for n in ("probabilities", "label")]
                result = self.client.infer("titanic", people(binary_in), "1", outputs, request_id="seven")
                self.agrees(result)
                answer = result.get_response()
                self.assertEqual([o["name"] for o in answer["outputs"]], ["probabilities", "label"])
                self.assertEqual(answer["id"], "seven")
                self.assertEqual(answer["model_name"], "titanic")
                self.assertEqual(answer["model_version"], "1")
        only = self.client.infer("titanic", people(), outputs=[triton.InferRequestedOutput("label")])
        self.assertIsNone(only.as_numpy("probabilities"))

    def test_datatypes_shapes_and_order_of_inputs(self):
        inputs = people()
        inputs[0] = tensor("pclass", PEOPLE["pclass"], "INT64", shape=[2])
        inputs[3] = tensor("sibsp", PEOPLE["sibsp"], "UINT8")
        inputs[4] = tensor("parch", PEOPLE["parch"], "FP16")
        inputs[2] = tensor("age", PEOPLE["age"], "INT8", binary=False)
        self.agrees(self.client.infer("titanic", inputs[::-1]))

    def test_regression(self):
        model = self.client.get_model_metadata("diabetes")
        inputs = [tensor(t["name"], [1.0], t["datatype"]) for t in model["inputs"]]
        self.assertEqual(self.client.infer("diabetes", inputs).as_numpy("value").shape, (1, 1))

    def test_missing_values(self):
        nothing = [None, "", float("nan")]
        rows = [{**PASSENGER, "age": None, "embarked": None}]
        want = self.server.ask(self.post_rows(rows)).json()["predictions"][0]["probabilities"]["1"]
        values = {**{k: [v] for k, v in PASSENGER.items()}, "age": [nothing[2]], "embarked": [nothing[1]]}
        by_value = [tensor(k, v) for k, v in values.items()]
        left_out = [tensor(k, v) for k, v in values.items() if k not in ("age", "embarked")]
        for inputs in (by_value, left_out):
            got = self.client.infer("titanic", inputs).as_numpy("probabilities")[0, 1]
            self.assertEqual(got, np.float32(want))

    def test_classification(self):
        for binary in (True, False):
            output = triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)
            got = self.client.infer("titanic", people(), outputs=[output]).as_numpy("probabilities")
            self.assertEqual(got.shape, (2, 2))
            for row, native in zip(got, self.native):
                best = sorted(native["probabilities"].items(), key=lambda c: -c[1])
                texts = [t.decode() if isinstance(t, bytes) else t for t in row]
                self.assertEqual([t.split(":")[1:] for t in texts], [[name, name] for name, _ in best])
                self.assertEqual([float(t.split(":")[0]) for t in texts], [score for _, score in best])

    def test_asynchronous(self):
        pending = [self.client.async_infer("titanic", people()) for _ in range(8)]
        for one in pending:
            self.agrees(one.get_result())

    def test_compressed_requests(self):
        self.agrees(self.client.infer("titanic", people(), request_compression_algorithm="gzip"))
        self.agrees(self.client.infer("titanic", people(), response_compression_algorithm="gzip"))

    def test_faults_say_what_and_where(self):
        infer = self.client.infer
        self.refused(404, "there is no model", infer, "nothing", people())
        self.refused(404, "version \"7\"", infer, "titanic", people(), "7")
        self.refused(400, "no input \"agee\"; did you mean \"age\"?", infer, "titanic", [*people(), tensor("agee", [1, 2])])
        self.refused(400, "has 1 rows, those before it 2", infer, "titanic", people()[:-1] + [tensor("embarked", ["S"])])
        self.refused(400, "it takes BYTES", infer, "titanic", people()[:-1] + [tensor("embarked", [1, 2])])
        self.refused(400, "infinite", infer, "titanic", people()[:2] + [tensor("age", [1, float("inf")])])
        self.refused(400, "none of this model's", infer, "titanic", people(),
                     outputs=[triton.InferRequestedOutput("scores")])
        self.refused(400, "sequence_id", infer, "titanic", people(), sequence_id=3)

    def test_shared_memory_is_refused(self):
        c = self.client
        for call, arguments in ((c.get_system_shared_memory_status, []), (c.get_cuda_shared_memory_status, ["r"]),
                                (c.register_system_shared_memory, ["r", "/r", 64]),
                                (c.unregister_system_shared_memory, []), (c.unregister_cuda_shared_memory, ["r"])):
            self.refused(400, "shared memory", call, *arguments)
        shared = triton.InferInput("pclass", [2, 1], "FP32")
        shared.set_shared_memory("r", 8)
        self.refused(400, "shared memory", c.infer, "titanic", [shared])

    def test_repository(self):
        index = self.client.get_model_repository_index()
        self.assertEqual([(m["name"], m["version"], m["state"]) for m in index],
                         [("diabetes", "1", "READY"), ("titanic", "1", "READY")])
        self.client.load_model("titanic")
        self.assertTrue(self.client.is_model_ready("titanic"))
        self.refused(404, "there is no model", self.client.load_model, "nothing")
        self.refused(400, "not with a configuration", self.client.load_model, "titanic", config="{}")

    def test_unloading_is_real(self):
        self.client.unload_model("diabetes")
        self.assertFalse(self.client.is_model_ready("diabetes"))
        self.refused(503, "diabetes", self.client.get_model_metadata, "diabetes")
        self.refused(503, "diabetes", self.client.infer, "diabetes", [tensor("bmi", [1])])
        index = {m["name"]: m for m in self.client.get_model_repository_index()}
        self.assertEqual((index["diabetes"]["state"], index["diabetes"]["reason"]), ("UNAVAILABLE", "unloaded"))
        self.assertEqual(index["titanic"]["state"], "READY")
        self.client.unload_model("diabetes")
        self.client.load_model("diabetes")
        self.assertTrue(self.client.is_model_ready("diabetes"))
        self.test_regression()
        self.refused(404, "there is no model", self.client.unload_model, "nothing")

    def test_statistics(self):
        def stats(*arguments):
            return self.client.get_inference_statistics(*arguments)["model_stats"]

        before = stats("titanic")[0]
        for _ in range(3):
            self.client.infer("titanic", people())
        after = stats("titanic", "1")[0]
        self.assertEqual(after["inference_count"] - before["inference_count"], 6)
        self.assertEqual(after["execution_count"] - before["execution_count"], 3)
        success = after["inference_stats"]["success"]
        self.assertEqual(success["count"] - before["inference_stats"]["success"]["count"], 3)
        self.assertGreater(success["ns"], 0)
        self.assertEqual(after["inference_stats"]["fail"], before["inference_stats"]["fail"])
        self.assertLess(abs(time.time() * 1000 - after["last_inference"]), 60000)
        self.assertEqual({m["name"] for m in stats()}, {"titanic", "diabetes"})


if __name__ == "__main__":
    unittest.main()
