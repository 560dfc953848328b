"""Clients: they start programs, raise their events, meddle, and check what comes out."""

import threading
import time

from harness import TERMINAL, ApiError, output_of
from programs import Program, payload_of

TRY_SECONDS = 8.0


class Failure(AssertionError):
    """Something that must not happen has happened."""


class AppLog:
    """chaos.log, which all workers write: read as it grows."""

    def __init__(self, path):
        self.path, self.lock = path, threading.Lock()
        self.offset, self.rest = 0, b""
        self.runs = {}  # execution id: {(hash of the input, output)}
        self.ticks = {}  # instance: {number: Unix seconds of the first run}
        self.executed = self.repeated = 0

    def read(self):
        with self.lock:
            if not self.path.exists():
                return
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read()
            self.offset += len(data)
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                self._take(line.decode().split(" "))

    def has_run(self, execution, input_hash, output):
        """With this output; None: with a failure."""
        runs = tuple(self.runs.get(execution, ()))  # other threads read the log, too
        if output is not None:
            return (input_hash, output) in runs
        return any(of == input_hash and said.startswith("-") for of, said in runs)

    def ticks_after(self, instance, since):
        """Sorted. Several workers write the log, so it is only nearly in order."""
        times = []
        for at in reversed(self.ticks.get(instance, {}).values()):
            if at < since - 1:
                break
            if at > since:
                times.append(at)
        return sorted(times)

    def _take(self, words):
        if words[0] == "tick":
            self.ticks.setdefault(words[1], {}).setdefault(int(words[2]), int(words[3]) / 1000)
            return
        _, _, execution, _, input_hash, output = words
        known = self.runs.setdefault(execution, set())
        self.executed += 1
        self.repeated += (input_hash, output) in known
        known.add((input_hash, output))


class Client(threading.Thread):
    """One instance after the other, until told to end. `record` keeps what was answered."""

    def __init__(self, number, world, rng, record):
        super().__init__(daemon=True)
        self.number, self.world, self.rng, self.record = number, world, rng, record
        self.ending, self.deadline = False, None
        self.unsure = 0  # calls for the present instance that nobody answered
        self.error, self.doing = None, "nothing yet"

    def run(self):
        try:
            count = 0
            while not self.ending:
                self.one(f"p{self.number}-{count}")
                count += 1
            self.doing = "ended"
        except BaseException as error:  # shown by the main thread
            self.error = error

    # Calls -------------------------------------------------------------------------------

    def attempt(self, app, call, *args):
        """At any sidecar, sometimes one of the other app. (True, value), or (False, why) when
        nobody knows what happened."""
        pairs = self.world.pairs if self.rng.random() < 0.2 else self.world.of(app)
        pair = self.rng.choice(pairs)
        try:
            return True, call(pair.api, app if pair.app != app else None, TRY_SECONDS, *args)
        except ApiError as error:
            if error.status not in (429, 503, 504):
                raise
            return False, str(error)
        except OSError as error:
            return False, repr(error)

    def insist(self, what, app, call, *args):
        """Again until it is answered."""
        while True:
            self.doing = what
            known, value = self.attempt(app, call, *args)
            if known:
                return value
            self.doing = f"{what}: {value}"
            self.unsure += 1
            self.check_time()
            time.sleep(0.1)

    def check_time(self):
        if self.deadline and time.monotonic() > self.deadline:
            raise Failure(f"not answered in time after the last fault: {self.doing}")

    def control(self, what, app, call, *args):
        """One that is repeated, or comes after such a one, may find it done: 409."""
        try:
            self.insist(what, app, call, *args)
        except ApiError as error:
            if error.status != 409 or not self.unsure:
                raise

    # One instance ------------------------------------------------------------------------

    def one(self, instance):
        rng, apps = self.rng, list({pair.app for pair in self.world.pairs})
        app = rng.choice(sorted(apps))
        program = Program(rng, app, sorted(apps))
        plan = rng.choice(["plain"] * 16 + ["unknown", "terminate"])
        self.unsure = 0
        if plan == "unknown":
            return self.start_once(app, instance, program)
        started = time.monotonic()
        self.insist(f"start {instance}", app, start, instance, program)
        self.record.note("started", app, instance, program.input)
        for number in range(program.events):
            time.sleep(rng.choice([0, 0, 0.05, 0.5]))
            if rng.random() < 0.1:
                self.suspend_awhile(app, instance)
            if plan == "terminate" and number == program.events - 1:
                return self.terminate(app, instance)
            self.insist(f"raise {number} in {instance}", app, raise_event, instance, number)
            self.record.note("raised", app, instance, number)
        state = self.wait(app, instance)
        if (state["runtimeStatus"], output_of(state, json_=False)) != ("COMPLETED",
                                                                       program.output):
            raise Failure(f"{instance} must give {program.output} for {program.input}: {state}")
        self.record.took.append(time.monotonic() - started)
        self.check(app, instance, program, sorted(apps))
        if self.rng.random() < 0.7:
            time.sleep(rng.choice([0, 0, 1]))
            self.purge_one(app, instance)
            self.record.note("purged", app, instance, state["generation"])

    def start_once(self, app, instance, program):
        """A client that does not care: there may be one, or none."""
        program.steps, program.events = ["a1"], 0
        known, _ = self.attempt(app, start, instance, program)
        self.record.note("started" if known else "unknown", app, instance, program.input)

    def suspend_awhile(self, app, instance):
        self.control(f"suspend {instance}", app, suspend, instance)
        time.sleep(self.rng.choice([0, 0.1]))
        self.control(f"resume {instance}", app, resume, instance)

    def terminate(self, app, instance):
        self.control(f"terminate {instance}", app, terminate, instance)
        state = self.wait(app, instance)
        if state["runtimeStatus"] != "TERMINATED":
            raise Failure(f"{instance} was terminated: {state}")
        self.record.note("terminated", app, instance)

    def wait(self, app, instance):
        """A suspension whose answer was lost may come late: it is lifted here."""
        while True:
            reached, state = self.insist(f"wait for {instance}", app, wait_once, instance)
            if reached:
                return state
            if state["runtimeStatus"] == "SUSPENDED":
                self.control(f"resume {instance}", app, resume, instance)
            self.doing = f"wait for {instance}: {state}"
            self.check_time()

    def purge_one(self, app, instance):
        """One that is repeated may find it gone: 404. In the end it must be."""
        before = self.unsure
        try:
            self.insist(f"purge {instance}", app, purge, instance)
        except ApiError as error:
            if error.status != 404 or self.unsure == before:
                raise

    # What must be true -------------------------------------------------------------------

    def check(self, app, instance, program, apps):
        events = self.insist(f"history of {instance}", app, history, instance)
        self.record.check_history(instance, events)
        self.check_events(instance, program, events)
        if program.children:
            self.check_children(instance, events, apps)

    def check_children(self, instance, events, apps):
        """Those of all generations and depths, in both apps, and what this history says of them."""
        outputs = {}
        for app in apps:
            for child in self.insist(f"children of {instance}", app, descendants, instance):
                name, status = child["instanceID"], child["runtimeStatus"]
                if status != "COMPLETED":
                    raise Failure(f"{name} of {instance}, which is over: {child}")
                theirs = self.insist(f"history of {name}", app, history, name)
                self.record.check_history(name, theirs)
                outputs[name] = theirs[-1].get("output")
                self.record.children += 1
        created = {event["eventId"]: event["instanceID"] for event in events
                   if event["kind"] == "ChildWorkflowCreated"}
        for event in events:
            if event["kind"] != "ChildWorkflowCompleted":
                continue
            name = created[event["scheduledId"]]
            if outputs.get(name) != event["output"]:
                raise Failure(f"{instance}: {name} gave {outputs.get(name)}: {event}")

    def check_events(self, instance, program, events):
        """Of the last generation; the output proves the order and the ones before."""
        payloads = [event["data"] for event in events
                    if event["kind"] == "EventRaised" and event["name"] == "item"]
        expected = [payload_of(number) for number in range(program.events)]
        if payloads != expected[len(expected) - len(payloads):]:
            raise Failure(f"{instance}: events {payloads}, raised {expected}")


