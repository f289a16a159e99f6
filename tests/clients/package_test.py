"""What is shipped, before the checkers of those it is shipped to: Debian's, systemd's, Kubernetes', containers'."""
# Venv: clients
# SPDX-License-Identifier: Apache-2.0
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import kubernetes_validate
import yaml

from helpers.service import PROGRAM, ROOT, ServiceTest, get

DEPLOY = os.path.join(ROOT, "deploy")
UNIT = os.path.join(DEPLOY, "systemd/slipway.service")
EXPOSURE_MAX = 20  # tenths: systemd calls up to 2.0 "OK" to "SAFE"


def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def needs(program):
    return unittest.skipUnless(shutil.which(program), f"{program} is not here")


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="slipway-package-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.file = cls.make("a")

    @classmethod
    def make(cls, name):
        done = run(os.path.join(DEPLOY, "package"), os.path.join(cls.folder, name))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def test_same_bytes_again(self):
        with open(self.file, "rb") as a, open(self.make("b"), "rb") as b:
            self.assertEqual(a.read(), b.read())

    @needs("lintian")
    def test_lintian_is_silent(self):
        done = run("lintian", "--allow-root", self.file)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_program_runs_from_where_it_is_unpacked(self):
        root = os.path.join(self.folder, "root")
        self.assertEqual(run("dpkg-deb", "-x", self.file, root).returncode, 0)
        done = run(os.path.join(root, "usr/bin/slipway"), "--version")
        self.assertEqual(done.stdout, run(PROGRAM, "--version").stdout)
        self.assertTrue(os.path.exists(os.path.join(root, "usr/share/man/man1/slipway.1.gz")))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SLIPWAY_")}
        settings = run(PROGRAM, "config", "--config", os.path.join(root, "etc/slipway/slipway.json"), env=environment)
        self.assertEqual(settings.returncode, 0, settings.stderr)

    @needs("systemd-analyze")
    def test_unit_is_sound_and_tight(self):
        unit = os.path.join(self.folder, "slipway.service")
        with open(UNIT, encoding="utf-8") as file, open(unit, "w", encoding="utf-8") as to:
            to.write(file.read().replace("/usr/bin/slipway", PROGRAM))
        done = run("systemd-analyze", "verify", "--man=no", unit)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        done = run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", UNIT)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_container_file_follows_the_rules(self):
        # A linter wants the file to be called Dockerfile.
        path = os.path.join(self.folder, "Dockerfile")
        shutil.copy(os.path.join(DEPLOY, "Containerfile"), path)
        done = run(os.path.join(ROOT, "tests/tools/node-modules"), "dockerfilelint", path)
        if done.returncode == 77:
            self.skipTest("the packages of npm are not here")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Kubernetes(ServiceTest):
    def test_manifests_are_valid_and_true(self):
        version = re.search(r"[0-9][^ \n]*", run(PROGRAM, "--version").stdout).group()
        paths = glob.glob(os.path.join(DEPLOY, "kubernetes/*.yaml"))
        self.assertTrue(paths)
        probed = set()
        for path in paths:
            with open(path, encoding="utf-8") as file:
                for document in yaml.safe_load_all(file):
                    kubernetes_validate.validate(document, "1.31", strict=True)
                    if document["kind"] != "StatefulSet":
                        continue
                    for container in document["spec"]["template"]["spec"]["containers"]:
                        self.assertTrue(container["image"].endswith(":" + version), container["image"])
                        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                            probed.add(container[probe]["httpGet"]["path"])
        self.assertTrue(probed)
        for path in probed:
            self.assertEqual(self.server.ask(get(path)).status, 200, path)


if __name__ == "__main__":
    unittest.main()
