#!/usr/bin/env python3
"""Every example of the SDK, run as its first lines tell: `pawl run … -- <example> --demo`.

    test_examples.py sqlite|redis
"""

import re
import unittest

from checks import scenario, store_kind
from harness import ROOT

STORE = store_kind() if __name__ == "__main__" else "sqlite"


def examples():
    """The names in the CMakeLists.txt of the examples: a new one is tested at once."""
    text = (ROOT / "sdk/examples/CMakeLists.txt").read_text()
    return re.search(r"foreach\(name ([^)]*)\)", text).group(1).split()


class Examples(unittest.TestCase):
    @scenario
    def test_every_demo_ends_as_expected(self):
        names = examples()
        self.assertGreaterEqual(len(names), 7)
        redis = self.h.redis() if STORE == "redis" else None
        runs = [self.run_demo(name, redis.url if redis else f"sqlite://{self.h.folder}/{name}.db")
                for name in names]
        for run in runs:
            self.assertEqual(run.wait(240), 0, run.log())
            self.assertIn("The demo ended as expected.", run.log())

    def run_demo(self, name, store):
        return self.h.process(
            [self.h.build / "cli/pawl", "run", "--app-id", name.replace("_", "-"),
             "--store", store, "--http-port", "0",
             "--", self.h.build / f"sdk/examples/example_{name}", "--demo"], name)

    @scenario
    def test_an_example_takes_up_what_was_started_before_it_came(self):
        store = getattr(self.h, STORE)()
        sidecar = self.h.sidecar("chain", store)
        instance = sidecar.api.start("chain", "Ada")
        sidecar.kill()
        sidecar.start()
        app = self.h.app([self.h.build / "sdk/examples/example_chain"], sidecar)
        state = sidecar.api.wait(instance)
        self.assertEqual(state["properties"]["dapr.workflow.output"], "*** HELLO ADA ***")
        self.assertEqual(app.stop(), 0)
        self.assertEqual(sidecar.stop(), 0)


if __name__ == "__main__":
    unittest.main()
