# Runs over HTTP: every kind to its end, its news as they come; cancelled, crashed, hung and too large ones; a server that
# is killed in the middle. What a run makes has the same bytes as what `slipway train` makes.
# SPDX-License-Identifier: Apache-2.0
import csv
import io
import json
import os
import signal
import time
import unittest

from helpers.service import DEADLINES, EXAMPLES, PASSENGER, Server, ServiceTest, get, post, run

DROP = ["name", "ticket", "cabin", "home.dest"]
SMALL = {"target": "survived", "settings": {"n_trees": 10, "depth_max": 4}, "prepare": {"drop": DROP}}
LONG = {"target": "survived", "settings": {"n_trees": 10000}, "prepare": {"drop": DROP}, "folds": 50}


def ask(method, path, body=b"", *headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}",
             "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as f:
        found = [int(p) for p in f.read().split()]
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children") as f:
            found += [int(p) for p in f.read().split()]
    return sorted(set(found))


class JobsTest(ServiceTest):
    environment_more = {}

    @classmethod
    def setUpClass(cls):
        cls.deadlines = {**DEADLINES, **cls.environment_more}
        super().setUpClass()
        with open(os.path.join(EXAMPLES, "titanic.csv"), "rb") as f:
            cls.dataset = cls.server.ask(ask("POST", "/api/v1/datasets", f.read())).json()["id"]
        end = time.monotonic() + 30
        while not cls.server.ask(get("/api/v1/datasets/" + cls.dataset)).json()["profile"]:
            assert time.monotonic() < end
            time.sleep(0.05)

    def problem(self, data, status, code):
        answer = self.server.ask(data)
        self.assertEqual((answer.status, answer.json().get("code")), (status, code), answer.body)
        return answer.json()

    def json(self, data, status=200):
        answer = self.server.ask(data)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def create(self, asked, *headers, where="/api/v1/runs"):
        answer = self.server.ask(ask("POST", where, {"dataset": self.dataset, **asked}, *headers))
        self.assertEqual(answer.status, 202, answer.body)
        self.assertEqual(answer.json()["state"], "queued")
        self.assertEqual(answer.headers["location"], f"{where}/{answer.json()['id']}")
        return answer.headers["location"]

    def state(self, path):
        return self.json(get(path))["state"]

    def wait_for(self, path, *states, seconds=60):
        self.wait_until(lambda: self.state(path) in states, seconds)
        return self.json(get(path))

    def finish(self, asked, **options):
        path = self.create(asked, **options)
        done = self.wait_for(path, "succeeded", "failed")
        self.assertEqual(done["state"], "succeeded", done)
        return path, done

    def events(self, path, *headers, until="never"):
        """Server-sent events as (id, event, data), to the end of the stream or to an event of that name."""
        text, found = b"", []
        with self.server.client(timeout=60) as c:
            c.send(get(path + "/events", headers))
            status, head = c.read_head()
            self.assertEqual((status, head["content-type"]), (200, "text/event-stream"))
            while True:
                while b"\r\n" not in c.pending:
                    self.assertTrue(c.more())
                size, c.pending = c.pending.split(b"\r\n", 1)
                size = int(size, 16)
                while len(c.pending) < size + 2:
                    self.assertTrue(c.more())
                text += c.pending[:size]
                c.pending = c.pending[size + 2:]
                while b"\n\n" in text:
                    block, text = text.split(b"\n\n", 1)
                    if not block.startswith(b":"):
                        fields = dict(line.split(": ", 1) for line in block.decode().split("\n"))
                        found.append((int(fields.get("id", 0)), fields["event"], json.loads(fields["data"])))
                        if fields["event"] == until:
                            return found
                if size == 0:
                    return found


