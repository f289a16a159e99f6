"""Requests that schemathesis makes from the introspected schema: none is a fault of the server, none breaks the protocol."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import unittest

from helpers.service import ServiceTest

try:
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
    from schemathesis.graphql import nodes
except ImportError:
    schemathesis = None


class GraphQlExplored(ServiceTest):
    def test_no_request_is_a_fault_of_the_server(self):
        if not schemathesis:
            self.skipTest("schemathesis is not here")
        schemathesis.graphql.scalar("Long", st.integers(-2**63, 2**63 - 1).map(nodes.Int))
        schemathesis.graphql.scalar("JSON", st.one_of(st.integers().map(nodes.Int), st.booleans().map(nodes.Boolean),
                                                      st.text(max_size=8).map(nodes.String)))
        schemathesis.graphql.scalar("DateTime", st.just(nodes.String("2026-01-31T12:00:00Z")))
        schema = schemathesis.graphql.from_url(f"http://127.0.0.1:{self.server.port}/graphql")
        n = 0
        for found in schema.get_all_operations():
            operation = found.ok()

            @given(case=operation.as_strategy())
            @settings(max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                      suppress_health_check=list(HealthCheck))
            def explore(case):
                response = case.call()
                self.assertEqual(response.status_code, 200, response.text)
                answer = response.json()
                self.assertIn("data", answer, (case.body, answer)) # what it makes is valid, for us too
                for error in answer.get("errors", []):
                    self.assertNotEqual(error["extensions"]["code"], "internal", (case.body, error))
            explore()
            n += 1
        self.assertGreater(n, 15)
        self.assertTrue(self.server.alive())


if __name__ == "__main__":
    unittest.main()
