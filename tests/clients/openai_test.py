"""OpenAI's own client: models are listed and found, and what cannot be done becomes its exceptions."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import unittest

import openai

from helpers.service import ServiceTest


class OpenAiClient(ServiceTest):
    def setUp(self):
        self.clients = [openai.OpenAI(base_url=f"http://127.0.0.1:{self.server.port}{root}", api_key="none",
                                      max_retries=0) for root in ["/v1", "/openai/v1"]]
        for client in self.clients:
            self.addCleanup(client.close)

    def test_models(self):
        for client in self.clients:
            listed = list(client.models.list())
            self.assertEqual([m.id for m in listed], ["diabetes", "titanic"])
            self.assertEqual({m.object for m in listed}, {"model"})
            self.assertEqual(client.models.retrieve("titanic").owned_by, "slipway")
            with self.assertRaises(openai.NotFoundError) as caught:
                client.models.retrieve("nobody")
            self.assertEqual((caught.exception.code, caught.exception.param), ("model_not_found", "model"))

    def test_what_asks_for_text(self):
        for client in self.clients:
            for ask in [lambda c, name: c.chat.completions.create(model=name, messages=[{"role": "user", "content": "hi"}]),
                        lambda c, name: c.completions.create(model=name, prompt="hi"),
                        lambda c, name: c.embeddings.create(model=name, input="hi")]:
                with self.assertRaises(openai.NotFoundError) as caught:
                    ask(client, "nobody")
                self.assertEqual(caught.exception.code, "model_not_found")
                with self.assertRaises(openai.BadRequestError) as caught:
                    ask(client, "titanic")
                self.assertEqual(caught.exception.code, "not_a_language_model")
                self.assertIn("/api/v1/models/titanic/predict", caught.exception.message)


if __name__ == "__main__":
    unittest.main()
