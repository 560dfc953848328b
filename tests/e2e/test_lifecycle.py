#!/usr/bin/env python3
"""How instances begin, end and begin again, with the real sidecar, store and app.

    test_lifecycle.py sqlite|redis
"""

import concurrent.futures
import functools
import threading
import unittest

from checks import check_history, read_runs, scenario, store_kind, test_app
from harness import ApiError, output_of, until

STORE = store_kind() if __name__ == "__main__" else "sqlite"
PHASE_SECONDS = 300


def with_app(body):
    """A scenario beside a fresh store, sidecar and app."""

    @functools.wraps(body)
    def test(self):
        self.store = getattr(self.h, STORE)()
        self.sidecar = self.h.sidecar("life", self.store)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar)
        body(self)

    return scenario(test)


def text_of(state):
    return output_of(state, json_=False)


class Lifecycle(unittest.TestCase):
    def expect_error(self, expected_status, code, call, *args, **options):
        with self.assertRaises(ApiError) as caught:
            call(*args, **options)
        error = caught.exception
        self.assertEqual((error.status, error.code), (expected_status, code), error.message)
        return error.message

    def ended(self, instance, status="COMPLETED"):
        state = self.api.wait(instance)
        self.assertEqual(state["runtimeStatus"], status, state)
        check_history(instance, self.api.history(instance))
        return state


class Start(Lifecycle):
    @with_app
    def test_one_that_runs_is_terminated_and_replaced(self):
        self.api.start("parent", "1", instance="p")
        self.api.wait("p", for_="started")
        until(lambda: self.api.list(prefix="p-1"), what="the child created")
        self.api.start("echo", "new", instance="p", reuse="terminate", request_id="r")
        self.assertEqual(text_of(self.ended("p")), "new")
        self.assertEqual(self.api.wait("p-1")["runtimeStatus"], "TERMINATED")
        self.api.start("echo", "other", instance="p", reuse="terminate", request_id="r")
        self.assertEqual(text_of(self.api.get("p")), "new")  # repeated: nothing happens

    @with_app
    def test_a_start_with_an_event_reaches_whichever_is_there(self):
        self.api.start("held", instance="a", event="go", event_data="at once")
        self.assertEqual(text_of(self.ended("a")), "at once")
        self.api.start("held", instance="b")
        self.api.wait("b", for_="started")
        self.api.start("held", instance="b", reuse="return", event="go", event_data="later")
        self.assertEqual(text_of(self.ended("b")), "later")
        self.expect_error(409, "ERR_START_WORKFLOW", self.api.start, "held", instance="b",
                          reuse="return", event="go")
        self.sidecar.restart()
        self.api.start("held", instance="b", event="go", event_data="again")
        self.assertEqual(text_of(self.ended("b")), "again")
        self.expect_error(400, "ERR_MALFORMED_REQUEST", self.api.start, "held", event_data="x")


class Retention(Lifecycle):
    @scenario
    def test_what_has_ended_goes_by_itself_also_what_ended_before(self):
        store = getattr(self.h, STORE)()
        sidecar = self.h.sidecar("keeps", store)
        app = test_app(self.h, sidecar)
        sidecar.api.start("echo", "1", instance="old")
        sidecar.api.wait("old")
        sidecar.api.start("failing", "1", instance="bad")
        sidecar.api.wait("bad")
        sidecar.api.start("held", instance="held")
        sidecar.api.wait("held", for_="started")
        app.stop()
        sidecar.stop()
        sidecar = self.h.sidecar("keeps", store, options=["--retention-completed=1s"])
        until(lambda: not sidecar.api.list(prefix="old"), what="the old one purged")
        self.assertEqual(sidecar.api.get("bad")["runtimeStatus"], "FAILED")
        self.assertEqual(sidecar.api.get("held")["runtimeStatus"], "RUNNING")


class Rerun(Lifecycle):
    def calls(self, instance):
        return [(e["eventId"], e.get("input")) for e in self.api.history(instance)
                if e["kind"] == "TaskScheduled"]

    @with_app
    def test_from_a_call_on_the_code_runs_anew(self):
        self.api.start("chain", "4", instance="c")
        self.assertEqual(text_of(self.ended("c")), "4")
        calls = self.calls("c")
        self.assertEqual(len(calls), 4)
        for index, (event, _) in enumerate(calls):
            new = f"c{index}"
            self.api.rerun("c", new, event=event)
            self.assertEqual(text_of(self.ended(new)), "4")
            runs = read_runs(self.h).get(new, [])
            self.assertEqual(len(runs), 4 - index, (new, runs))
        self.api.rerun("c", "d", "10", event=calls[2][0])  # two and ten: the third gives eleven
        self.assertEqual(text_of(self.ended("d")), "12")

    @with_app
    def test_children_and_refusals(self):
        self.api.start("parent", "2", instance="p")
        for child in ("p-1", "p-2"):
            until(lambda c=child: self.api.list(prefix=c), what=f"{child} created")
        self.expect_error(409, "ERR_RERUN_WORKFLOW", self.api.rerun, "p", "q", event=0)
        for child in ("p-1", "p-2"):
            self.api.raise_event(child, "go", "x")
        self.ended("p")
        self.api.rerun("p", "q", event=1)
        self.sidecar.restart()
        for child in ("q-1", "q-2"):
            until(lambda c=child: self.api.list(prefix=c), what=f"{child} created")
            self.api.raise_event(child, "go", "x")
        self.ended("q")
        self.expect_error(404, "ERR_INSTANCE_ID_NOT_FOUND", self.api.rerun, "p", "r", event=77)
        self.expect_error(409, "ERR_RERUN_WORKFLOW", self.api.rerun, "p", "q", event=0)


class Bursts(Lifecycle):
    SENDERS = 50
    ROUNDS = 100

    def send(self, sender, half):
        """Each of its events until it is answered, some of them twice."""
        for number in range(1, self.ROUNDS + 1):
            if number == self.ROUNDS // 2:
                half.wait(PHASE_SECONDS)
            for _ in range(2 if number % 10 == 0 else 1):
                self.api.raise_event("burst", "item", f"{sender}:{number}",
                                     request_id=f"{sender}-{number}", retry_for=PHASE_SECONDS)

    @with_app
    def test_bursts_of_events_cross_generations_once_each(self):
        self.api.start("drain", f"{self.ROUNDS} " + "0 " * self.SENDERS, instance="burst")
        half = threading.Barrier(self.SENDERS + 1)
        with concurrent.futures.ThreadPoolExecutor(self.SENDERS) as pool:
            senders = [pool.submit(self.send, n, half) for n in range(self.SENDERS)]
            half.wait(PHASE_SECONDS)
            self.sidecar.restart(kill=True)
            for sender in senders:
                sender.result()
        state = self.ended("burst")
        self.assertEqual(text_of(state), "0" + f" {self.ROUNDS}" * self.SENDERS)
        self.assertEqual(state["generation"], self.ROUNDS + 1)


if __name__ == "__main__":
    unittest.main()