class Kinds(JobsTest):
    def test_a_model_is_trained_deployed_and_answers(self):
        path, done = self.finish({**SMALL, "deploy": {"name": "over-http"}})
        self.assertEqual(done["result"]["deployed"], {"name": "over-http", "version": 1, "alias": "production", "existed": False})
        self.assertEqual(done["asked"]["target"], "survived")
        self.assertIn("accuracy", self.json(get(path + "/metrics"))["test"])
        self.wait_until(lambda: self.server.ask(post(path="/api/v1/models/over-http/predict")).status == 200)
        log = self.server.ask(get(path + "/log")).body.decode()
        for word in ["state     running", "1,309 rows", "accuracy", "state     succeeded"]:
            self.assertIn(word, log)
        file = os.path.join(self.folder, "same.onnx")
        run(self.environment, "train", os.path.join(EXAMPLES, "titanic.csv"), "--target", "survived", "--set", "n_trees=10",
            "--set", "depth_max=4", "--drop", ",".join(DROP), "-o", file)
        with open(file, "rb") as f:
            want = f.read()
        answer = self.server.ask(get(path + "/file"))
        self.assertEqual(answer.body, want)
        self.assertEqual(answer.headers["content-disposition"], 'attachment; filename="model.onnx"')
        self.assertEqual(self.server.ask(get("/api/v1/models/over-http/versions/1/file")).body, want)

    def test_all_options_give_the_bytes_of_train(self):
        asked = {"target": "survived", "recipe": "tabular-classification", "model": "forest",
                 "settings": {"n_trees": 7, "depth_max": 3, "row_share": 0.8}, "folds": 3, "seed": 7, "drop_missing": True,
                 "prepare": {"columns": ["age", "sex", "fare"], "impute": "mean", "impute_text": "constant", "constant": "0",
                             "indicator": True, "scale": "standard", "ddof": 1, "encode": "ordinal", "one_hot_max": 9},
                 "split": {"kind": "random", "test_share": 0.3},
                 "read": {"header": True, "delimiter": ",", "missing": ["?"], "types": {"pclass": "category"}}}
        try:
            help_text = run(self.environment, "train", "x.csv", "--set", "help")
        except AssertionError:
            help_text = ""
        if "row_share" not in help_text:
            del asked["settings"]["row_share"]
        path, _ = self.finish(asked)
        file = os.path.join(self.folder, "all.onnx")
        settings = [word for k, v in asked["settings"].items() for word in ("--set", f"{k}={v}")]
        run(self.environment, "train", os.path.join(EXAMPLES, "titanic.csv"), "--target", "survived", *settings, "--cv", "3",
            "--seed", "7", "--drop-missing", "--columns", "age,sex,fare", "--impute", "mean", "--impute-text", "constant",
            "--constant", "0", "--indicator", "--scale", "standard", "--ddof", "1", "--encode", "ordinal", "--one-hot-max",
            "9", "--split", "random", "--test-share", "0.3", "--header", "yes", "--delimiter", ",", "--missing", "?",
            "--type", "pclass=category", "-o", file)
        with open(file, "rb") as f:
            self.assertEqual(self.server.ask(get(path + "/file")).body, f.read())

    def test_events_come_in_order_and_can_be_gone_on_with(self):
        path = self.create(SMALL)
        live = self.events(path)
        ids = [i for i, _, _ in live if i]
        self.assertEqual(ids, list(range(1, len(ids) + 1)))
        self.assertEqual([d["state"] for _, e, d in live if e == "state"][-1], "succeeded")
        self.assertTrue({"log", "progress", "state"} <= {e for _, e, _ in live})
        self.assertEqual(self.state(path), "succeeded")
        later = self.events(path)
        self.assertEqual([e for e in live if e[0]], later)
        self.assertEqual(self.events(path, "Last-Event-ID: 5"), later[5:])
        self.assertEqual(self.events(path, f"Last-Event-ID: {len(later)}")[-1][1:], ("state", {"state": "succeeded"}))
        self.assertEqual(self.server.ask(get(path + "/events", ["Accept: application/json"])).status, 406)

    def test_prepare_profile_evaluate_and_batches(self):
        path, done = self.finish({"kind": "prepare", "target": "survived", "prepare": {"drop": DROP}})
        rows = list(csv.reader(io.StringIO(self.server.ask(get(path + "/file")).body.decode())))
        self.assertEqual((len(rows), rows[0][-2:]), (1310, ["survived", "split"]))
        _, done = self.finish({"kind": "profile"})
        self.assertEqual(done["result"]["rows"], 1309)
        path, done = self.finish({"kind": "evaluate", "model": "titanic"})
        self.assertGreater(self.json(get(path + "/metrics"))["accuracy"], 0.7)
        self.assertEqual((done["version"], done["result"]["rows"]), (1, 1309))
        self.problem(get(path + "/file"), 404, "not_there")
        for asked, name in [({}, "predictions.csv"), ({"keep": True}, "predictions.csv"),
                            ({"format": "jsonl", "version": "production"}, "predictions.jsonl")]:
            path, done = self.finish({"model": "titanic", **asked}, where="/api/v1/batches")
            answer = self.server.ask(get(path + "/file"))
            self.assertEqual(answer.headers["content-disposition"], f'attachment; filename="{name}"')
            self.assertEqual(done["result"]["file"]["bytes"], len(answer.body))
            if "format" in asked:
                first = json.loads(answer.body.split(b"\n")[0])
                self.assertEqual(sorted(first), ["label", "probabilities"])
            else:
                rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
                self.assertEqual(len(rows), 1309)
                self.assertEqual("ticket" in rows[0], "keep" in asked)
                want = self.server.ask(post(json.dumps({"rows": [PASSENGER]}).encode())).json()["predictions"][0]
                found = [r for r in rows if "keep" in asked and r["name"] == "Abbing, Mr. Anthony"]
                self.assertIn(want["label"], (0, 1))
                self.assertEqual(len(found), 1 if "keep" in asked else 0)
            self.problem(get(path.replace("batches", "runs") + "/metrics"), 404, "not_there")
        file = os.path.join(self.folder, "cli.csv")
        run(self.environment, "predict", "titanic", os.path.join(EXAMPLES, "titanic.csv"), "-o", file)
        path, _ = self.finish({"model": "titanic"}, where="/api/v1/batches")
        with open(file, "rb") as f:
            self.assertEqual(self.server.ask(get(path + "/file")).body, f.read())
        listed = [b["id"] for b in self.json(get("/api/v1/batches"))["batches"]]
        self.assertIn(path.rsplit("/", 1)[1], listed)
        self.assertNotIn(path.rsplit("/", 1)[1], [r["id"] for r in self.json(get("/api/v1/runs"))["runs"]])

    def test_lists_go_page_by_page(self):
        for _ in range(3):
            self.finish({"kind": "profile"})
        first = self.json(get("/api/v1/runs?limit=2"))["runs"]
        self.assertEqual(len(first), 2)
        second = self.json(get(f"/api/v1/runs?limit=1&before={first[1]['number']}"))["runs"]
        self.assertLess(second[0]["number"], first[1]["number"])
        self.problem(get("/api/v1/runs?limit=0"), 400, "invalid_query")

    def test_a_run_that_fails_says_why_and_not_where(self):
        for asked, code in [({"target": "survivd"}, "not_found"), ({"target": "survived", "settings": {"n_treas": 3}}, "input"),
                            ({"target": "survived", "model": "oak"}, "not_found")]:
            done = self.wait_for(self.create(asked), "failed")
            self.assertEqual(done["error"]["code"], code, done)
            self.assertNotIn(self.folder, done["error"]["message"])
        ragged = self.json(ask("POST", "/api/v1/datasets", b"a,b\n1,2\n3\n"), 201)["id"]
        done = self.wait_for(self.create({"target": "a", "dataset": ragged}), "failed")
        self.assertTrue(done["error"]["message"].startswith("the dataset: row 2"), done)
        path = "/api/v1/runs/" + done["id"]
        self.problem(get(path + "/metrics"), 409, "not_there")
        self.assertEqual(self.events(path)[-1][2]["state"], "failed")
        self.assertEqual(self.server.ask(ask("DELETE", path)).status, 204)
        self.problem(get(path), 404, "unknown_run")
        self.assertFalse(os.path.exists(os.path.join(self.environment["SLIPWAY_DATA_DIR"], "runs", done["id"])))

    def test_what_is_refused(self):
        wrong = [({"target": 1}, "/target"), ({}, "/target"), ({"target": "a", "kind": "fly"}, "/kind"),
                 ({"target": "a", "dataset": 5}, "/dataset"), ({"target": "a", "seed": -1}, "/seed"),
                 ({"target": "a", "folds": 1}, "/folds"), ({"target": "a", "prepare": []}, "/prepare"),
                 ({"target": "a", "prepare": {"impute": "hope"}}, "/prepare/impute"),
                 ({"target": "a", "prepare": {"drop": [1]}}, "/prepare/drop"),
                 ({"target": "a", "settings": {"n_trees": []}}, "/settings/n_trees"),
                 ({"target": "a", "split": {"test_share": 2}}, "/split"),
                 ({"target": "a", "read": {"types": {"x": "y"}}}, "/read/types/x"),
                 ({"target": "a", "deploy": {}}, "/deploy/name"), ({"target": "a", "deploy": "x"}, "/deploy"),
                 ({"target": "a", "deploy": {"name": "x", "alias": "7"}}, "/deploy/alias"),
                 ({"kind": "evaluate"}, "/model"), ({"kind": "evaluate", "model": "titanic", "version": 0}, "/version")]
        for asked, pointer in wrong:
            body = {"dataset": self.dataset, **asked}
            self.assertEqual(self.problem(ask("POST", "/api/v1/runs", body), 422, "wrong_shape").get("pointer"), pointer, asked)
        for asked, code, status in [({"target": "a", "tarket": 1}, "unknown_member", 422),
                                    ({"target": "a", "deploy": {"name": "-x"}}, "invalid_name", 422),
                                    ({"target": "a", "dataset": "0123"}, "unknown_dataset", 422),
                                    ({"kind": "evaluate", "model": "nobody"}, "unknown_model", 404),
                                    ({"kind": "evaluate", "model": "titanic", "version": 99}, "unknown_version", 404),
                                    ({"kind": "evaluate", "model": "titanic", "target": "a"}, "unknown_member", 422)]:
            self.problem(ask("POST", "/api/v1/runs", {"dataset": self.dataset, **asked}), status, code)
        for asked in [{"model": "titanic", "format": "xml"}, {"model": "titanic", "keep": 1},
                      {"model": "titanic", "keep": True, "format": "jsonl"}]:
            self.problem(ask("POST", "/api/v1/batches", {"dataset": self.dataset, **asked}), 422, "wrong_shape")
        self.problem(ask("POST", "/api/v1/runs", b"{"), 400, "invalid_json")
        self.problem(get("/api/v1/runs/x"), 404, "unknown_run")
        self.problem(get("/api/v1/batches/" + self.json(get("/api/v1/runs?limit=1"))["runs"][0]["id"]), 404, "unknown_batch")

    def test_the_same_key_starts_one_run(self):
        body = {"dataset": self.dataset, "kind": "profile"}
        first = self.server.ask(ask("POST", "/api/v1/runs", body, "Idempotency-Key: r1"))
        again = self.server.ask(ask("POST", "/api/v1/runs", body, "Idempotency-Key: r1"))
        self.assertEqual((first.status, first.body, first.headers["location"]),
                         (again.status, again.body, again.headers["location"]))
        self.problem(ask("POST", "/api/v1/runs", {**body, "read": {}}, "Idempotency-Key: r1"), 422, "idempotency_key_reused")
        self.problem(ask("POST", "/api/v1/batches", {"dataset": self.dataset, "model": "titanic"}, "Idempotency-Key: r1"), 422,
                     "idempotency_key_reused")


