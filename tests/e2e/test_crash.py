#!/usr/bin/env python3
"""Crash safety: workflows of every kind run while the sidecar, the app and Redis are killed
with kill -9 again and again. In the end each has its right output, and nothing was done
twice, forgotten, or done without a record.

    test_crash.py sqlite|redis [long]
"""

import sys
import threading
import time
import unittest

from checks import (check_history, executions_in, read_runs, scenario, store_kind, test_app,
                    wait_connected)
from harness import ApiError, output_of

STORE = store_kind() if __name__ == "__main__" else "sqlite"
LONG = "long" in sys.argv[1:]
COUNT, KILLS = (3000, 250) if LONG else (400, 32)
DEADLINE = 1200 if LONG else 900
CLIENTS = 4
SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 12, 40]


class Plan:
    """One instance: what is started and raised, and what must come out."""

    def __init__(self, number, rng):
        kind = rng.choice(["chain", "fan", "ticks", "family", "collect", "collect_again",
                           "stubborn", "mixed"])
        size = rng.choice(SIZES)
        self.name, self.instance, self.size = kind, f"{kind}-{number}", size
        self.events = [f"e{i}" for i in range(size)] if kind.startswith("collect") else []
        self.input = f"{size}:" if kind == "collect_again" else str(size)
        self.output = {
            "fan": str(sum(i * i for i in range(size + 1))),
            "family": str(2 * size),
            "mixed": str(size + 7),
            "collect": ",".join(self.events),
            "collect_again": ",".join(self.events),
        }.get(kind, str(size))

    def calls(self):
        """What a client does, in order. Each call may be repeated until it is answered."""
        yield lambda api: api.start(self.name, self.input, self.instance,
                                    request_id=f"start-{self.instance}", timeout=20)
        for number, event in enumerate(self.events):
            yield lambda api, event=event: api.raise_event(
                self.instance, "item", event, request_id=f"{event}-{self.instance}", timeout=20)
            if number % 5 == 2:
                yield lambda api: self.control(api.suspend)
                yield lambda api: self.control(api.resume)

    def control(self, call):
        """A repeated one may find that it has been done: 409."""
        try:
            call(self.instance, timeout=20)
        except ApiError as error:
            if error.status != 409:
                raise


class Client(threading.Thread):
    """Starts and raises what its plans say, in whatever weather: an even share of the
    calls before each kill."""

    def __init__(self, api, plans, seed_rng, deadline):
        super().__init__(daemon=True)
        self.api, self.plans, self.deadline, self.error = api, plans, deadline, None
        self.kill_count = threading.Semaphore(0)
        self.order = [index for index, plan in enumerate(plans) for _ in plan.calls()]
        seed_rng.shuffle(self.order)  # the calls of one plan stay in order among themselves

    def run(self):
        try:
            calls = [plan.calls() for plan in self.plans]
            kills = 0
            for place, index in enumerate(self.order):
                while kills < place * KILLS // len(self.order):
                    self.kill_count.acquire()
                    kills += 1
                self.insist(next(calls[index]))
        except BaseException as error:  # shown by the main thread
            self.error = error

    def insist(self, call):
        while True:
            try:
                return call(self.api)
            except ApiError as error:
                # 504 and 503 leave it open whether it happened: that is what the key is for.
                if error.status not in (429, 503, 504) or time.monotonic() > self.deadline:
                    raise
            except OSError:
                if time.monotonic() > self.deadline:
                    raise
            time.sleep(0.02)


class Crash(unittest.TestCase):
    @scenario
    def test_nothing_is_lost_or_done_twice(self):
        self.start_all()
        deadline = time.monotonic() + DEADLINE
        plans = [Plan(number, self.h.rng) for number in range(COUNT)]
        clients = [Client(self.sidecar.api, plans[i::CLIENTS], self.h.rng, deadline)
                   for i in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            time.sleep(self.h.rng.uniform(0.02, 1.0))  # the moment of the kill is the input
            self.kill_some()
            for client in clients:
                client.kill_count.release()
        for client in clients:
            client.join(max(1, deadline - time.monotonic()))
            self.assertIsNone(client.error)
            self.assertFalse(client.is_alive(), "a client is still not done")
        calm = time.monotonic()
        for plan in plans:
            self.check_end(plan, deadline)
        calm = time.monotonic() - calm
        self.check_records(plans)
        print(f"all ended {calm:.1f} s after the last start or event; {self.repeated} activities"
              " ran again", file=sys.stderr)
        self.assertGreater(self.repeated, 0, "no kill has interrupted anything")
        wait_connected(self.app, self.sidecar)
        self.assertEqual(self.app.stop(), 0)
        self.assertEqual(self.sidecar.stop(), 0)

    def start_all(self):
        self.store = getattr(self.h, STORE)()
        rng = self.h.rng
        sidecar = rng.choice([[], ["--instance-idle=100ms"], ["--turns-max=5"],
                              ["--activities-max=7", "--instance-idle=1s"]])
        # One that many kills meet is no poison.
        patient = ["--turn-attempts=1000", "--activity-attempts=1000"]
        self.sidecar = self.h.sidecar("crash", self.store, options=[*patient, *sidecar])
        self.app = test_app(self.h, self.sidecar, *rng.choice([[], [], ["--no-cache"]]))

    def kill_some(self):
        """Kill one to three processes at once; start them again in any order."""
        rng = self.h.rng
        kinds = ["sidecar", "app"] + (["redis"] if STORE == "redis" else [])
        victims = rng.sample(kinds, rng.choice([1, 1, 1, 2, len(kinds)]))
        processes = {"sidecar": self.sidecar, "app": self.app, "redis": self.store}
        for victim in victims:
            processes[victim].kill()
        time.sleep(rng.choice([0, 0, rng.uniform(0, 0.5)]))  # how long it is away
        rng.shuffle(victims)
        ready = None
        for victim in victims:
            if victim == "sidecar":
                ready = self.sidecar.start_without_waiting()
            else:
                processes[victim].start()
        if ready is not None:
            self.sidecar.finish_start(ready)

    def check_end(self, plan, deadline):
        state = self.sidecar.api.wait(plan.instance, max(1, deadline - time.monotonic()))
        self.assertEqual((state["runtimeStatus"], output_of(state, json_=False)),
                         ("COMPLETED", plan.output), state)

    def check_records(self, plans):
        runs = read_runs(self.h)
        self.repeated = sum(len(done) - len(set(done)) for done in runs.values())
        states = {state["instanceID"]: state for state in self.sidecar.api.list(limit=1000)}
        self.assertEqual({p.instance for p in plans},
                         {i for i, s in states.items() if "parentInstanceID" not in s})
        for instance, state in states.items():
            self.assertEqual(state["runtimeStatus"], "COMPLETED", state)
            events = self.sidecar.api.history(instance)
            check_history(instance, events)
            recorded, done = executions_in(events), set(runs.get(instance, []))
            self.assertLessEqual(recorded, done, f"{instance}: recorded but never run")
            if state["generation"] == 1:
                self.assertLessEqual(done, recorded, f"{instance}: run but not recorded")
        self.check_families(plans, states)

    def check_families(self, plans, states):
        """No child was made twice under another name."""
        expected = sum(p.size if p.name == "family" else 1 for p in plans
                       if p.name in ("family", "mixed"))
        children = [s for s in states.values() if "parentInstanceID" in s]
        self.assertEqual(len(children), expected)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
