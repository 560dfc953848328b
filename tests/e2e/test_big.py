#!/usr/bin/env python3
"""As much as the limits allow, and one more: wide fan-outs, long histories, large payloads.

    test_big.py sqlite|redis
"""

import unittest

from checks import check_history, scenario, store_kind, test_app, wait_connected
from harness import output_of, until

STORE = store_kind() if __name__ == "__main__" else "sqlite"
FAN_OUT_MAX = 10000
PAYLOAD_MAX = 4 << 20
PATIENCE = 240


class Big(unittest.TestCase):
    def begin(self):
        self.store = getattr(self.h, STORE)()
        self.sidecar = self.h.sidecar("big", self.store)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar, program="conformance_app")

    def count(self, instance):
        return self.api.get(instance)["historyCount"]

    def fails(self, instance, *words):
        state = self.api.wait(instance, timeout=PATIENCE)
        self.assertEqual(state["runtimeStatus"], "FAILED")
        for word in words:
            self.assertIn(word, state["properties"]["dapr.workflow.failure.error_message"])

    @scenario
    def test_ten_thousand_activities_at_once(self):
        self.begin()
        self.api.start("wide", f"1 {FAN_OUT_MAX}", "most")
        state = self.api.wait("most", timeout=PATIENCE)
        self.assertEqual((state["runtimeStatus"], output_of(state)), ("COMPLETED", FAN_OUT_MAX))
        check_history("most", self.api.history("most"))
        self.api.start("wide", f"1 {FAN_OUT_MAX + 1}", "more")
        self.fails("more", "10000")

    @scenario
    def test_a_history_of_fifty_thousand_events(self):
        self.begin()
        rounds, each = 12, 2000  # two events each, and a few for the turns
        self.api.start("wide", f"{rounds} {each}", "long")
        until(lambda: self.count("long") > 30000, PATIENCE, "a long history")
        self.sidecar.restart(kill=True)  # now all of it is read back and replayed
        wait_connected(self.app, self.sidecar)
        state = self.api.wait("long", timeout=PATIENCE)
        self.assertEqual((state["runtimeStatus"], output_of(state)), ("COMPLETED", rounds * each))
        self.assertGreater(self.count("long"), 2 * rounds * each)
        check_history("long", self.api.history("long"))
        self.api.start("wide", f"{rounds + 1} {each}", "longer")
        self.fails("longer", "50000", "continue as new")

    @scenario
    def test_payloads_of_the_largest_size_hold_up_nobody(self):
        self.begin()
        large = [f"large-{number}" for number in range(4)]
        for instance in large:
            self.api.start("steps", "|" + f"~a:big:{PAYLOAD_MAX} ~a:big:{PAYLOAD_MAX} t:50 n " * 500,
                           instance)
        for instance in large:
            until(lambda i=instance: self.api.get(i, payloads=False)["generation"] > 1, PATIENCE,
                  f"{instance} under way")
        for number in range(20):
            instance = self.api.start("steps", "|a:echo:1 a:echo:2 a:echo:3", f"small-{number}")
            state = self.api.wait(instance, timeout=PATIENCE)
            self.assertEqual(output_of(state, json_=False), "1,2,3")
        for instance in large:  # as busy as before
            self.assertEqual(self.api.get(instance, payloads=False)["runtimeStatus"], "RUNNING")
            self.api.terminate(instance)


if __name__ == "__main__":
    unittest.main(argv=[__file__])