class Ceilings(JobsTest):
    environment_more = {"SLIPWAY_JOBS_QUEUED": "2"}

    def job_process(self):
        self.wait_until(lambda: children(self.server.process.pid))
        return children(self.server.process.pid)[0]

    def test_cancelled_while_it_runs_and_while_it_waits(self):
        running, waiting = self.create(LONG), self.create(LONG)
        self.wait_for(running, "running")
        pid = self.job_process()
        self.problem(ask("DELETE", "/api/v1/datasets/" + self.dataset), 409, "in_use")
        self.create({"kind": "profile"})  # one more would wait than may
        answer = self.server.ask(ask("POST", "/api/v1/runs", {"dataset": self.dataset, **SMALL}))
        self.assertEqual((answer.status, answer.headers.get("retry-after")), (503, "5"))
        self.assertEqual(self.server.ask(ask("POST", waiting + "/cancel")).json()["state"], "cancelled")
        self.assertEqual([d["state"] for _, _, d in self.events(waiting)], ["cancelled"])
        self.assertEqual(self.server.ask(ask("DELETE", running)).status, 202)
        self.assertEqual(self.events(running)[-1][2]["state"], "cancelled")
        self.assertEqual(self.state(running), "cancelled")
        self.wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
        self.problem(ask("POST", running + "/cancel"), 409, "ended")
        self.wait_until(lambda: all(r["state"] not in ("queued", "running") for r in self.json(get("/api/v1/runs"))["runs"]))

    def test_a_crash_is_told_and_the_server_lives(self):
        path = self.create(LONG)
        self.wait_for(path, "running")
        os.kill(self.job_process(), signal.SIGSEGV)
        done = self.wait_for(path, "failed")
        self.assertEqual(done["error"]["code"], "crash", done)
        self.assertTrue(self.server.alive())
        self.finish({"kind": "profile"})


