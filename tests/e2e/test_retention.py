#!/usr/bin/env python3
"""What has ended goes by itself after its time: which, when, and what is left alone.

    test_retention.py sqlite|redis
"""

import unittest

from checks import scenario, store_kind, test_app, wait_connected
from cluster import Cluster
from harness import ApiError, until
from wire import TURN, Worker

STORE = store_kind() if __name__ == "__main__" else "sqlite"
ENDS = {"completed": "a:echo:1", "failed": "!:Sunk", "terminated": "e:never"}
WEEK = "168h"


class Retention(unittest.TestCase):
    def begin(self, *options):
        """A sidecar that keeps what has ended so long, and its app."""
        self.store = getattr(self.h, STORE)()
        self.sidecar = self.h.sidecar("keeps", self.store, options=options)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar, program="conformance_app")

    def again(self, *options):
        """The same store and app with other times."""
        self.app.stop()
        self.sidecar.stop()
        self.sidecar = self.h.sidecar("keeps", self.store, options=options)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar, program="conformance_app", name="app-again")

    def start(self, steps, instance):
        return self.api.start("steps", f"|{steps}", instance)

    def end(self, instance, status):
        """An instance that ends with this status."""
        self.start(ENDS[status], instance)
        if status == "terminated":
            self.api.wait(instance, for_="started")
            self.api.terminate(instance)
        # It may be gone before this looks.
        until(lambda: self.status(instance) in (status.upper(), None), what=status)

    def end_all(self):
        for status in ENDS:
            self.end(status, status)

    def status(self, instance):
        """None: it is gone."""
        try:
            return self.api.get(instance)["runtimeStatus"]
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def is_gone(self, instance):
        return self.status(instance) is None

    def purge(self, instance):
        """By hand. Whether it was still there."""
        try:
            self.api.purge(instance)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def check_purged(self, count):
        """So many went by themselves; it is counted when the store has answered."""
        purged = 'pawl_purged_total{app="keeps"}'
        until(lambda: self.api.metrics()[purged] >= count, what=f"{count} counted as purged")
        self.assertEqual(self.api.metrics()[purged], count)

    def check_left(self, goes, *left):
        """What ended so goes, and these stay for rounds after that."""
        for instance in goes:
            until(lambda i=instance: self.is_gone(i), what=f"{instance} gone")
        # Whoever ends now and goes has been looked at after all that ended before.
        self.end("last", goes[0])
        until(lambda: self.is_gone("last"), what="the last one gone")
        for instance in left:
            self.assertFalse(self.is_gone(instance), instance)

    @scenario
    def test_any_end_and_nothing_that_has_not_ended(self):
        self.begin("--retention=1s")
        self.start("e:go", "runs")
        self.end_all()
        self.check_left(list(ENDS))
        self.assertEqual(self.api.get("runs")["runtimeStatus"], "RUNNING")
        self.api.raise_event("runs", "go", "1")
        until(lambda: self.is_gone("runs"), what="it has ended, too")

    @scenario
    def test_one_end_alone(self):
        self.begin("--retention-completed=1s")
        self.end_all()
        self.check_left(["completed"], "failed", "terminated")
        self.again("--retention-failed=1s")
        self.check_left(["failed"], "terminated")
        self.again("--retention-terminated=1s")
        self.check_left(["terminated"])

    @scenario
    def test_the_own_time_goes_before_that_of_any_end(self):
        self.begin(f"--retention={WEEK}", "--retention-completed=1s")
        self.end_all()
        self.check_left(["completed"], "failed", "terminated")
        self.again(f"--retention={WEEK}", "--retention-failed=1s")
        self.check_left(["failed"], "terminated")
        self.again("--retention=1s", f"--retention-terminated={WEEK}")
        self.end("completed", "completed")
        self.check_left(["completed"], "terminated")
        self.again(f"--retention={WEEK}", "--retention-terminated=1s")
        self.check_left(["terminated"])

    @scenario
    def test_at_once_and_after_a_week(self):
        self.begin("--retention=0s", f"--retention-failed={WEEK}")
        self.end_all()
        self.check_left(["completed", "terminated"], "failed")

    @scenario
    def test_each_goes_once_and_what_was_purged_by_hand_is_no_trouble(self):
        self.begin("--retention=2s")
        for number in range(5):
            self.end(f"i{number}", "completed")
        by_hand = self.purge("i0") + self.purge("i1")  # unless it took long to come here
        for number in range(5):
            until(lambda i=f"i{number}": self.is_gone(i), what="gone")
        self.end("last", "completed")
        until(lambda: self.is_gone("last"), what="gone")
        self.check_purged(6 - by_hand)
        self.sidecar.restart()
        wait_connected(self.app, self.sidecar)
        self.end("later", "completed")
        until(lambda: self.is_gone("later"), what="gone")
        self.check_purged(1)

    @scenario
    def test_the_time_of_one_that_ended_is_not_that_of_the_next_under_its_id(self):
        self.begin("--retention=1s")
        self.end("id", "completed")
        until(lambda: self.is_gone("id"), what="gone")
        # It ends, and is replaced before its time by one that goes on.
        self.again("--retention=3s")
        self.end("id", "completed")
        self.start("e:go", "id")
        self.end("other", "completed")
        until(lambda: self.is_gone("other"), what="who ended later is gone")
        self.assertEqual(self.api.get("id")["runtimeStatus"], "RUNNING")
        # One that is stalled has not ended.
        self.app.stop()
        with Worker(self.sidecar, workflows=["steps"], name="older") as worker:
            worker.credit(turns=1)
            self.api.raise_event("id", "go", "1")
            worker.next(TURN, timeout=60)
        with Worker(self.sidecar, workflows=["other"], name="newer"):
            until(lambda: self.api.get("id")["runtimeStatus"] == "STALLED", what="stalled")
            self.api.start("other", "1", "unserved")
            self.api.terminate("unserved")
            until(lambda: self.is_gone("unserved"), what="who ended meanwhile is gone")
            self.assertEqual(self.api.get("id")["runtimeStatus"], "STALLED")
        self.app.start()
        until(lambda: self.is_gone("id"), what="it went on, ended and is gone")


class TwoApps(Cluster):
    """Sidecars of one app that keep what has ended for their own time."""

    def __init__(self, kept, *args, **options):
        self.kept = kept
        super().__init__(*args, **options)

    def options(self):
        return [*super().options(), f"--retention={self.kept}"]


@unittest.skipUnless(STORE == "redis", "a SQLite file has one sidecar")
class Apps(unittest.TestCase):
    @scenario
    def test_each_app_removes_its_own(self):
        shop = TwoApps("1s", self.h, 1, "shop", program="conformance_app")
        bank = TwoApps(WEEK, self.h, 1, "bank", shop.store, shop.placements,
                       program="conformance_app")
        api, other = shop.pairs[0].api, bank.pairs[0].api
        api.start("steps", "|c@bank=theirs:{a:echo:1} c=ours:{a:echo:2}", "parent")
        for instance in ("parent", "ours"):
            until(lambda i=instance: not api.list(prefix=i), what=f"{instance} gone")
        self.assertEqual(other.get("theirs")["runtimeStatus"], "COMPLETED")


if __name__ == "__main__":
    unittest.main(argv=[__file__])
