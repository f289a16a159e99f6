# As fault/serve/kill, a hundred times.
# Timeout: 600
# SPDX-License-Identifier: Apache-2.0
import os
import unittest

os.environ.setdefault("KILLS", "100")

from fault.serve.kill_test import KillTest  # noqa: E402,F401 pylint: disable=wrong-import-position,unused-import

if __name__ == "__main__":
    unittest.main()
