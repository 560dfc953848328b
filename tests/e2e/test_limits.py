#!/usr/bin/env python3
"""Limits of a whole app: over two and three sidecars never more run together than the limit says,
also when the sidecar that hands out the places is killed, and work goes on."""

import subprocess
import unittest

from checks import scenario, whole_lines
from cluster import Cluster
from harness import PATIENCE, output_of, until

APP = "shop"


class Limited(Cluster):
    """Sidecars that all have the same limits."""

    def __init__(self, harness, count, *limits, **options):
        self.limits = [f"--{limit}" for limit in limits]
        super().__init__(harness, count, APP, program="limit_app", **options)

    def options(self):
        return [*super().options(), *self.limits]

    def keeper(self):
        """The pair whose sidecar owns partition 0, and so hands out the places."""
        table = self.placement.api.call("GET", "/v1.0/placement/table", {"app": APP})
        (app,) = table["namespaces"][0]["apps"]
        host = next(host["host"] for host in app["hosts"] if 0 in host["partitions"])
        return next(pair for pair in self.pairs
                    if pair.api.metadata()["extended"]["host"] == host)

    def burn(self, pair):
        """Sidecar and app are killed, and what the app ran is over from there on."""
        pair.sidecar.kill()
        pair.app.pause()
        with open(self.harness.folder / "limited.log", "a", encoding="ascii") as log:
            log.write(f"x - {pair.app.pid}\n")
        pair.app.kill()

    def shown(self, metric, **labels):
        """The sum over all sidecars of what their metrics say of a limit."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for pair in self.pairs for name, value in pair.api.metrics().items()
                   if name.startswith(metric + "{") and all(word in name for word in wanted))


def lines_of(harness):
    return [line.split(" ") for line in whole_lines(harness.folder / "limited.log")]


def most_at_once(harness, *names):
    """How many of these ran at the same time at most, and at how many processes."""
    running, most, pids = {}, 0, set()
    for what, name, pid in lines_of(harness):
        if what == "x":
            running.pop(pid, None)
        elif name in names:
            running[pid] = running.get(pid, 0) + (1 if what == "+" else -1)
            most = max(most, sum(running.values()))
            pids.add(pid)
    return most, len(pids)


def begun(harness):
    return sum(what == "+" for what, _, _ in lines_of(harness))


class Together(unittest.TestCase):
    def doctor(self, cluster):
        """What it says for a person: its exit code, its report."""
        urls = ",".join(f"http://127.0.0.1:{pair.sidecar.http_port}" for pair in cluster.pairs)
        ran = subprocess.run(
            [self.h.build / "cli/pawl", "doctor", f"--store={cluster.store.url}",
             f"--app-id={APP}", f"--http={urls}", "--stuck=1ms"],
            capture_output=True, text=True, timeout=120, check=False)
        self.assertIn(ran.returncode, (0, 1), ran.stderr)
        return ran.stdout

    def check_doctor(self, cluster):
        """Something waits for the limit, and doctor says so."""
        until(lambda: 'is running or waits to run since' in (text := self.doctor(cluster))
              and ': the app\'s limit of 3 for activity "scarce" is full at http://127' in text,
              2 * PATIENCE, "doctor names the limit")
        limits = [pair.api.metadata()["limits"] for pair in cluster.pairs]
        for (limit,) in limits:
            self.assertEqual((limit["kind"], limit["scope"], limit["name"], limit["limit"]),
                             ("activity", "app", "scarce", 3))
            self.assertLessEqual(limit["running"], 3)

    def end_all(self, cluster, outputs):
        client = cluster.client()
        for instance, output in outputs.items():
            self.assertEqual(output_of(client.wait(instance, 300)), output, instance)

    @scenario
    def test_activities_of_one_name_at_two_and_three_sidecars(self):
        cluster = Limited(self.h, 2, "global-activity-limits=scarce=3")
        client = cluster.client()
        client.start("fan", "40 15 scarce", "one")
        client.start("fan", "40 15 scarce", "two")
        client.start("fan", "20 200 free", "other")
        self.end_all(cluster, {"other": 20})
        until(lambda: begun(self.h) > 45, what="the first places in use")
        cluster.pairs.append(cluster.make())  # one joins meanwhile
        client.start("fan", "6 -1 scarce", "three")  # until the gate is open
        self.check_doctor(cluster)
        until(lambda: most_at_once(self.h, "scarce")[0] == 3, what="as many as may")
        (self.h.folder / "gate").touch()
        self.end_all(cluster, {"one": 40, "two": 40, "three": 6})
        most, processes = most_at_once(self.h, "scarce")
        self.assertEqual(most, 3, "as many as may, and no more")
        self.assertGreaterEqual(processes, 2, "both take part")
        self.assertGreater(most_at_once(self.h, "free")[0], 3, "what has no limit does not wait")
        labels = {"kind": "activity", "scope": "app", "name": "scarce"}
        for pair in cluster.pairs:
            self.assertEqual(pair.api.metrics()[
                f'pawl_limit{{app="{APP}",kind="activity",scope="app",name="scarce"}}'], 3)
        for metric in ("pawl_limit_running", "pawl_limit_waiting"):
            until(lambda m=metric: cluster.shown(m, **labels) == 0, what=f"{metric} 0")
        self.assertLessEqual(cluster.shown("pawl_limit_places", **labels), 3)

    @scenario
    def test_turns_and_all_activities_of_the_app(self):
        cluster = Limited(self.h, 3, "global-turn-limits=slow=1", "global-turns-max=2",
                          "global-activities-max=2")
        client = cluster.client()
        outputs = {}
        for number in range(6):
            client.start("slow", "5", f"slow-{number}")
            outputs[f"slow-{number}"] = 5
        client.start("fan", "30 10 scarce", "fan-scarce")
        client.start("fan", "30 10 free", "fan-free")
        outputs |= {"fan-scarce": 30, "fan-free": 30}
        self.end_all(cluster, outputs)
        self.assertEqual(most_at_once(self.h, "slow")[0], 1)
        self.assertEqual(most_at_once(self.h, "scarce", "free")[0], 2)

    @scenario
    def test_a_killed_keeper_lets_no_more_run_and_stops_nothing_for_good(self):
        cluster = Limited(self.h, 3, "global-activity-limits=scarce=4")
        client = cluster.client()
        outputs = {}

        def work_goes_on():
            before = begun(self.h)
            for _ in range(2):  # there is always more of it
                instance = f"fan-{len(outputs)}"
                client.start("fan", "60 40 scarce", instance, request_id=f"start-{instance}")
                outputs[instance] = 60
            until(lambda: begun(self.h) > before + 12, what="work goes on")

        for _ in range(2):
            work_goes_on()
            keeper = cluster.keeper()
            cluster.burn(keeper)
            cluster.pairs[cluster.pairs.index(keeper)] = cluster.make()
            cluster.settle()
        work_goes_on()
        other = next(pair for pair in cluster.pairs if pair is not cluster.keeper())
        cluster.burn(other)  # the places of any other come back as well
        cluster.pairs.remove(other)
        self.end_all(cluster, outputs)
        self.assertEqual(most_at_once(self.h, "scarce")[0], 4)


if __name__ == "__main__":
    unittest.main()
