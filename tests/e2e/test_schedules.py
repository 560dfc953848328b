#!/usr/bin/env python3
"""Schedules on a real sidecar: over HTTP and the command line, and through kills.

    test_schedules.py sqlite|redis
"""

import datetime
import json
import os
import subprocess
import unittest
import urllib.parse

from checks import scenario, store_kind, test_app
from harness import ApiError, until

STORE = store_kind() if __name__ == "__main__" else "sqlite"


class Schedules(unittest.TestCase):
    def begin(self):
        self.sidecar = self.h.sidecar("clock", getattr(self.h, STORE)())
        self.api = self.sidecar.api

    def call(self, method, schedule, verb=None, query=None, payload=None, key=None, **options):
        path = "/v1.0/schedules" + (f"/{urllib.parse.quote(schedule, safe='')}" if schedule else "")
        headers = {"Idempotency-Key": key} if key else {}
        return self.api.call(method, path + (f"/{verb}" if verb else ""), query, payload, headers,
                             **options)

    def create(self, schedule, payload=None, **query):
        return self.call("POST", schedule, "create", query, payload)

    def get(self, schedule):
        return self.call("GET", schedule, retry_for=20)

    def expect_error(self, status, code, *arguments, **options):
        with self.assertRaises(ApiError) as caught:
            self.call(*arguments, **options)
        self.assertEqual((caught.exception.status, caught.exception.code), (status, code))
        return caught.exception.message

    def pawl(self, *arguments, code=0):
        base = {k: v for k, v in os.environ.items() if not k.startswith("PAWL_")}
        done = subprocess.run(
            [self.h.build / "cli/pawl", "schedule", *arguments], text=True, capture_output=True,
            timeout=60, check=False,
            env={**base, "PAWL_HTTP_ENDPOINT": f"http://127.0.0.1:{self.sidecar.http_port}"})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    @scenario
    def test_a_run_is_started_with_its_input_and_can_be_looked_at(self):
        self.begin()
        test_app(self.h, self.sidecar)
        self.assertEqual(self.create("s/1", "7", workflow="echo", every="1s"),
                         {"scheduleID": "s/1"})
        run = until(lambda: self.get("s/1")["recent"], what="a run")[0]
        state = self.api.wait(run["instanceID"])
        self.assertEqual(state["properties"]["dapr.workflow.output"], "7")
        self.assertTrue(run["instanceID"].startswith("s/1-20"))
        self.call("POST", "s/1", "pause", {"reason": "enough"})
        shown = until(lambda: self.get("s/1")["paused"] and self.get("s/1"), what="a pause")
        self.assertEqual((shown["reason"], shown["every"], shown["input"]), ("enough", "1s", "7"))
        self.assertNotIn("nextTime", shown)

    @scenario
    def test_a_trigger_counts_once_and_deleting_leaves_the_runs(self):
        self.begin()
        self.create("yearly", workflow="echo", cron="0 0 1 1 *", timezone="Europe/Berlin",
                    overlap="allow")
        shown = until(lambda: "nextTime" in self.get("yearly") and self.get("yearly"))
        self.assertEqual(shown["timezone"], "Europe/Berlin")
        self.assertIn("-12-31T23:00:00", shown["nextTime"])
        for _ in range(3):
            self.call("POST", "yearly", "trigger", key="once")
        self.call("POST", "yearly", "trigger", key="twice")
        shown = until(lambda: self.get("yearly")["started"] == 2 and self.get("yearly"))
        self.assertTrue(all(run["triggered"] for run in shown["recent"]))
        self.call("POST", "yearly", "delete")
        self.expect_error(404, "ERR_SCHEDULE_NOT_FOUND", "GET", "yearly")
        for run in shown["recent"]:
            self.assertEqual(self.api.get(run["instanceID"])["workflowName"], "echo")
        self.create("yearly", workflow="echo", every="1d")
        self.assertEqual([s["scheduleID"] for s in self.call("GET", None)["schedules"]], ["yearly"])

    @scenario
    def test_what_is_wrong_is_refused_and_changes_nothing(self):
        self.begin()
        for query, part in (
                ({}, "workflow is missing"),
                ({"workflow": "w"}, "either cron or every"),
                ({"workflow": "w", "cron": "* * * * *", "every": "1s"}, "not both"),
                ({"workflow": "w", "cron": "* * 32 * *"}, "field 3 (day of month)"),
                ({"workflow": "w", "cron": "* * * *"}, "4 fields"),
                ({"workflow": "w", "cron": "@daily", "timezone": "Mars/Olympus"}, "tzdata"),
                ({"workflow": "w", "cron": "@daily", "timezone": "../passwd"}, "timezone"),
                ({"workflow": "w", "every": "1ms"}, "at least 1s"),
                ({"workflow": "w", "every": "1h", "offset": "2h"}, "offset"),
                ({"workflow": "w", "every": "soon"}, "duration"),
                ({"workflow": "w", "every": "1s", "overlap": "queue"}, "overlap"),
                ({"workflow": "w", "every": "1s", "catchUp": "1s"}, "catchUp"),
                ({"workflow": "w", "every": "1s", "startTime": "2030-01-01T00:00:00Z",
                  "endTime": "2029-01-01T00:00:00Z"}, "endTime"),
                ({"workflow": "w", "every": "1s", "crom": "x"}, "crom")):
            self.assertIn(part, self.expect_error(400, "ERR_MALFORMED_REQUEST", "POST", "bad",
                                                  "create", query))
        self.expect_error(413, "ERR_MALFORMED_REQUEST", "POST", "bad", "create",
                          {"workflow": "w", "every": "1s"}, payload=b"x" * 40000)
        self.expect_error(400, "ERR_SCHEDULE_ID_INVALID", "POST", "x" * 201, "create",
                          {"workflow": "w", "every": "1s"})
        for verb in ("pause", "resume", "trigger", "delete"):
            self.assertIn("'bad'", self.expect_error(404, "ERR_SCHEDULE_NOT_FOUND", "POST", "bad",
                                                     verb))
        self.create("good", workflow="w", every="1h")
        self.assertIn("delete it", self.expect_error(409, "ERR_SCHEDULE_CREATE", "POST", "good",
                                                     "create", {"workflow": "w", "every": "1h"}))
        with self.assertRaises(ApiError) as caught:
            self.api.start("echo", instance="pawl.schedule:mine")
        self.assertEqual(caught.exception.status, 400)
        self.assertEqual(len(self.call("GET", None)["schedules"]), 1)

    @scenario
    def test_the_command_line_does_it_all(self):
        self.begin()
        self.pawl("create", "daily", "--workflow", "echo", "--cron", "0 9 * * MON-FRI",
                  "--timezone", "America/New_York", "-d", "5")
        self.assertIn("America/New_York", self.pawl("list"))
        self.pawl("pause", "daily", "-r", "stock count")
        until(lambda: "stock count" in self.pawl("get", "daily"), what="the reason")
        self.pawl("trigger", "daily")
        shown = until(lambda: (lambda s: s["recent"] and s)(
            json.loads(self.pawl("get", "daily", "-o", "json"))), what="a run")
        self.assertEqual(shown["started"], 1)
        self.pawl("resume", "daily")
        self.pawl("delete", "daily")
        self.assertIn("no schedule 'daily'", self.pawl("get", "daily", code=3))
        self.assertIn("field 1 (minute)", self.pawl("create", "x", "--workflow", "w", "--cron",
                                                    "99 * * * *", code=1))
        self.assertIn("--workflow is missing", self.pawl("create", "x", "--every", "1s", code=2))

    @scenario
    def test_through_kills_no_run_is_lost_and_none_is_doubled(self):
        self.begin()
        test_app(self.h, self.sidecar)
        self.create("tick", "1", workflow="echo", every="1s", overlap="allow")
        for number in range(6):
            wanted = 2 * number + 2
            until(lambda wanted=wanted: self.get("tick")["started"] >= wanted, timeout=60)
            self.sidecar.kill()
            self.sidecar.start()
        until(lambda: self.get("tick")["started"] >= 14, timeout=60)
        self.call("POST", "tick", "pause", key="end", retry_for=20)
        shown = until(lambda: (lambda s: s["paused"] and "starting" not in s and s)(
            self.get("tick")), what="rest")
        self.assertEqual((shown["failed"], shown["missed"], shown["skipped"]), (0, 0, 0))
        runs = sorted(state["instanceID"] for state in self.api.list(prefix="tick-"))
        self.assertEqual(len(runs), shown["started"])
        times = [datetime.datetime.strptime(run, "tick-%Y%m%dT%H%M%SZ") for run in runs]
        for earlier, later in zip(times, times[1:]):
            self.assertEqual((later - earlier).total_seconds(), 1.0)
        for run in runs:
            self.assertEqual(self.api.wait(run)["runtimeStatus"], "COMPLETED")


if __name__ == "__main__":
    unittest.main(argv=[__file__])
