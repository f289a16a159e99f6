# The stages one at a time: train, evaluate, predict, deploy, models, alias, rollback, rm, and upkeep.
# SPDX-License-Identifier: Apache-2.0
import csv
import json
import os
import shutil
import subprocess
import unittest

from cli.program import EXAMPLES, PROGRAM, ROOT, ProgramTest

IRIS = os.path.join(EXAMPLES, "iris.csv")
SMALL = ["--set", "n_trees=10", "--set", "depth_max=4"]


class Stages(ProgramTest):
    def train(self, name="iris", *more):
        self.run_program("train", IRIS, "--target", "species", "-o", f"{name}.onnx", *SMALL, *more)
        return self.path(f"{name}.onnx")

    def test_train_prints_stages_and_metrics(self):
        done = self.run_program("train", IRIS, "--target", "species", *SMALL)
        stages = [line.split()[0] for line in done.stdout.splitlines() if line.strip()]
        for stage in ["read", "profile", "clean", "split", "prepare", "train", "evaluate", "package", "write"]:
            self.assertIn(stage, stages)
        self.assertIn("accuracy", done.stdout)
        self.assertTrue(os.path.exists(self.path("iris.onnx")))
        self.assertNotIn("\r", done.stdout)  # no progress bar where there is no terminal

    def test_same_options_same_bytes(self):
        digests = {self.run_json("train", IRIS, "--target", "species", "-o", "a.onnx", *SMALL, "--threads", n)["digest"]
                   for n in "1238"}
        self.assertEqual(len(digests), 1)
        other = self.run_json("train", IRIS, "--target", "species", "-o", "b.onnx", *SMALL, "--seed", "7")["digest"]
        self.assertNotIn(other, digests)

    def test_cross_validation(self):
        j = self.run_json("train", IRIS, "--target", "species", *SMALL, "--cv", "5")
        self.assertEqual(len(j["metrics"]["cross_validation"]["folds"]), 5)
        self.assertGreater(min(fold["accuracy"] for fold in j["metrics"]["cross_validation"]["folds"]), 0.8)

    def test_regression(self):
        diabetes = os.path.join(EXAMPLES, "diabetes.csv")
        with open(diabetes, newline="") as f:
            target = next(csv.reader(f))[-1]
        j = self.run_json("train", diabetes, "--target", target, *SMALL)
        self.assertGreater(j["metrics"]["test"]["r2"], 0.2)
        out = self.run_program("predict", "diabetes.onnx", diabetes).stdout
        values = [row for row in csv.reader(out.splitlines())]
        self.assertEqual(values[0], ["prediction"])
        float(values[1][0])

    def test_evaluate_agrees_with_the_predictions(self):
        model = self.train()
        j = self.run_json("evaluate", model, IRIS)
        self.run_program("predict", model, IRIS, "-o", "out.csv", "--keep")
        with open(self.path("out.csv"), newline="") as f:
            rows = list(csv.DictReader(f))
        right = sum(row["prediction"] == row["species"] for row in rows)
        self.assertAlmostEqual(right / len(rows), j["accuracy"], places=12)
        names = sorted({row["species"] for row in rows})
        for row in rows:
            shares = [float(row[f"probability_{name}"]) for name in names]
            self.assertAlmostEqual(sum(shares), 1, places=6)
            self.assertEqual(row["prediction"], names[shares.index(max(shares))])

    def test_labels_of_two_classes_are_the_likelier_one(self):
        titanic = os.path.join(EXAMPLES, "titanic.csv")
        self.run_program("train", titanic, "--target", "survived", *SMALL)
        out = self.run_program("predict", "./titanic.onnx", titanic).stdout
        rows = list(csv.DictReader(out.splitlines()))
        self.assertEqual({row["prediction"] for row in rows}, {"0", "1"})
        for row in rows:
            shares = [float(row["probability_0"]), float(row["probability_1"])]
            self.assertAlmostEqual(sum(shares), 1, places=6)
            self.assertEqual(row["prediction"], str(shares.index(max(shares))))

    def test_predict_reads_columns_as_the_model_was_trained(self):
        # Whole numbers and one word alone look like another type than in training.
        self.run_program("train", IRIS, "--target", "species", "-o", "iris.onnx", *SMALL)
        rows = self.write("one.csv", "sepal_length,sepal_width,petal_length,petal_width,species\n5,3,1,0,setosa\n")
        self.assertEqual(self.run_json("evaluate", "./iris.onnx", rows)["accuracy"], 1)

    def test_predict_reads_json_lines_and_writes_json(self):
        model = self.train()
        rows = self.write("rows.jsonl", '{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, '
                                        '"petal_width": 0.2}\n{"petal_width": 2.5, "petal_length": 6, '
                                        '"sepal_width": 3.3, "sepal_length": 6.3}\n')
        j = self.run_json("predict", model, rows)
        self.assertEqual([p["label"] for p in j["predictions"]], ["setosa", "virginica"])

    def test_deploy_alias_rollback_remove(self):
        first, second = self.train("first"), self.train("second", "--seed", "7")
        self.assertEqual(self.run_json("deploy", first, "--name", "iris")["version"], 1)
        self.assertEqual(self.run_json("deploy", second, "--name", "iris")["version"], 2)
        again = self.run_json("deploy", first, "--name", "iris")
        self.assertEqual((again["version"], again["existed"]), (1, True))
        self.run_program("alias", "iris", "production", "2")
        self.run_program("alias", "iris", "candidate", "1")
        j = self.run_json("models", "iris")
        self.assertEqual(j["aliases"], {"production": 2, "candidate": 1})
        self.assertEqual([v["version"] for v in j["versions"]], [1, 2])
        self.assertEqual(self.run_json("rollback", "iris")["to"], 1)
        self.fail_program("rm", "iris@candidate", says="candidate")
        self.run_program("alias", "iris", "candidate", "--remove")
        self.run_program("rm", "iris@2")
        self.assertEqual([v["version"] for v in self.run_json("models", "iris")["versions"]], [1])
        self.assertIn("iris", self.run_program("models").stdout)
        self.run_program("rm", "iris", "--force")
        self.assertEqual(self.run_json("models"), [])
        self.assertGreater(self.run_json("gc")["removed"], 0)
        self.assertEqual(self.run_json("fsck")["faults"], 0)

    def test_names_come_from_files(self):
        model = self.train()
        shutil.copy(model, self.path("My model (2).onnx"))
        self.assertEqual(self.run_json("deploy", self.path("My model (2).onnx"))["name"], "My-model-2")

    def test_registry_and_file_predict_the_same(self):
        model = self.train()
        self.run_program("deploy", model)
        self.assertEqual(self.run_program("predict", model, IRIS).stdout, self.run_program("predict", "iris", IRIS).stdout)
        self.assertEqual(self.run_program("predict", "iris@1", IRIS).stdout,
                         self.run_program("predict", "iris@production", IRIS).stdout)

    def test_backup_and_restore(self):
        self.run_program("deploy", self.train())
        self.run_program("backup", self.path("all.tar"))
        self.run_program("restore", self.path("all.tar"), "--data-dir", self.path("other"))
        before, after = self.run_json("models"), self.run_json("models", "--data-dir", self.path("other"))
        self.assertEqual(before, after)
        self.fail_program("restore", self.path("all.tar"), "--data-dir", self.path("other"))
        self.fail_program("restore", IRIS, "--data-dir", self.path("third"))
        self.assertFalse(os.path.exists(self.path("third")))

    def test_prepare_writes_features(self):
        done = self.run_program("prepare", os.path.join(EXAMPLES, "titanic.csv"), "--target", "survived", "-o", "f.csv",
                                "--scale", "standard")
        self.assertIn("age", done.stdout)
        with open(self.path("f.csv"), newline="") as f:
            rows = list(csv.DictReader(f))
        self.assertEqual(len(rows), 1309)
        self.assertEqual({row["split"] for row in rows}, {"train", "test"})
        ages = [float(row["age"]) for row in rows if row["split"] == "train"]
        mean = sum(ages) / len(ages)
        self.assertAlmostEqual(mean, 0, places=3)
        self.assertAlmostEqual(sum((a - mean) ** 2 for a in ages) / len(ages), 1, places=3)


