#!/usr/bin/env python3
"""Sidecars and placement on the kinds of Redis that a URL can name besides one plain server: a
cluster, and TLS. What each of them answers is in tests/conformance; here work runs on it."""

import subprocess
import unittest

from checks import check_history, executions_in, read_runs, scenario
from cluster import Cluster
from harness import output_of

COUNT = 12  # of each sort


class Kinds(unittest.TestCase):
    def doctor(self, url):
        return subprocess.run(
            [self.h.build / "cli/pawl", "doctor", f"--store={url}", "--app-id=shop",
             "--stuck=1h"], capture_output=True, text=True, timeout=300, cwd=self.h.folder)

    def run_work(self, store):
        """Work of each sort on two sidecars, of which one is killed and replaced."""
        cluster = Cluster(self.h, 2, store=store, replicas=2)
        api = cluster.client()
        expected = {}

        def start(name, payload, output):
            instance = f"{name}-{len(expected)}"
            api.start(name, payload, instance, request_id=f"start-{instance}")
            expected[instance] = output

        for _ in range(COUNT):
            start("chain", "40", 40)
            start("fan", "20", sum(n * n for n in range(21)))
            start("family", "3", 6)
            start("collect", "1", "x")
        cluster.kill(1)
        cluster.replace(1)
        for instance, output in expected.items():
            if output == "x":
                api.raise_event(instance, "item", "x", request_id=f"item-{instance}")
        for instance, output in expected.items():
            self.assertEqual(output_of(api.wait(instance), json_=output != "x"), output)
        runs = read_runs(self.h)
        for state in api.list():
            instance = state["instanceID"]
            self.assertEqual(state["runtimeStatus"], "COMPLETED", state)
            events = api.history(instance)
            check_history(instance, events)
            self.assertLessEqual(executions_in(events), set(runs.get(instance, [])))
        ran = self.doctor(store.url)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertIn("no findings", ran.stdout)
        for pair in cluster.pairs:
            self.assertEqual(pair.sidecar.stop(), 0)

    @scenario
    def test_a_cluster_of_three_shards(self):
        store = self.h.redis_cluster()
        self.run_work(store)
        for server in store.servers:
            self.assertGreater(len(server.keys("*||history-*")), 0, "each shard has its part")

    @scenario
    def test_tls(self):
        store = self.h.tls_redis()
        self.run_work(store)
        ran = self.doctor(store.bare_url)
        self.assertEqual(ran.returncode, 2, ran.stdout)
        self.assertIn("certificate", ran.stderr)


if __name__ == "__main__":
    unittest.main()
