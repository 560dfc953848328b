#!/usr/bin/env python3
"""The app stream against a real sidecar, spoken by a second implementation.

    test_wire.py sqlite|redis
"""

import functools
import re
import sys
import unittest

import wire
from harness import ROOT, ApiError, Harness, output_of
from wire import ACTIVITY, ANSWER, TURN, Refused, Worker

STORE = "sqlite"


class Golden(unittest.TestCase):
    def test_packing_again_gives_the_golden_bytes(self):
        text = (ROOT / "tests/unit/sdk/golden.h").read_text()
        entries = re.findall(r"\{ PAWL_\w+,\s*((?:\"[0-9a-f]+\"\s*)+)\}", text)
        self.assertGreater(len(entries), 40)
        for entry in entries:
            data = bytes.fromhex("".join(re.findall(r"\"([0-9a-f]+)\"", entry)))
            self.assertEqual(wire.pack(wire.unpack(data)), data)


def scenario(body):
    """Run a test beside a fresh sidecar and store; show their logs when it fails."""

    @functools.wraps(body)
    def test(self):
        with Harness() as harness:
            self.sidecar = harness.sidecar("shop", getattr(harness, STORE)())
            self.api = self.sidecar.api
            body(self)

    return test


class Stream(unittest.TestCase):
    def worker(self, **settings):
        worker = Worker(self.sidecar, **{"workflows": ["Order"], "activities": ["Charge"],
                                         **settings})
        self.addCleanup(worker.close)
        return worker

    def kinds(self, turn):
        return [event["kind"] for event in turn.decoded]

    @scenario
    def test_a_workflow_of_one_activity_survives_kill_9_at_every_stage(self):
        instance = self.api.start("Order", "5")
        worker = self.worker()
        self.assertEqual(worker.welcome.app_id, b"shop")

        worker.credit(turns=1)
        turn = worker.next(TURN)
        self.assertEqual(turn.instance.decode(), instance)
        self.assertEqual(turn.base, wire.UNSET)
        self.assertIn(wire.EXECUTION_STARTED, self.kinds(turn))
        started = next(e for e in turn.decoded if e["kind"] == wire.EXECUTION_STARTED)
        self.assertEqual((started["name"], started["payload"]), (b"Order", b"5"))

        self.sidecar.kill()  # the turn is at a worker
        self.sidecar.start()
        worker = self.worker()
        worker.credit(turns=1)
        turn = worker.next(TURN, timeout=60)
        worker.turn_done(turn, [wire.activity(0, "Charge", b"5")])
        worker.credit(activities=1)
        item = worker.next(ACTIVITY)
        self.assertEqual((item.name, item.payload, item.id), (b"Charge", b"5", 0))

        self.sidecar.kill()  # the activity is at a worker
        self.sidecar.start()
        worker = self.worker()
        worker.credit(activities=1)
        again = worker.next(ACTIVITY, timeout=90)
        self.assertEqual(again.task_execution, item.task_execution)
        worker.activity_done(again, b"paid")
        worker.credit(turns=1)
        turn = worker.next(TURN)
        self.assertEqual(turn.base, wire.UNSET)
        done = next(e for e in turn.decoded if e["kind"] == wire.TASK_COMPLETED)
        self.assertEqual((done["payload"], done.get("ref")), (b"paid", 0))
        worker.turn_done(turn, [wire.complete(b'"all paid"')])

        state = self.api.wait(instance)
        self.assertEqual(state["runtimeStatus"], "COMPLETED")
        self.assertEqual(output_of(state), "all paid")
        self.sidecar.kill()
        self.sidecar.start()
        self.assertEqual(self.api.get(instance)["runtimeStatus"], "COMPLETED")

    @scenario
    def test_a_worker_that_holds_the_instance_gets_only_what_is_new(self):
        instance = self.api.start("Order")
        worker = self.worker()
        worker.credit(turns=1)
        first = worker.next(TURN)
        worker.turn_done(first, [], cached=True, custom_status=b'"waiting"')
        self.api.raise_event(instance, "go", "1")
        worker.credit(turns=1)
        second = worker.next(TURN)
        self.assertEqual(second.base, first.turn)
        self.assertEqual(second.past_count, 0)
        self.assertNotIn(wire.EXECUTION_STARTED, self.kinds(second))
        self.assertIn(wire.EVENT_RAISED, self.kinds(second))

        worker.credit(turns=1)
        worker.need_history(second)
        third = worker.next(TURN)
        self.assertEqual(third.base, wire.UNSET)
        self.assertIn(wire.EXECUTION_STARTED, self.kinds(third))
        self.assertIn(wire.EVENT_RAISED, self.kinds(third))
        worker.turn_done(third, [wire.complete()])
        self.assertEqual(self.api.wait(instance)["runtimeStatus"], "COMPLETED")

    @scenario
    def test_a_result_for_an_old_token_changes_nothing(self):
        instance = self.api.start("Order")
        first = self.worker()
        first.credit(turns=1, activities=1)
        first.turn_done(first.next(TURN), [wire.activity(0, "Charge")])
        lost = first.next(ACTIVITY)
        first.close()
        second = self.worker()
        second.credit(activities=1)
        item = second.next(ACTIVITY, timeout=60)
        self.assertNotEqual(item.token, lost.token)
        second.send(wire.ACTIVITY_DONE, lost.token, b"wrong", {})
        second.activity_done(item, b"right")
        second.credit(turns=1)
        turn = second.next(TURN)
        done = next(e for e in turn.decoded if e["kind"] == wire.TASK_COMPLETED)
        self.assertEqual(done["payload"], b"right")
        second.turn_done(turn, [wire.complete(b'"right"')])
        self.assertEqual(output_of(self.api.wait(instance)), "right")

    @scenario
    def test_management_calls_travel_on_the_same_stream(self):
        worker = self.worker()
        token = worker.request(wire.START, name="Order", instance="by-wire", payload=b"1",
                               request_id="once")
        answer = worker.next(ANSWER)
        self.assertEqual((answer.token, answer.err, answer.instance), (token, 0, b"by-wire"))
        worker.request(wire.GET, instance="by-wire", with_payloads=True)
        state = worker.next(ANSWER).states[0]
        self.assertEqual((state[1], state[2], state[12]), (b"by-wire", b"Order", b"1"))
        worker.request(wire.GET, instance="nowhere")
        self.assertEqual(worker.next(ANSWER).err, -8)
        worker.request(wire.WAIT, instance="by-wire", wait_for=2, timeout_ms=3600001)
        refused = worker.next(ANSWER)
        self.assertEqual(refused.err, -6)
        self.assertIn(b"timeout_ms is 3600001", refused.message)

    @scenario
    def test_strangers_are_told_why_they_are_refused(self):
        for settings, err in (({"version": 2}, -17), ({"app_id": "bank"}, -6)):
            with self.assertRaises(Refused) as caught:
                self.worker(**settings)
            self.assertEqual(caught.exception.err, err)
        worker = self.worker()
        worker.send_bytes(b"\x91\x63")
        with self.assertRaises(Refused) as caught:
            worker.next(TURN)
        self.assertEqual(caught.exception.err, -16)

    @scenario
    def test_a_length_above_the_limit_ends_the_connection(self):
        worker = self.worker()
        worker.socket.sendall((19 << 20).to_bytes(4, "big"))
        with self.assertRaises((ConnectionError, Refused)):
            worker.next(TURN)
        self.worker()  # and harms nobody else

    @scenario
    def test_management_needs_no_worker(self):
        instance = self.api.start("Order", {"n": 1}, instance="a/b", request_id="r")
        self.assertEqual(self.api.start("Order", {"n": 1}, instance="a/b", request_id="r"),
                         instance)
        self.api.raise_event(instance, "go", {"a": 1}, request_id="e")
        self.sidecar.kill()
        self.sidecar.start()
        self.assertEqual([s["instanceID"] for s in self.api.list()], [instance])
        self.api.suspend(instance, "later")
        self.assertEqual(self.api.get(instance)["runtimeStatus"], "SUSPENDED")
        self.api.resume(instance)
        self.api.terminate(instance, "bye")
        self.assertEqual(self.api.wait(instance)["runtimeStatus"], "TERMINATED")
        self.api.purge(instance)
        with self.assertRaises(ApiError) as caught:
            self.api.get(instance)
        self.assertEqual(caught.exception.status, 404)
        self.assertEqual(self.sidecar.stop(), 0)


if __name__ == "__main__":
    STORE = sys.argv.pop(1)
    unittest.main()