# Calls, with what makes them safe to repeat. `app` is None at a sidecar of that very app.


def call(api, method, path, app, timeout, query=None, **options):
    return api.call(method, f"/v1.0/workflows/chaos/{path}", {**(query or {}), "appID": app},
                    timeout=timeout, **options)


def start(api, app, timeout, instance, program):
    call(api, "POST", "program/start", app, timeout, {"instanceID": instance},
         payload=program.input, headers={"Idempotency-Key": f"start-{instance}"})


def raise_event(api, app, timeout, instance, number):
    call(api, "POST", f"{instance}/raiseEvent/item", app, timeout, payload=payload_of(number),
         headers={"Idempotency-Key": f"{number}-{instance}"})


def suspend(api, app, timeout, instance):
    call(api, "POST", f"{instance}/pause", app, timeout)


def resume(api, app, timeout, instance):
    call(api, "POST", f"{instance}/resume", app, timeout)


def terminate(api, app, timeout, instance):
    call(api, "POST", f"{instance}/terminate", app, timeout)


def purge(api, app, timeout, instance):
    call(api, "POST", f"{instance}/purge", app, timeout)


def wait_once(api, app, timeout, instance):
    state = call(api, "GET", f"{instance}/wait", app, timeout, {"timeout": "3000ms"})
    return state["runtimeStatus"] in TERMINAL, state


def descendants(api, app, timeout, instance):
    states, cursor = [], None
    while True:
        page = api.call("GET", "/v1.0/workflows/chaos",
                        {"prefix": f"{instance}.", "limit": 1000, "cursor": cursor, "appID": app},
                        timeout=timeout)
        states += page["workflows"]
        cursor = page.get("cursor")
        if not cursor:
            return states


def history(api, app, timeout, instance):
    events, index = [], 0
    while index is not None:
        page = call(api, "GET", f"{instance}/history", app, timeout, {"from": index})
        events += page["events"]
        index = page.get("next")
    return events
