#!/usr/bin/env python3
"""Machines whose clocks are wrong, on one Redis: workflows go by its clock. Timers are never
early by more than a second, and none is lost. A sidecar's machine, and Redis', have another
time by a library that is loaded into the process (shifted_clock.c)."""

import datetime
import os
import subprocess
import time
import unittest

from checks import check_history, scenario, test_app, wait_connected
from cluster import Cluster
from harness import until

HOUR_S = 3600
FAR_S = HOUR_S / 6  # no machine is so slow that a test takes as long
EARLY_S = 1.0


def shifted(harness, seconds):
    """The environment of a program on a machine whose clock is so much ahead."""
    asan = os.environ.get("ASAN_OPTIONS")
    return {"LD_PRELOAD": str(harness.build / "tests/e2e/libshifted_clock.so"),
            "SHIFTED_CLOCK_S": str(seconds),
            "ASAN_OPTIONS": ":".join(filter(None, [asan, "verify_asan_link_order=0"]))}


class Clocks(unittest.TestCase):
    def begin(self, api, instance, seconds):
        """A workflow that waits so long; when it was begun."""
        begun = time.monotonic()
        api.start("steps", f"|t:{int(seconds * 1000)}", instance, request_id=instance)
        until(lambda: "TimerCreated" in [event["kind"] for event in api.history(instance)],
              what=f"the timer of {instance}")
        return begun

    def assert_in_time(self, api, instance, begun, seconds):
        """It ends, which an hour late would be too late for the test, and not early."""
        state = api.wait(instance)
        took = time.monotonic() - begun
        self.assertEqual(state["runtimeStatus"], "COMPLETED")
        self.assertGreaterEqual(took, seconds - EARLY_S)
        events = api.history(instance)
        check_history(instance, events)
        due = next(event["fireAt"] for event in events if event["kind"] == "TimerCreated")
        fired = next(event["timestamp"] for event in events if event["kind"] == "TimerFired")
        self.assertGreaterEqual(fired, due)
        return state

    def assert_skew(self, sidecar, name, seconds):
        value = sidecar.api.metrics()[f'pawl_clock_{name}_seconds{{app="shop"}}']
        self.assertAlmostEqual(value, seconds, delta=FAR_S)

    def handed_over(self, first_s, second_s):
        """A timer set by a sidecar whose machine is so much ahead, fired by another one."""
        seconds = 6
        redis = self.h.redis()
        sidecar = self.h.sidecar("shop", redis, env=shifted(self.h, first_s))
        app = test_app(self.h, sidecar, program="conformance_app")
        sidecar.wait_for_log("ahead of that of redis" if first_s > 0 else "behind that of redis")
        self.assert_skew(sidecar, "skew", -first_s)
        begun = self.begin(sidecar.api, "order", seconds)
        sidecar.kill()
        sidecar.env.update(shifted(self.h, second_s))
        sidecar.start()
        wait_connected(app, sidecar)
        self.assert_skew(sidecar, "skew", -second_s)
        self.assert_skew(sidecar, "left", 0)
        state = self.assert_in_time(sidecar.api, "order", begun, seconds)
        created = datetime.datetime.fromisoformat(state["createdAt"]).timestamp()
        self.assertAlmostEqual(created, time.time(), delta=FAR_S)  # which is Redis' time

    @scenario
    def test_a_timer_is_not_late_by_the_hour_that_the_next_machine_is_behind(self):
        self.handed_over(HOUR_S, -HOUR_S)

    @scenario
    def test_a_timer_is_not_early_by_the_hour_that_the_next_machine_is_ahead(self):
        self.handed_over(-HOUR_S, HOUR_S)

    @scenario
    def test_sidecars_of_different_times_share_the_work(self):
        seconds, count = 6, 24
        cluster = Cluster(self.h, 2, program="conformance_app",
                          envs={"shop-1": shifted(self.h, HOUR_S),
                                "shop-2": shifted(self.h, -HOUR_S)})
        client = cluster.client()
        begun = {f"order-{n}": self.begin(client, f"order-{n}", seconds) for n in range(count)}
        cluster.kill(0)  # half of them go from an hour ahead to an hour behind
        for instance, at in begun.items():
            self.assert_in_time(client, instance, at, seconds)

    def redis_jumps(self, by_s):
        """Another server is the master, or its clock was set, while a timer runs."""
        seconds = 6
        redis = self.h.redis()
        sidecar = self.h.sidecar("shop", redis)
        test_app(self.h, sidecar, program="conformance_app")
        self.assertNotIn("the clock of", sidecar.log())
        begun = self.begin(sidecar.api, "order", seconds)
        redis.kill()
        redis.env.update(shifted(self.h, by_s))
        redis.start()
        sidecar.wait_for_log("has jumped")
        until(sidecar.api.is_healthy, what="healthy again")
        self.assert_skew(sidecar, "skew", 0)
        self.assert_skew(sidecar, "left", by_s)
        self.assert_in_time(sidecar.api, "order", begun, seconds)
        begun = self.begin(sidecar.api, "after", 2)
        self.assert_in_time(sidecar.api, "after", begun, 2)
        self.assertEqual(sidecar.log().count("has jumped"), 1)

    @scenario
    def test_a_clock_of_redis_that_jumps_ahead_makes_no_timer_early(self):
        self.redis_jumps(HOUR_S)

    @scenario
    def test_a_clock_of_redis_that_jumps_back_loses_no_timer(self):
        self.redis_jumps(-HOUR_S)

    @scenario
    def test_a_redis_that_does_not_tell_its_time_is_used_with_a_warning(self):
        redis = self.h.redis()
        redis.command("ACL", "SETUSER", "pawl", "on", ">secret", "~*", "&*", "+@all", "-time")
        url = f"redis://pawl:secret@127.0.0.1:{redis.port}"
        sidecar = self.h.sidecar("shop", url)
        test_app(self.h, sidecar, program="conformance_app")
        sidecar.wait_for_log("does not tell its time")
        begun = self.begin(sidecar.api, "order", 1)
        self.assert_in_time(sidecar.api, "order", begun, 1)

    @scenario
    def test_doctor_goes_by_the_clock_of_redis(self):
        redis = self.h.redis()
        sidecar = self.h.sidecar("shop", redis)
        test_app(self.h, sidecar, program="conformance_app")
        self.begin(sidecar.api, "order", HOUR_S / 2)
        found = subprocess.run(
            [self.h.build / "cli/pawl", "doctor", "--store", redis.url, "--app-id", "shop"],
            env={**os.environ, **shifted(self.h, HOUR_S)}, capture_output=True, text=True)
        self.assertEqual(found.returncode, 0, found.stdout + found.stderr)


if __name__ == "__main__":
    unittest.main()