class Tools(ProgramTest):
    def test_settings_by_precedence(self):
        file = self.write("settings.json", '{"port": 9001, "rows-max": 5, "log": "json"}')
        j = self.run_json("config", "--config", file, "--rows-max", "7", SLIPWAY_PORT="9002")
        self.assertEqual((j["port"]["value"], j["port"]["source"]), ("9002", "environment"))
        self.assertEqual((j["rows-max"]["value"], j["rows-max"]["source"]), ("7", "option"))
        self.assertEqual((j["log"]["value"], j["log"]["source"]), ("json", "file"))
        self.assertEqual(j["host"]["source"], "default")
        self.fail_program("config", SLIPWAY_PORT="70000", says="SLIPWAY_PORT")
        self.fail_program("config", "--port", "x", status=2, says="port")
        self.fail_program("config", "--config", self.write("bad.json", '{"prot": 1}'), says='did you mean "port"')

    def test_data_dir_of_a_user(self):
        home = {"SLIPWAY_DATA_DIR": "", "XDG_DATA_HOME": self.path("share")}
        self.assertEqual(self.run_json("config", **home)["data-dir"]["value"], self.path("share", "slipway"))

    def test_doctor(self):
        self.assertTrue(all(row["verdict"] != "FAULT" for row in self.run_json("doctor", "--port", "0")))
        self.write("registry", "not a folder")
        self.run_program("doctor", "--port", "0", status=1)

    def test_every_command_explains_itself(self):
        listed = self.run_program("--help").stdout
        names = [line.split()[0] for line in listed.split("Commands:")[1].splitlines() if line.startswith("  ")]
        self.assertGreater(len(names), 15)
        for name in names:
            text = self.run_program(name, "--help").stdout
            self.assertIn("Usage: slipway " + name, text)
            self.assertIn("Example", text)
            self.assertEqual(text, self.run_program("help", name).stdout)

    def test_wrong_words(self):
        self.fail_program("tran", status=2, says='did you mean "train"')
        self.fail_program("train", status=2, says="which data file")
        self.fail_program("train", "a.csv", "b.csv", status=2, says="b.csv")
        self.fail_program("train", IRIS, "--nosuch", status=2, says="nosuch")
        self.run_program(status=2)

    def test_completion_scripts_are_sound(self):
        for shell in ["bash", "zsh", "fish"]:
            text = self.run_program("completion", shell).stdout
            self.assertIn("rollback", text)
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=text, text=True, check=True)
        script = self.run_program("completion", "bash").stdout
        ask = script + 'COMP_WORDS=(slipway tr); COMP_CWORD=1; _slipway; echo "${COMPREPLY[@]}"\n' \
                       'COMP_WORDS=(slipway train --tar); COMP_CWORD=2; _slipway 2>/dev/null; echo "${COMPREPLY[@]}"\n'
        offered = subprocess.run(["bash"], input=ask, text=True, capture_output=True, check=True).stdout.split()
        self.assertEqual(offered, ["train", "--target="])
        self.fail_program("completion", "csh", status=2)

    def test_manual_page_is_what_is_committed(self):
        with open(os.path.join(ROOT, "docs", "slipway.1"), encoding="utf-8") as f:
            self.assertEqual(f.read(), self.run_program("manual").stdout)


if __name__ == "__main__":
    unittest.main()
