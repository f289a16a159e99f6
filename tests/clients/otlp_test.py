"""Spans in protobuf, read by the classes that OpenTelemetry generates."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import http.server
import threading
import unittest

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from helpers.service import Server, ServiceTest, post

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


class Otlp(ServiceTest):
    def test_spans_parse_and_say_what_happened(self):
        bodies = []

        class Collector(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        self.addCleanup(collector.server_close)
        self.addCleanup(collector.shutdown)
        server = Server({**self.environment, "OTEL_SERVICE_NAME": "mine",
                         "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"})
        for _ in range(600):  # more than one batch
            server.ask(post(headers=[f"traceparent: 00-{TRACE}-{PARENT}-01"]))
        server.stop()  # sends what is left
        spans = []
        for content_type, body in bodies:
            self.assertEqual(content_type, "application/x-protobuf")
            request = ExportTraceServiceRequest.FromString(body)
            self.assertEqual(request.SerializeToString(deterministic=True), body)  # nothing is unknown, nothing lost
            (resource,) = request.resource_spans
            attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
            self.assertEqual(attributes["service.name"], "mine")
            (scope,) = resource.scope_spans
            self.assertEqual(scope.scope.name, "slipway")
            spans += scope.spans
        self.assertEqual(len(spans), 600)
        self.assertEqual(len({span.span_id for span in spans}), 600)
        for span in spans:
            self.assertEqual((span.trace_id.hex(), span.parent_span_id.hex()), (TRACE, PARENT))
            self.assertEqual((span.name, span.kind), ("POST /api/v1/models/{}/predict", span.SPAN_KIND_SERVER))
            self.assertLess(span.start_time_unix_nano, span.end_time_unix_nano)
            attributes = {a.key: a.value for a in span.attributes}
            self.assertEqual(attributes["http.response.status_code"].int_value, 200)
            self.assertEqual(attributes["slipway.rows"].int_value, 1)
            self.assertEqual(attributes["slipway.model"].string_value, "titanic")


if __name__ == "__main__":
    unittest.main()