class Hang(JobsTest):
    environment_more = {"SLIPWAY_JOB_MS": "5000"}

    def test_a_run_that_hangs_is_ended(self):
        path = self.create(LONG)
        self.wait_for(path, "running")
        os.kill(children(self.server.process.pid)[0], signal.SIGSTOP)
        done = self.wait_for(path, "failed")
        self.assertEqual(done["error"]["code"], "timeout", done)
        self.finish({"kind": "profile"})


class Memory(JobsTest):
    # So that a sanitizer gives NULL, as malloc does, where it would end the process.
    environment_more = {"SLIPWAY_JOB_MEMORY": str(48 << 20), "SLIPWAY_JOB_CPU_SECONDS": "60",
                        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":allocator_may_return_null=1"}

    def test_a_run_that_wants_too_much_is_ended(self):
        big = b"a,b,c\n" + b"".join(b"%d,%d,text number %d of many\n" % (i, i % 7, i) for i in range(400000))
        dataset = self.json(ask("POST", "/api/v1/datasets", big), 201)["id"]
        done = self.wait_for(self.create({"target": "b", "dataset": dataset}), "failed", seconds=90)
        self.assertIn(done["error"]["code"], ("memory", "limit"), done)
        self.assertTrue(self.server.alive())


class Processor(JobsTest):
    environment_more = {"SLIPWAY_JOB_CPU_SECONDS": "1"}

    def test_a_run_that_takes_too_long_is_ended(self):
        done = self.wait_for(self.create(LONG), "failed")
        self.assertEqual(done["error"]["code"], "cpu", done)


