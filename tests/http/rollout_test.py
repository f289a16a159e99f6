# A canary: its share of the traffic, sticky keys, promotion, and being taken back by itself, with the reason on record.
# SPDX-License-Identifier: Apache-2.0
import json
import unittest

from helpers.service import Server, ServiceTest, get, post, run

DROP = ("--drop", "name,ticket,cabin,home.dest")
MODEL = "/api/v1/models/titanic"


def put(body, path=MODEL + "/deployment"):
    data = json.dumps(body).encode()
    return (f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n\r\n").encode() + data


def act(what):
    return f"POST {MODEL}/deployment/{what} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()


class Rollout(ServiceTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deploy(cls.train("titanic", "survived", 12, *DROP, output="second.onnx"), "--name", "titanic")
        # The third wants a column that nobody sends any more: what it is asked fails.
        broken = cls.train("titanic", "survived", 10, "--drop", "name,ticket,cabin,home.dest,age,embarked",
                           output="third.onnx")
        cls.deploy(broken, "--name", "titanic", "--alias", "odd")

    def setUp(self):
        run(self.environment, "alias", "titanic", "production", "1")
        self.wait_until(lambda: self.deployment().get("primary") == 1)

    def tearDown(self):
        self.server.ask(act("abort"))  # what a test that failed left
        self.wait_until(lambda: self.deployment()["canary"] is None)

    def deployment(self):
        answer = self.server.ask(get(MODEL + "/deployment"))
        return answer.json() if answer.status == 200 else {}

    def start(self, canary, weight, **guards):
        answer = self.server.ask(put({"canary": canary, "weight": weight, "guards": guards}))
        self.assertEqual(answer.status, 200, answer.body)
        self.wait_until(lambda: all((self.deployment().get("canary") or {}).get("loaded") for _ in range(8)))

    def end(self, what):
        answer = self.server.ask(act(what))
        self.assertEqual(answer.status, 200, answer.body)
        self.wait_until(lambda: self.deployment()["canary"] is None)

    def versions(self, n, headers=lambda i: ()):
        seen = []
        with self.server.client() as c:
            for i in range(n):
                answer = c.ask(post(headers=headers(i)))
                seen.append(answer.json().get("version") if answer.status == 200 else 0)
        return seen

    def test_weights(self):
        self.start(2, 250)
        seen = self.versions(2000)
        share = seen.count(2) / len(seen)
        print(f"250 per mille: {share:.3f}")
        self.assertTrue(0.2 < share < 0.3, share)  # five standard deviations are 0.05
        by_key = [set(self.versions(3, lambda i: (f"X-Routing-Key: user-{k}",))) for k in range(60)]
        self.assertTrue(all(len(s) == 1 for s in by_key))
        self.assertEqual(set().union(*by_key), {1, 2})
        # Who was in at 250 stays in at 600.
        self.assertEqual(self.server.ask(put({"canary": 2, "weight": 600})).status, 200)
        self.wait_until(lambda: all(self.deployment()["weight"] == 600 for _ in range(8)))
        more = [set(self.versions(1, lambda i: (f"X-Routing-Key: user-{k}",))) for k in range(60)]
        self.assertTrue(all(b == {2} for a, b in zip(by_key, more) if a == {2}))
        self.end("abort")
        self.wait_until(lambda: set(self.versions(50)) == {1})

    def test_promote_and_roll_back(self):
        self.start(2, 100)
        self.end("promote")
        self.wait_until(lambda: self.deployment()["primary"] == 2 and set(self.versions(20)) == {2})
        answer = self.server.ask(act("rollback"))  # nothing is on its way: back to what was deployed before
        self.assertEqual((answer.status, answer.json()["primary"]), (200, 1), answer.body)
        self.wait_until(lambda: set(self.versions(20)) == {1})
        events = [e["event"] for e in self.deployment()["events"]]
        self.assertEqual(events[:2], ["promoted", "started"])

    def test_the_same_request_again(self):
        def keyed(what, key):
            return act(what).replace(b"Content-Length", f"Idempotency-Key: {key}\r\nContent-Length".encode())

        for version in (2, 3, 1):  # production was 2 before it was 3 before it is 1
            run(self.environment, "alias", "titanic", "production", str(version))
        self.wait_until(lambda: self.deployment()["primary"] == 1)
        first = self.server.ask(keyed("rollback", "once"))
        self.assertEqual((first.status, first.json()["primary"]), (200, 3))
        for _ in range(3):
            again = self.server.ask(keyed("rollback", "once"))
            self.assertEqual((again.status, again.body), (200, first.body))
        self.wait_until(lambda: self.deployment()["primary"] == 3)
        answer = self.server.ask(keyed("promote", "once"))
        self.assertEqual((answer.status, answer.json()["code"]), (422, "idempotency_key_reused"))
        self.assertEqual(self.server.ask(keyed("promote", "other")).status, 404)  # a refusal is not kept
        alias = f"POST {MODEL}/aliases/production/rollback HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\n" \
                "Content-Length: 0\r\n\r\n"
        self.assertEqual([self.server.ask(alias.encode()).json()["version"] for _ in range(2)], [2, 2])

    def test_taken_back(self):
        self.start(3, 500, requests_min=50, window_s=5)
        # Rows with an age: the third does not know that column, so what it is asked is refused.
        self.wait_until(lambda: self.versions(40) and self.deployment()["canary"] is None, 20)
        event = self.deployment()["events"][0]
        self.assertEqual((event["event"], event["detail"]["broken"]), ("rolled_back", "error_rate"))
        self.assertGreater(event["detail"]["error_rate"][1], 0.9)
        self.assertEqual(event["detail"]["error_rate"][0], 0)
        self.wait_until(lambda: set(self.versions(50)) == {1})
        self.assertIn("canary taken back", self.server.read_log())

    def test_refusals(self):
        for body, status in (({"canary": 9, "weight": 1}, 404), ({"canary": 1, "weight": 1}, 409),
                             ({"canary": 2, "weight": 1001}, 422), ({"weight": 1}, 422),
                             ({"canary": 2, "weight": 1, "guards": {"requests_min": 1}}, 422),
                             ({"canary": 2, "weight": 1, "colour": 1}, 422)):
            self.assertEqual(self.server.ask(put(body)).status, status, body)
        for what in ("promote", "abort"):
            self.assertEqual(self.server.ask(act(what)).status, 404)
        self.assertEqual(self.server.ask(put({"canary": 2, "weight": 1}, "/api/v1/models/nix/deployment")).status, 404)

    def test_list_and_restart(self):
        self.start(2, 300)
        def listed():
            all_of_them = self.server.ask(get("/api/v1/deployments")).json()["deployments"]
            return [(d["model"], d["weight"]) for d in all_of_them if d["canary"]]

        self.wait_until(lambda: listed() == [("titanic", 300)])  # event loops follow within a moment of each other
        other = Server(self.environment)  # another server of the same registry does the same
        try:
            with other.client() as c:
                seen = [c.ask(post()).json()["version"] for _ in range(300)]
            self.assertTrue(40 < seen.count(2) < 150, seen.count(2))
        finally:
            other.stop()
        self.end("abort")


if __name__ == "__main__":
    unittest.main()
