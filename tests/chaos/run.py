#!/usr/bin/env python3
"""Real processes under random faults: nothing may be lost, done twice or left standing.
See docs/CHAOS.md.

    run.py [--seed N] [--minutes N | --faults N] [--clients N]

The programs are looked for in PAWL_BUILD_DIR (else build/dev). A run that fails prints its
seed and keeps its folder.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import secrets
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from checks import check_history
from clients import AppLog, Client, Failure, call, history
from disk import Disk
from harness import TERMINAL, ApiError, Harness, Timeout, output_of, until
from nemesis import BEGIN, SIDECAR_STARTS, Nemesis
from programs import hash_text
from world import APPS, World

TICKERS = {"ticker": 16, "spread_ticker": 4}  # of each app
AT_ONCE = {"ticker": 1, "spread_ticker": 2}  # activities: SPREAD_TICKS in chaos_app.c
RECOVERED_TURNS = 2  # the first may be of a turn from before the fault
REPLAYED_MAX = 50  # histories of each app that are replayed in the end
RECOVERY_MAX = 60.0
END_SECONDS = 120.0
LEFT = ("pawl_active_instances", "pawl_activities_sent", "pawl_activities_queued",
        "pawl_activities_running", "pawl_messages")
CALL_SECONDS = 60.0  # for one that meets no fault
SLOW_DISK = 0.5  # seconds: worth saying
BAD = re.compile(r"assert|Sanitizer|runtime error|level=fatal|core dumped|internal error", re.I)


class Record:
    """What the clients were answered, and what was found in histories."""

    def __init__(self, path, app_log):
        self.path, self.lock, self.app_log = path, threading.Lock(), app_log
        self.file = open(path, "a", buffering=1)
        self.entries = collections.defaultdict(dict)  # kind: {(app, instance): last detail}
        self.counts = collections.Counter()
        self.took, self.results, self.failures, self.children = [], 0, 0, 0

    def note(self, kind, app, instance, detail=None):
        with self.lock:
            self.file.write(json.dumps([time.time(), kind, app, instance, detail]) + "\n")
            self.entries[kind][app, instance] = detail
            self.counts[kind] += 1

    def check_history(self, instance, events):
        """It is sound, and every result and failure in it is that of a real run with that input."""
        try:
            check_history(instance, events)
        except AssertionError as error:
            raise Failure(str(error)) from None
        self.app_log.read()
        scheduled = {event["eventId"]: event for event in events
                     if event["kind"] == "TaskScheduled"}
        for event in events:
            if event["kind"] not in ("TaskCompleted", "TaskFailed"):
                continue
            task = scheduled[event["scheduledId"]]
            if task["name"] == "tick":
                continue  # they are counted: see check_tickers
            execution = task["taskExecutionId"].replace("-", "")
            output = event["output"] if event["kind"] == "TaskCompleted" else None
            if not self.app_log.has_run(execution, str(hash_text(task["input"])), output):
                raise Failure(f"{instance}: a result of no run: {task}, {event}")
            self.results += 1
            self.failures += output is None


class Run:
    def __init__(self, harness, options):
        self.h, self.options = harness, options
        self.world = World(harness)
        self.app_log = AppLog(harness.folder / "chaos.log")
        self.record = Record(harness.folder / "clients.log", self.app_log)
        self.disk = Disk(harness.folder)
        self.nemesis = Nemesis(self.world, random.Random(f"{harness.seed} nemesis"),
                               options.only.split(","))
        self.clients = [Client(n, self.world, random.Random(f"{harness.seed} client {n}"),
                               self.record) for n in range(options.clients)]
        self.recoveries = collections.defaultdict(list)
        self.faults = collections.Counter()
        self.idle_faults = []  # nothing was done in their time
        self.totals = collections.Counter()  # metrics of sidecars, over all their lives
        self.seen = {}

    # Tickers -----------------------------------------------------------------------------

    def start_tickers(self):
        self.tickers = [(app, f"ticker-{kind}-{app}-{n}", kind) for app in APPS
                        for kind, count in TICKERS.items() for n in range(count)]
        for app, instance, kind in self.tickers:
            call(self.world.of(app)[0].api, "POST", f"{kind}/start", None, CALL_SECONDS,
                 {"instanceID": instance}, payload="0", retry_for=CALL_SECONDS,
                 headers={"Idempotency-Key": f"start-{instance}"})
        self.wait_ticking(time.time(), RECOVERY_MAX, "at the start")

    def standing(self, since):
        """Tickers that have not gone on since then, and of each kind the seconds until the last of
        the others did."""
        self.app_log.read()
        standing, took = [], dict.fromkeys(TICKERS, 0.0)
        for _, instance, kind in self.tickers:
            times = self.app_log.ticks_after(instance, since)
            ticks = RECOVERED_TURNS * AT_ONCE[kind]
            if len(times) < ticks:
                standing.append(instance)
            else:
                took[kind] = max(took[kind], times[ticks - 1] - since)
        return standing, took

    def wait_ticking(self, since, seconds, what):
        """Of each kind, seconds from then until all have gone on."""
        while True:
            standing, took = self.standing(since)
            if not standing:
                return took
            if time.time() - since > seconds:
                raise Failure(f"{what}: {len(standing)} of {len(self.tickers)} tickers stand "
                              f"still after {seconds:g} s: {standing[:5]}")
            self.check_clients()
            time.sleep(0.05)

    # Faults ------------------------------------------------------------------------------

    def say(self, text):
        print(f"{time.monotonic() - self.started:7.1f}  {text}", flush=True)

    def go(self):
        self.started = time.monotonic()
        self.start_tickers()
        for client in self.clients:
            client.start()
        rng = random.Random(f"{self.h.seed} run")
        while not self.is_over():
            count = rng.choice([1, 1, 1, 1, 2, 3])
            self.inject([self.nemesis.draw() for _ in range(count)])
            time.sleep(rng.uniform(0, 1))
        self.finish()

    def is_over(self):
        done = sum(self.faults.values())
        if self.options.faults:
            enough = self.nemesis.kinds != Nemesis.KINDS or not self.unproved()
            return done >= (1 if enough else 3) * self.options.faults
        return time.monotonic() - self.started >= self.options.minutes * 60

    def inject(self, faults):
        faults, postponed = self.compatible(faults)
        self.nemesis.postpone(postponed)
        before = self.app_log.executed
        self.collect()
        for fault in faults:
            fault.begin()
        measured = faults[0] if len(faults) == 1 else None
        took = None
        if measured and measured.recovers == BEGIN:
            took = self.hold_measuring(measured)
        else:
            self.hold(faults)
        # A sidecar is started when what it needs for that is whole again.
        for fault in sorted(faults, key=lambda fault: fault.kind in SIDECAR_STARTS):
            fault.end()
        ended = max(fault.ended for fault in faults)
        self.app_log.read()
        worked = self.app_log.executed - before
        names = " + ".join(map(str, faults))
        if took is None:
            took = self.wait_ticking(ended, RECOVERY_MAX, f"after {names}")
        if measured:
            self.recoveries[measured.kind].append(took)
        self.wait_whole(names)
        self.faults.update(fault.kind for fault in faults)
        slowest = self.disk.slowest(faults[0].begun)
        self.say(f"{names}: held {ended - faults[0].begun:.1f} s, {worked} activities meanwhile, "
                 f"all went on after {max(took.values()):.2f} s"
                 + (f"; the disk took {slowest:.1f} s to sync" if slowest > SLOW_DISK else ""))

    @staticmethod
    def compatible(faults):
        """At most one for each target, lest one undoes the other's begin; and the others."""
        chosen, others, targets = [], [], set()
        for fault in faults:
            words = set(re.findall(r"(?:shop|bank|placement)-\d|redis|sentinel|both", fault.target))
            if "both" in words:
                words |= {"placement-0", "placement-1"}
            if words & targets:
                others.append(fault)
            else:
                targets |= words
                chosen.append(fault)
        return chosen, others

    def hold(self, faults):
        end = time.time() + max(fault.hold for fault in faults)
        while time.time() < end:
            self.check_clients()
            time.sleep(0.05)

    def hold_measuring(self, fault):
        """Others take over while it lasts, if it lasts; None: it ended before they had."""
        took = None
        while took is None or time.time() - fault.begun < fault.hold:
            if took is None:
                standing, took = self.standing(fault.begun)
                took = None if standing else took
            if time.time() - fault.begun > max(fault.hold, RECOVERY_MAX):
                raise Failure(f"{fault}: {standing} stand still, nobody took over")
            self.check_clients()
            time.sleep(0.05)
        return took

    def wait_whole(self, names):
        try:
            self.world.settle()
        except Timeout as error:
            raise Failure(f"after {names}: {error}") from None

    def check_clients(self):
        for client in self.clients:
            if client.error:
                raise client.error

    def collect(self):
        """Counters of the sidecars, which begin anew with each life."""
        for pair in self.world.pairs:
            try:
                metrics = pair.api.metrics()
            except OSError:
                continue
            seen = self.seen.setdefault((pair.name, pair.sidecar.pid), {})
            for key, value in metrics.items():
                if "_total{" in key:
                    name = key.split("{")[0]
                    self.totals[name] += value - seen.get(key, 0)
                    seen[key] = value

    # The end -----------------------------------------------------------------------------

    def finish(self):
        healed = time.monotonic()
        for client in self.clients:
            client.deadline, client.ending = healed + END_SECONDS, True
        for client in self.clients:
            while client.is_alive():
                self.check_clients()
                if time.monotonic() > healed + END_SECONDS + 10:
                    raise Failure(f"a client is still at: {client.doing}")
                client.join(0.2)
        self.check_clients()
        for app, instance, _ in self.tickers:
            call(self.world.of(app)[0].api, "POST", f"{instance}/raiseEvent/stop", None,
                 CALL_SECONDS, retry_for=CALL_SECONDS,
                 headers={"Idempotency-Key": f"stop-{instance}"})
        states = self.wait_all_ended(healed)
        self.say(f"everything has ended {time.monotonic() - healed:.1f} s after the last fault")
        self.wait_idle()
        self.check_states(states)
        self.check_histories(states)
        self.check_tickers()
        self.check_vacuity()
        self.check_doctor()
        self.export(states)
        self.world.stop()
        self.check_replays()
        self.check_logs()
        self.report()

    def all_states(self):
        return {(app, state["instanceID"]): state
                for app in APPS for state in self.world.of(app)[0].api.list(limit=1000)}

    def wait_all_ended(self, healed):
        def have_ended():
            try:
                states = self.all_states()
            except (ApiError, OSError) as error:
                self.open, self.unanswered = [], error
                return None
            self.unanswered = None
            self.open = [key for key, state in states.items()
                         if state["runtimeStatus"] not in TERMINAL]
            self.open += [key for key in states if self.is_purged(key)]
            return None if self.open else states

        try:
            return until(have_ended, END_SECONDS, "every instance ended, and all purged gone")
        except Timeout:
            shown = [self.world.of(app)[0].api.get(instance) for app, instance in self.open[:3]]
            raise Failure(f"{len(self.open)} not ended or not gone "
                          f"{time.monotonic() - healed:.0f} s after the last fault: "
                          f"{self.open[:10]} {shown} {self.unanswered or ''}") from None

    def wait_idle(self):
        """Nothing that has ended is in anybody's hands."""
        def are_idle():
            self.left = {}
            for pair in self.world.pairs:
                gauges = {key.split("{")[0]: value for key, value in pair.api.metrics().items()}
                left = {name: gauges[name] for name in LEFT if gauges[name] > 0}
                if left:
                    self.left[pair.name] = left
            return not self.left

        try:
            until(are_idle, END_SECONDS, "no sidecar with anything left")
        except Timeout:
            raise Failure(f"everything has ended, and sidecars have left: {self.left}") from None

    def is_purged(self, key):
        """It, or the root that it is a descendant of, was purged with success. Children of
        generations before the last one are not purged with their parent."""
        root, *path = key[1].split(".")
        generations = [self.record.entries["purged"].get((app, root)) for app in APPS]
        return any(last is not None and (not path or int(path[0]) == last)
                   for last in generations)

    def check_states(self, states):
        """What was answered is there; what is there was asked for."""
        started, unknown = self.record.entries["started"], self.record.entries["unknown"]
        gone, ended = self.record.entries["purged"], self.record.entries["terminated"]
        for key in started:
            if key not in states and key not in gone:
                raise Failure(f"{key} was started with success and is not there")
        for key, state in states.items():
            root = key[1].split(".")[0]
            owners = [app for app in APPS if (app, root) in started or (app, root) in unknown]
            if not owners and not root.startswith("ticker-"):
                raise Failure(f"{key} was never asked for: {state}")
            was_ended = any((app, root) in ended for app in APPS)
            if state["runtimeStatus"] != "COMPLETED" and not was_ended:
                raise Failure(f"{key} should have completed: {state}")

    def check_histories(self, states):
        """Of all that are still there: terminated ones, and children of terminated parents, too."""
        for app, instance in states:
            self.record.check_history(
                instance, history(self.world.of(app)[0].api, None, CALL_SECONDS, instance))

    def pawl(self, *arguments, seconds=120):
        return subprocess.run([self.h.build / "cli/pawl", *arguments], capture_output=True,
                              text=True, timeout=seconds, cwd=self.h.folder)

    def export(self, states):
        """Some histories of each app, into a folder of its own."""
        rng = random.Random(f"{self.h.seed} replay")
        self.exported = {app: 0 for app in APPS}
        for app in APPS:
            folder = self.h.folder / f"histories-{app}"
            folder.mkdir()
            mine = sorted(instance for of, instance in states if of == app)
            address = f"http://127.0.0.1:{self.world.of(app)[0].sidecar.http_port}"
            for instance in rng.sample(mine, min(REPLAYED_MAX, len(mine))):
                done = self.pawl("workflow", "history", instance, "--export", "-a", address)
                if done.returncode != 0:
                    raise Failure(f"export of {instance}: {done.stderr}")
                (folder / f"{instance}.json").write_text(done.stdout)
                self.exported[app] += 1

    def check_replays(self):
        """What the code does on those histories is what it did then."""
        for app, count in self.exported.items():
            done = self.pawl("replay", "--strict", f"--app-id={app}", f"histories-{app}", "--",
                             str(self.h.build / "tests/chaos/chaos_app"), seconds=600)
            if done.returncode != 0 or f"{count} of {count} histories" not in done.stdout:
                raise Failure(f"pawl replay, app {app}: {done.stdout[-3000:]}{done.stderr[-1000:]}")

    def check_tickers(self):
        """Each tick that was counted has been run, and no other but perhaps the last."""
        self.app_log.read()
        for app, instance, kind in self.tickers:
            count = int(output_of(self.world.of(app)[0].api.get(instance), json_=False))
            numbers = set(self.app_log.ticks[instance])
            if not set(range(count)) <= numbers or max(numbers) >= count + AT_ONCE[kind]:
                raise Failure(f"{instance}: output {count}, ticks {sorted(numbers)[-5:]}")

    def unproved(self):
        """What has not been exercised yet."""
        wanted = {"pawl_fenced_total": "no stale owner was turned away",
                  "pawl_activities_lost_total": "no activity was lost with its worker",
                  "pawl_peer_links_lost_total": "no link between sidecars broke"}
        self.collect()
        missing = [text for name, text in wanted.items() if not self.totals[name]]
        if not self.app_log.repeated:
            missing.append("no activity ran again")
        if not self.record.took:
            missing.append("no program was completed")
        if sum(self.faults.values()) >= len(Nemesis.KINDS):
            missing += [f"no {kind}" for kind in set(Nemesis.KINDS) - set(self.faults)]
        return missing

    def check_vacuity(self):
        """A run that exercised nothing proves nothing."""
        if self.nemesis.kinds != Nemesis.KINDS:
            return  # somebody looks for something
        if missing := self.unproved():
            raise Failure(f"this run proves nothing: {'; '.join(missing)}")

    def check_doctor(self):
        for app in APPS:
            done = self.pawl("doctor", f"--store={self.world.redis.url}", f"--app-id={app}",
                             "--stuck=10s")
            if done.returncode != 0:
                raise Failure(f"pawl doctor, app {app}: {done.stdout}{done.stderr}")

    def check_logs(self):
        for process in self.h.processes:
            if process in self.world.redis.processes:
                continue
            for line in process.log().splitlines():
                if BAD.search(line):
                    raise Failure(f"in the log of {process.name}: {line}")
        cores = list(self.h.folder.glob("core*"))
        if cores:
            raise Failure(f"core files: {cores}")

    def report(self):
        took = sorted(self.record.took)
        print(f"\n{sum(self.faults.values())} faults, {len(took)} programs completed, "
              f"{self.record.counts['terminated']} terminated, {self.record.counts['purged']} "
              f"purged, {self.record.counts['raised']} events, {self.app_log.executed} "
              f"activities ({self.app_log.repeated} ran again), {self.record.results} results "
              f"checked ({self.record.failures} of them failures), {self.record.children} children "
              f"of completed ones, {sum(self.exported.values())} histories replayed")
        print("recovery:              activities at the owner           at any sidecar")
        self.report_recovery("all", [took for every in self.recoveries.values() for took in every])
        for kind in Nemesis.KINDS:
            if self.recoveries[kind]:
                self.report_recovery(kind, self.recoveries[kind])
        for name in ("pawl_fenced_total", "pawl_commits_conflict_total",
                     "pawl_commits_unknown_total", "pawl_activities_lost_total",
                     "pawl_peer_links_lost_total", "pawl_peer_frames_dropped_total"):
            print(f"  {name:34} {self.totals[name]:.0f}")


    def report_recovery(self, name, took):
        columns = [sorted(one[kind] for one in took) for kind in TICKERS]
        shown = [f"p50 {at(values, 0.5):5.2f} s, p99 {at(values, 0.99):5.2f} s, "
                 f"max {at(values, 1):5.2f} s" for values in columns]
        print(f"  {name:20} {len(took):4} times  {' | '.join(shown)}")


def at(values, share):
    return values[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, help="of all random choices (default: a new one)")
    parser.add_argument("--minutes", type=float, default=1.0, help="how long faults go on")
    parser.add_argument("--faults", type=int, help="so many faults, instead of minutes")
    parser.add_argument("--only", metavar="KINDS", default=",".join(Nemesis.KINDS),
                        help="only these kinds of faults, with commas")
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    print(f"seed {seed}", flush=True)
    try:
        with Harness(seed) as harness:
            try:
                Run(harness, options).go()
            except BaseException:
                os.environ["PAWL_E2E_KEEP"] = "1"
                raise
    except (Failure, AssertionError, ApiError) as error:
        print(f"\nFAILED: {error}\nrepeat with --seed {seed}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