class Restart(JobsTest):
    def test_a_server_that_is_killed(self):
        running, waiting = self.create(LONG), self.create(SMALL)
        self.wait_for(running, "running")
        pid = children(self.server.process.pid)[0]
        self.server.process.kill()
        self.server.process.wait()
        self.wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
        self.server.process.stdout.close()
        self.server.log.close()
        self.server.__dict__.update(Server(self.environment, *self.arguments).__dict__)
        self.assertEqual(self.wait_for(running, "interrupted")["state"], "interrupted")
        self.assertEqual(self.wait_for(waiting, "succeeded", "failed")["state"], "succeeded")
        self.assertEqual(self.events(running)[-1][2]["state"], "interrupted")
        # A server that is told to stop interrupts what runs; another one over the same folder takes no jobs meanwhile.
        path = self.create(LONG)
        self.wait_for(path, "running")
        second = Server(self.environment, *self.arguments)
        self.assertEqual(second.ask(ask("POST", "/api/v1/runs", {"dataset": self.dataset, **SMALL})).status, 503)
        self.assertEqual(second.ask(get(path)).json()["state"], "running")
        self.server.stop()
        self.wait_until(lambda: second.ask(get(path)).json()["state"] == "interrupted")
        self.wait_until(lambda: second.ask(ask("POST", "/api/v1/runs", {"dataset": self.dataset, "kind": "profile"})).status == 202)
        self.server.__dict__.update(second.__dict__)


if __name__ == "__main__":
    unittest.main()
