# `slipway explain`: contributions add up to what `predict` says, in CSV and JSON, for any number of threads.
# SPDX-License-Identifier: Apache-2.0
import csv
import os
import unittest

from cli.program import EXAMPLES, ProgramTest

TITANIC = os.path.join(EXAMPLES, "titanic.csv")
DIABETES = os.path.join(EXAMPLES, "diabetes.csv")
SMALL = ["--set", "n_trees=8", "--set", "depth_max=6"]


class Explain(ProgramTest):
    def train(self):
        self.run_program("train", TITANIC, "--target", "survived", "-o", "t.onnx", *SMALL)
        return self.path("t.onnx")

    def rows(self, *arguments):
        return list(csv.DictReader(self.run_program(*arguments).stdout.splitlines()))

    def test_contributions_add_up_to_the_prediction(self):
        model = self.train()
        predicted = self.rows("predict", model, TITANIC)
        explained = self.rows("explain", model, TITANIC)
        self.assertEqual(len(predicted), len(explained))
        columns = [name for name in explained[0] if name.startswith("contribution_")]
        self.assertIn("contribution_sex", columns)  # the columns of the file, not the features made of them
        self.assertNotIn("contribution_survived", columns)
        for p, x in zip(predicted, explained):
            self.assertEqual((x["prediction"], x["class"]), (p["prediction"], p["prediction"]))
            self.assertAlmostEqual(float(x["explained"]), float(p["probability_" + p["prediction"]]), delta=1e-6)
            total = float(x["base"]) + sum(float(x[name]) for name in columns)
            self.assertAlmostEqual(total, float(x["explained"]), delta=1e-9)

    def test_one_class_for_all_rows(self):
        model = self.train()
        one = self.rows("explain", model, TITANIC, "--class", "1")
        other = self.rows("explain", model, TITANIC, "--class", "0")
        self.assertEqual({row["class"] for row in one}, {"1"})
        for a, b in zip(one, other):
            self.assertAlmostEqual(float(a["contribution_sex"]), -float(b["contribution_sex"]), delta=1e-12)

    def test_the_largest(self):
        model = self.train()
        everything = self.rows("explain", model, TITANIC)
        for row, full in zip(self.rows("explain", model, TITANIC, "--top", "2"), everything):
            sizes = sorted((abs(float(v)) for k, v in full.items() if k.startswith("contribution_")), reverse=True)
            self.assertAlmostEqual(abs(float(row["contribution_1"])), sizes[0])
            self.assertAlmostEqual(abs(float(row["contribution_2"])), sizes[1])
            self.assertEqual(row["contribution_1"], full["contribution_" + row["column_1"]])
            total = sum(float(row[k]) for k in ("base", "contribution_1", "contribution_2", "contribution_others"))
            self.assertAlmostEqual(total, float(row["explained"]), delta=1e-9)

    def test_json_and_summary(self):
        model = self.train()
        j = self.run_json("explain", model, TITANIC, "--top", "3")
        self.assertEqual(j["space"], "probability")
        self.assertEqual(len(j["explanations"][0]["contributions"]), 3)
        full = self.run_json("explain", model, TITANIC)
        means = {c["column"]: c["mean_absolute"] for c in full["summary"]}
        self.assertEqual(list(means.values()), sorted(means.values(), reverse=True))
        sex = [abs(x["contributions"]["sex"]) for x in full["explanations"]]
        self.assertAlmostEqual(means["sex"], sum(sex) / len(sex))
        short = self.rows("explain", model, TITANIC, "--summary")
        self.assertEqual({r["column"]: float(r["mean_absolute"]) for r in short}, means)
        said = self.run_program("explain", model, TITANIC, "-o", "x.csv").stdout
        self.assertIn("mean |contribution|", said)
        self.assertTrue(os.path.exists(self.path("x.csv")))

    def test_threads_change_no_byte(self):
        model = self.train()
        texts = {self.run_program("explain", model, TITANIC, "--threads", n).stdout for n in "138"}
        self.assertEqual(len(texts), 1)

    def test_a_model_of_numbers(self):
        with open(DIABETES, newline="") as f:
            target = next(csv.reader(f))[-1]
        self.run_program("train", DIABETES, "--target", target, "-o", "d.onnx", *SMALL)
        predicted = self.rows("predict", "d.onnx", DIABETES)
        for p, x in zip(predicted, self.rows("explain", "d.onnx", DIABETES)):
            self.assertEqual(x["prediction"], p["prediction"])
            self.assertNotIn("class", x)
            self.assertAlmostEqual(float(x["explained"]), float(p["prediction"]), delta=1e-4)
        self.assertEqual(self.run_json("explain", "d.onnx", DIABETES)["space"], "value")
        self.fail_program("explain", "d.onnx", DIABETES, "--class", "1", says="predicts a value")

    def test_permutation_importance(self):
        model = self.train()
        j = self.run_json("explain", model, TITANIC, "--importance", "permutation", "--repeats", "3")
        self.assertEqual((j["rows"], j["repeats"]), (1309, 3))
        means = {c["column"]: c["mean"] for c in j["columns"]}
        self.assertEqual(list(means.values()), sorted(means.values(), reverse=True))
        self.assertEqual(next(iter(means)), "sex")
        self.assertGreater(means["sex"], 0.02)
        measured = self.run_json("evaluate", model, TITANIC)
        self.assertAlmostEqual(j["measured"], measured[j["metric"]], places=12)
        accuracy = self.rows("explain", model, TITANIC, "--importance", "permutation", "--metric", "accuracy")
        self.assertEqual(list(accuracy[0]), ["column", "accuracy_drop", "deviation"])
        texts = {self.run_program("explain", model, TITANIC, "--importance", "permutation", "--threads", n).stdout
                 for n in "13"}
        self.assertEqual(len(texts), 1)
        self.fail_program("explain", model, TITANIC, "--importance", "permutation", "--metric", "taste", says="taste")

    def test_partial_dependence_is_the_mean_prediction(self):
        model = self.train()
        points = self.rows("explain", model, TITANIC, "--dependence", "sex")
        self.assertEqual([p["sex"] for p in points], ["female", "male"])
        with open(TITANIC, newline="") as f:
            rows = list(csv.DictReader(f))
        with open(self.path("male.csv"), "w", newline="") as f:
            writer = csv.DictWriter(f, rows[0])
            writer.writeheader()
            writer.writerows({**row, "sex": "male"} for row in rows)
        predicted = self.rows("predict", model, "male.csv")
        mean = sum(float(row["probability_1"]) for row in predicted) / len(predicted)
        self.assertAlmostEqual(float(points[1]["probability_1"]), mean, places=6)
        ages = self.run_json("explain", model, TITANIC, "--dependence", "age")["points"]
        self.assertTrue(2 <= len(ages) <= 20)
        self.assertEqual([p["value"] for p in ages], sorted(p["value"] for p in ages))
        for p in ages:
            self.assertAlmostEqual(sum(p["probabilities"].values()), 1, places=6)
        self.fail_program("explain", model, TITANIC, "--dependence", "shoe", says='no column "shoe"')

    def test_options_that_exclude_one_another(self):
        for options in [("--importance", "permutation", "--top", "1"), ("--importance", "shap"), ("--repeats", "3"),
                        ("--importance", "permutation", "--dependence", "age"), ("--dependence", "age", "--summary"),
                        ("--importance", "permutation", "--repeats", "0")]:
            self.fail_program("explain", "m.onnx", TITANIC, *options, status=2)

    def test_what_is_refused(self):
        model = self.train()
        self.fail_program("explain", model, TITANIC, "--class", "maybe", says="no such class")
        self.fail_program("explain", model, TITANIC, "--top", "0", says="--top 0", status=2)
        self.fail_program("explain", "nothing.onnx", TITANIC, says="nothing.onnx")


if __name__ == "__main__":
    unittest.main()
