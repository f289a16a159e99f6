# What bad input gets: a clear error that says what, where and why, an exit status, and nothing left behind.
# SPDX-License-Identifier: Apache-2.0
import os
import unittest

from cli.program import EXAMPLES, ProgramTest

IRIS = os.path.join(EXAMPLES, "iris.csv")
TITANIC = os.path.join(EXAMPLES, "titanic.csv")
SMALL = ["--set", "n_trees=5", "--set", "depth_max=3"]


class BadData(ProgramTest):
    def refuse(self, content, *arguments, says, status=1):
        data = self.write("data.csv", content)
        before = sorted(os.listdir(self.folder))
        self.fail_program("train", data, *(arguments or ["--target", "y"]), *SMALL, status=status, says=says)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_ragged_row(self):
        self.refuse("x,y\n1,a\n2,b,c\n3,a\n", says=["data.csv", "row 2", "3", "2"])

    def test_target_that_does_not_exist(self):
        self.fail_program("train", TITANIC, "--target", "survivd", says=["survivd", "survived"])

    def test_no_target_lists_likely_ones(self):
        self.fail_program("train", TITANIC, status=2, says="survived")

    def test_one_class_only(self):
        self.refuse("x,y\n" + "".join(f"{i},a\n" for i in range(20)), says=["y", "a"])

    def test_zero_rows(self):
        self.refuse("x,y\n", says="row")
        self.refuse("", says="nothing in it")

    def test_binary_junk(self):
        self.refuse(bytes(range(256)) * 50, says="data.csv")
        self.refuse(os.urandom(5000), says="data.csv")

    def test_bad_utf8(self):
        self.refuse(b"x,y\n1,a\n2,\xff\xfe\n", says=["row 2", "UTF-8"])

    def test_huge_line(self):
        # A sparse file of 10 GB without a line end takes no disk; it is refused without being read whole.
        path = self.write("data.csv", "x,y\n1,")
        with open(path, "r+b") as f:
            f.truncate(10 << 30)
        self.fail_program("train", path, "--target", "y", says="data.csv")

    def test_missing_file_and_folder(self):
        self.fail_program("train", self.path("none.csv"), "--target", "y", says=["none.csv", "No such file"])
        self.fail_program("train", self.folder, "--target", "y", says=self.folder)

    def test_options_that_make_no_sense(self):
        self.fail_program("train", IRIS, "--target", "species", "--set", "n_tree=3", says=["n_tree", "n_trees"])
        self.fail_program("train", IRIS, "--target", "species", "--set", "n_trees=0", says="n_trees")
        self.fail_program("train", IRIS, "--target", "species", "--test-share", "1.5", status=2, says="test")
        self.fail_program("train", IRIS, "--target", "species", "--split", "group", status=2, says="column")
        self.fail_program("train", IRIS, "--target", "species", "--model", "forst", says=["forst", "forest"])
        self.fail_program("train", IRIS, "--target", "species", "--type", "species=colour", status=2, says="colour")
        self.fail_program("train", IRIS, "--target", "species", "--columns", "petal", says="petal")

    def test_disk_full_on_output(self):
        self.run_program("train", IRIS, "--target", "species", "-o", "iris.onnx", *SMALL)
        self.fail_program("predict", "./iris.onnx", IRIS, "-o", "/proc/none/out.csv", says="/proc/none")
        with open("/dev/full", "w") as full:
            import subprocess

            from cli.program import PROGRAM
            done = subprocess.run([PROGRAM, "predict", "./iris.onnx", IRIS], stdout=full, stderr=subprocess.PIPE,
                                  text=True, cwd=self.folder, env=self.environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)


class BadModels(ProgramTest):
    def setUp(self):
        super().setUp()
        self.run_program("train", IRIS, "--target", "species", "-o", "iris.onnx", *SMALL)
        with open(self.path("iris.onnx"), "rb") as f:
            self.model = f.read()

    def refuse(self, content, says=()):
        self.write("bad.onnx", content)
        self.fail_program("deploy", "./bad.onnx", says=["bad.onnx", *says])
        self.assertFalse(os.path.exists(self.path("registry")))

    def test_truncated(self):
        for share in [0, 1, 3, 50, 90, 99]:
            self.refuse(self.model[:len(self.model) * share // 100])

    def test_not_a_model(self):
        self.refuse(b"hello, world\n" * 100)
        self.refuse(os.urandom(4000))

    def test_changed_bytes_never_crash(self):
        # Every 97th byte in turn: refused with a message, or a model that can be used.
        for at in range(0, len(self.model), max(97, len(self.model) // 60)):
            changed = bytearray(self.model)
            changed[at] ^= 0x55
            self.write("changed.onnx", bytes(changed))
            import subprocess

            from cli.program import PROGRAM
            done = subprocess.run([PROGRAM, "predict", "./changed.onnx", IRIS], capture_output=True, text=True,
                                  cwd=self.folder, env=self.environment)
            self.assertIn(done.returncode, (0, 1), done.stderr)
            self.assertNotIn("Sanitizer", done.stderr)

    def test_rows_that_do_not_fit(self):
        rows = self.write("rows.csv", "sepal_length,sepal_width,petal_length\n1,2,3\n2,3,4\n")
        self.fail_program("predict", "./iris.onnx", rows, says="petal_width")
        rows = self.write("rows.csv", "sepal_length,sepal_width,petal_length,petal_width\n1,2,3,wide\n2,3,4,narrow\n")
        self.fail_program("predict", "./iris.onnx", rows, says="petal_width")
        rows = self.write("rows.csv", "sepal_length,species\n1,setosa\n2,tulip\n")
        self.fail_program("evaluate", "./iris.onnx", rows)

    def test_names(self):
        self.run_program("deploy", "./iris.onnx")
        self.fail_program("predict", "iri", IRIS, says=["iri", "iris"])
        self.fail_program("predict", "iris@9", IRIS, says="9")
        self.fail_program("deploy", "./iris.onnx", "--name", "../evil", status=2)
        self.fail_program("rollback", "iris")
        self.fail_program("alias", "iris", "production", "7", says="7")
        self.fail_program("alias", "iris", "production", "x", status=2)
        self.fail_program("rm", "iris", says="production")

    def test_registry_that_is_not_one(self):
        self.write("registry", "a file")
        self.fail_program("deploy", "./iris.onnx", says="registry")
        os.remove(self.path("registry"))
        os.mkdir(self.path("registry"))
        self.write("registry/registry.db", os.urandom(8192))
        self.fail_program("deploy", "./iris.onnx", says="registry")


if __name__ == "__main__":
    unittest.main()
