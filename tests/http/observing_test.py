"""What the server tells of its requests: the access log, trace context, spans for a collector."""
# SPDX-License-Identifier: Apache-2.0
import http.server
import json
import os
import re
import subprocess
import threading
import unittest

from helpers.service import BODY, PROGRAM, Server, ServiceTest, get, post

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Collector:
    """Takes what an exporter posts; answers with the statuses it is given, then with 200."""

    def __init__(self, statuses=()):
        self.requests, statuses = [], list(statuses)
        requests = self.requests

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = statuses.pop(0) if statuses else 200
                requests.append((self.path, dict(self.headers), body, status))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def spans(self):
        all_spans = []
        for _, _, body, status in self.requests:
            if status == 200:
                for resource in json.loads(body)["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        all_spans += scope["spans"]
        return all_spans


class Observing(ServiceTest):
    def serve(self, *arguments, **environment):
        server = Server({**self.environment, **environment}, *arguments)
        self.addCleanup(server.stop)
        return server

    def fault(self, *arguments, **environment):
        """What a server says that does not start."""
        done = subprocess.run([PROGRAM, "serve", "--port", "0", *arguments], env={**self.environment, **environment},
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return done.stderr

    def lines(self, path, n):
        def read():
            with open(path, encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        self.wait_until(lambda: os.path.exists(path) and len(read()) >= n)
        return read()

    def test_access_log_tells_of_requests_and_not_of_their_content(self):
        path = os.path.join(self.folder, "access.log")
        server = self.serve("--access-log", path, "--loops", "1")  # lines in the order of requests
        secret = b'{"rows":[{"sex":"s3cret"}]}'
        server.ask(post())
        server.ask(get("/nowhere?token=s3cret", ["X-Api-Key: s3cret"]))
        server.ask(post(secret))
        server.ask(get("/health/live", [f"traceparent: 00-{TRACE}-{PARENT}-01"]))
        lines = self.lines(path, 4)
        self.assertEqual([line["status"] for line in lines], [200, 404, 200, 200])
        first = lines[0]
        self.assertEqual((first["method"], first["route"]), ("POST", "/api/v1/models/{}/predict"))
        self.assertEqual((first["model"], first["version"], first["rows"]), ("titanic", 1, 1))
        self.assertEqual((first["received"], first["key"]), (len(BODY), "local"))
        self.assertRegex(first["time"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertLess(first["duration_us"], 10_000_000)
        self.assertNotEqual(first["trace_id"], lines[1]["trace_id"])
        self.assertEqual(lines[1]["route"], "")
        self.assertEqual(lines[3]["trace_id"], TRACE)
        with open(path, encoding="utf-8") as file:
            self.assertNotIn("s3cret", file.read())

    def test_a_log_that_was_moved_away_is_opened_again(self):
        path = os.path.join(self.folder, "moved.log")
        server = self.serve("--access-log", path)
        server.ask(get())
        self.lines(path, 1)
        os.rename(path, path + ".1")
        server.ask(get())
        self.assertEqual(len(self.lines(path, 1)), 1)

    def test_a_full_disk_loses_lines_and_no_requests(self):
        server = self.serve("--access-log", "/dev/full")
        for _ in range(3):
            self.assertEqual(server.ask(post()).status, 200)
        self.wait_until(lambda: server.metric("slipway_access_records_lost_total") >= 3)
        self.assertIn("access log cannot be written", server.read_log())

    def test_a_log_that_cannot_be_opened_is_told_at_the_start(self):
        self.assertIn("the access log /nowhere/at/all: No such file", self.fault("--access-log", "/nowhere/at/all"))

    def test_spans_reach_a_collector(self):
        collector = Collector([503])  # a first try fails
        self.addCleanup(collector.close)
        server = self.serve(OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_EXPORTER_OTLP_PROTOCOL="http/json",
                            OTEL_EXPORTER_OTLP_HEADERS="x-team=a%20b", OTEL_SERVICE_NAME="mine",
                            OTEL_RESOURCE_ATTRIBUTES="deployment.environment=test", OTEL_BSP_SCHEDULE_DELAY="50")
        server.ask(post(headers=[f"traceparent: 00-{TRACE}-{PARENT}-01"]))
        server.ask(get("/health/live", [f"traceparent: 00-{TRACE}-{PARENT}-00"]))  # not sampled, says its parent
        server.ask(get("/health/live", [f"traceparent: 00-{TRACE}-{PARENT}-zz"]))  # not valid: a trace of its own
        self.wait_until(lambda: len(collector.spans()) >= 2)
        path, headers, body, _ = collector.requests[-1]
        self.assertEqual((path, headers["X-Team" if "X-Team" in headers else "x-team"]), ("/v1/traces", "a b"))
        resource = {a["key"]: a["value"]["stringValue"]
                    for a in json.loads(body)["resourceSpans"][0]["resource"]["attributes"]}
        self.assertEqual(resource["service.name"], "mine")
        self.assertEqual(resource["deployment.environment"], "test")
        spans = {span["name"]: span for span in collector.spans()}
        self.assertEqual(len(spans), 2)
        span = spans["POST /api/v1/models/{}/predict"]
        self.assertEqual((span["traceId"], span["parentSpanId"], span["kind"]), (TRACE, PARENT, 2))
        self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
        attributes = {a["key"]: a["value"] for a in span["attributes"]}
        self.assertEqual(attributes["slipway.model"], {"stringValue": "titanic"})
        self.assertEqual(attributes["http.response.status_code"], {"intValue": "200"})
        self.assertNotEqual(spans["GET /health/live"]["traceId"], TRACE)
        self.assertNotIn("parentSpanId", spans["GET /health/live"])

    def test_a_collector_that_is_not_there_costs_nothing(self):
        server = self.serve(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_BSP_SCHEDULE_DELAY="10")
        for _ in range(20):
            self.assertEqual(server.ask(post()).status, 200)
        self.wait_until(lambda: "telemetry cannot be sent" in server.read_log())
        self.assertEqual(len(re.findall("telemetry cannot be sent", server.read_log())), 1)

    def test_settings_that_cannot_be_followed_are_told(self):
        for name, value, told in (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf and http/json are"),
                                  ("OTEL_TRACES_SAMPLER", "jaeger", "no sampler"),
                                  ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "no http or https URL")):
            with self.subTest(name):
                self.assertIn(told, self.fault(**{"OTEL_TRACES_EXPORTER": "otlp", name: value}))


if __name__ == "__main__":
    unittest.main()
