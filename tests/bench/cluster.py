#!/usr/bin/env python3
"""The benchmark of several sidecars: throughput, start skew, pauses when sidecars come and
go, recovery after kill -9, and what a step costs. docs/BENCHMARK.md says what each number
means.

    tests/bench/cluster.py --build build/release --out cluster.md

Starts everything it needs in temporary folders and prints tables; about twelve minutes. What
is compared is measured in turns within the one run. Throughput is measured twice: with a core
for the store alone, as a machine of its own would give it, and with all on the same cores, where
the system lets whoever is woken take the core away from Redis. No time that it measures makes
it fail.
"""

import argparse
import contextlib
import json
import math
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import time

from replicas import (BEAT, ERROR, RUN, OneRedis, RedisCluster, World, percentile,  # noqa: E402
                      wait_until)
from harness import Harness, Timeout, until  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
STORES = {"redis": OneRedis, "cluster": RedisCluster}
APART, TOGETHER = "the store has a core of its own", "all share the cores"
COUNTS = (1, 2, 4)
CONCURRENCY = 128
WIDTH = 1000
PULSE_MS = 50
BETWEEN_S = 1
CALM = "nothing happens"
JOINS = "a third sidecar joins"
LEAVES = "a sidecar leaves (SIGTERM)"
SIZES = {
    "full": {"chain_s": 4, "rounds": 3, "fans": 5, "pulses": 200, "calm_s": 4, "after_s": 4,
             "recovery_s": 8, "parked": 50000, "joins": 10},
    "smoke": {"chain_s": 1, "rounds": 1, "fans": 1, "pulses": 20, "calm_s": 1, "after_s": 3,
              "recovery_s": 6, "parked": 200, "joins": 1},
}


def say(text):
    print(f"… {text}", file=sys.stderr, flush=True)


# Throughput, cost and start skew -----------------------------------------------------------


def chain(world, seconds):
    """Workflows of five steps, CONCURRENCY at a time over all replicas; what it cost."""
    each = max(1, CONCURRENCY // len(world.pairs))
    before = world.cpu()
    answers = world.ask_all(f"chain {each} {seconds}")
    cpu = [after - b for after, b in zip(world.cpu(), before)]
    steps = sum(answer["steps_in_all"] for answer in answers)
    return {"steps_per_s": sum(a["steps"] / a["seconds"] for a in answers),
            "cpu_us": [1e6 * one / max(1, steps) for one in cpu]}


def fan_outs(world, first, count):
    """Fan-outs of WIDTH, one after the other: from the first start to the last, and how
    much more the busiest replica ran than its share."""
    results = []
    for number in range(first, first + count):
        took = world.pairs[number % len(world.pairs)].app.ask(f"fan_out {number} {WIDTH}")
        runs = [record for record in world.records(RUN) if record.number == number]
        by_replica = {}
        for record in runs:
            by_replica.setdefault(record.replica, []).append(record.time)
        firsts = [min(times) for times in by_replica.values()]
        results.append({
            "seconds": took["seconds"],
            "first_to_last_s": runs[-1].time - runs[0].time,
            "skew_s": max(firsts) - min(firsts),
            "busiest": max(map(len, by_replica.values())) * len(world.pairs) / len(runs)})
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def measure_counts(options, kind, cores, size):
    """In rounds over 1, 2, 4 sidecars, so that a slow minute hits all of them."""
    results = {count: {"chain": [], "fan_out": None} for count in COUNTS}
    for turn in range(size["rounds"]):
        for count in COUNTS:
            say(f"{STORES[kind].name}, {cores}: {count} sidecar(s), round {turn + 1}")
            with Harness(build=options.build) as harness:
                world = World(harness, STORES[kind](harness), count)
                if cores == APART:
                    world.give_store_a_core()
                world.ask_all("chain 4 1")  # everything has been used once
                results[count]["chain"].append(chain(world, size["chain_s"]))
                if turn == 0:
                    fan_outs(world, 0, 1)
                    results[count]["fan_out"] = fan_outs(world, 1, size["fans"])
    return results


# Pauses ------------------------------------------------------------------------------------


def gaps(beats, begin, end):
    """The longest time between two beats of each workflow, of those that touch the window;
    in s, less the pause that the workflows make themselves. None: it never stepped again."""
    longest = []
    for times in beats.values():
        touching = [after - before for before, after in zip(times, times[1:])
                    if after > begin and before < end]
        gap = max(touching, default=0.0) - PULSE_MS / 1000
        longest.append(max(0.0, gap) if times[-1] >= end else None)
    return longest


def beats_of(world):
    beats = {}
    for record in world.records(BEAT):
        beats.setdefault(record.number, []).append(record.time)
    return beats


def owners_at(world, at):
    """Which replica's sidecar has each workflow: where its code last ran."""
    owners = {}
    for record in world.records(BEAT):
        if record.time <= at:
            owners[record.number] = record.replica
    return owners


def first_beats(world, at, dead):
    """How long after `at` each workflow stepped, anywhere but at the dead replica."""
    firsts = {}
    for record in world.records(BEAT):
        if record.time > at and record.replica != dead:
            firsts.setdefault(record.number, record.time - at)
    return firsts


def measure_pauses(options, kind, size):
    """Workflows that step steadily while a replica joins, one leaves, and one is killed."""
    say(f"{STORES[kind].name}: a sidecar joins, leaves, is killed")
    with Harness(build=options.build) as harness:
        world = World(harness, STORES[kind](harness), 2)
        first = world.pairs[0]
        first.app.ask(f"pulse 0 {size['pulses']} {PULSE_MS}")
        until(lambda: len(beats_of(world)) == size["pulses"], 120, "all workflows step")
        windows = {}

        def window(name, seconds):
            windows[name] = (time.monotonic(), time.monotonic() + seconds)

        window(CALM, size["calm_s"])
        wait_until(windows[CALM][1] + BETWEEN_S)
        window(JOINS, size["after_s"])
        world.pairs.append(world.make())
        world.settle()
        wait_until(windows[JOINS][1] + BETWEEN_S)
        leaver = world.pairs.pop(1)
        window(LEAVES, size["after_s"])
        leaver.sidecar.stop()
        # What the kill holds up must not touch the window before it.
        wait_until(windows[LEAVES][1] + BETWEEN_S)
        world.settle()
        leaver.app.kill()
        victim = world.pairs.pop()
        killed = time.monotonic()
        owners = owners_at(world, killed)
        victim.kill()
        wait_until(killed + size["recovery_s"])
        after = first_beats(world, killed, victim.app.name)
        recovered = [after.get(n) for n, owner in owners.items() if owner == victim.app.name]
        others = [after.get(n) for n, owner in owners.items() if owner != victim.app.name]
        beats = beats_of(world)
        return {"pauses": {name: gaps(beats, *between) for name, between in windows.items()},
                "recovered": recovered, "others": others,
                "errors": len(world.records(ERROR))}


# Cost with the number of apps and of instances ----------------------------------------------


def measure_costs(options, size):
    """(what, the run, the run to compare it with) for each row. All of them are there at
    once and measured in turns, so that a slow minute hits all."""
    parked = size["parked"]
    kinds = {"1 app(s), a sidecar each": 1, "2 app(s), a sidecar each": 2,
             "4 app(s), a sidecar each": 4, "1 app, no other instances": 1,
             f"1 app, {parked} other instances wait": 1}
    with contextlib.ExitStack() as harnesses:
        worlds = {}
        for name, apps in kinds.items():
            harness = harnesses.enter_context(Harness(build=options.build))
            worlds[name] = World(harness, OneRedis(harness), 1, apps)
            worlds[name].give_store_a_core()
            worlds[name].ask_all("chain 4 1")
        full = worlds[f"1 app, {parked} other instances wait"]
        a_day_on = int((time.time() + 86400) * 1000)
        full.pairs[0].app.ask(f"park 0 {parked} {a_day_on} 0")
        until(lambda: full.count("parked") == parked, 120, "all of them wait")
        runs = {name: [] for name in kinds}
        for turn in range(size["rounds"]):
            for name, world in worlds.items():
                say(f"cost of a step: {name}, round {turn + 1}")
                runs[name].append(chain(world, size["chain_s"]))
    names, chosen = list(kinds), {name: middle(runs[name]) for name in kinds}
    return [(name, chosen[name], chosen[names[0 if i < 3 else 3]]) for i, name in enumerate(names)]


def measure_ring(options, size):
    say("the ring")
    done = subprocess.run([str(options.build / "tests/bench/bench_ring"), "--joins",
                           str(size["joins"])], check=True, stdout=subprocess.PIPE, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


# Report ------------------------------------------------------------------------------------


def table(head, rows):
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def ms(seconds, digits=0):
    return "-" if seconds is None else f"{seconds * 1000:.{digits}f}"


def cpu_cells(run):
    return [f"{us:.0f}" for us in [*run["cpu_us"], sum(run["cpu_us"])]]


def ratio_of(value, base):
    """Not a number when a tiny run has measured nothing."""
    return value / base if base else math.nan


def cpu_ratio(run, base):
    return ratio_of(sum(run["cpu_us"]), sum(base["cpu_us"]))


def middle(runs):
    """The run with the middle rate."""
    return sorted(runs, key=lambda run: run["steps_per_s"])[len(runs) // 2]


def counts_report(results):
    one = middle(results[1]["chain"])["steps_per_s"]
    rows = []
    for count, result in results.items():
        run, fan = middle(result["chain"]), result["fan_out"]
        rates = [r["steps_per_s"] for r in result["chain"]]
        rows.append((count, f"{run['steps_per_s']:.0f}", f"{ratio_of(run['steps_per_s'], one):.2f}",
                     f"{min(rates):.0f}–{max(rates):.0f}", *cpu_cells(run), ms(fan["seconds"], 1),
                     ms(fan["first_to_last_s"], 1), ms(fan["skew_s"], 1),
                     f"{fan['busiest']:.2f}"))
    return table(["sidecars", "steps/s", "/ one sidecar", "range", "store us/step",
                  "sidecars us/step", "apps us/step", "sum", "fan-out ms", "first to last ms",
                  "skew ms", "busiest / share"], rows)


def pause_cells(values):
    known = [value for value in values if value is not None]
    worst = ms(max(known, default=None)) if len(known) == len(values) else "not yet"
    return [len(values), ms(percentile(known, 50)), ms(percentile(known, 99)), worst]


def of_all(values, percent):
    """None: one of them has not gone on."""
    return None if None in values else percentile(values, percent)


def pauses_report(result):
    rows = [(name, *pause_cells(values)) for name, values in result["pauses"].items()]
    rows.append(("kill -9: until its workflows step again", *pause_cells(result["recovered"])))
    rows.append(("kill -9: until those of others step again", *pause_cells(result["others"])))
    return table(["", "workflows", "p50 ms", "p99 ms", "max ms"], rows)


def costs_report(rows):
    return table(["", "steps/s", "store us/step", "sidecars us/step", "apps us/step", "sum",
                  "sum / without"],
                 [(name, f"{run['steps_per_s']:.0f}", *cpu_cells(run),
                   f"{cpu_ratio(run, base):.2f}") for name, run, base in rows])


def ring_report(rows):
    return table(["hosts", "partitions", "fullest / mean", "a join moves / its share", "at most",
                  "one assignment ms"],
                 [(row["hosts"], row["partitions"], f"{row['fullest']:.2f}",
                   f"{row['moved']:.2f}", f"{row['moved_max']:.2f}", f"{row['assign_ms']:.2f}")
                  for row in rows])


def targets_report(results):
    """What is wanted, and what the run gave; a measurement that failed has no row."""
    rows = []

    def row(name, value, wanted, unit=""):
        met = "yes" if value is not None and value <= wanted else "no"
        rows.append((name, "-" if value is None else f"{value:.2f}{unit}", f"<= {wanted}{unit}",
                     met))

    for kind, store in STORES.items():
        pauses = results.get(("pauses", kind))
        for cores in APART, TOGETHER:
            counts = results.get(("counts", kind, cores))
            if counts:
                rates = {count: middle(counts[count]["chain"])["steps_per_s"] for count in counts}
                row(f"{store.name}: steps/s of one sidecar / of two, {cores}",
                    ratio_of(rates[1], rates[2]), 1)
        if pauses:
            for name in JOINS, LEAVES:
                row(f"{store.name}: longest pause, {name}", of_all(pauses["pauses"][name], 100),
                    0.5, " s")
            row(f"{store.name}: kill -9, p99", of_all(pauses["recovered"], 99), 5, " s")
    for name, run, base in results.get("costs", []):
        if run is not base:
            row(f"CPU per step, {name} / without", cpu_ratio(run, base), 1.2)
    even = [r for r in results.get("ring", []) if r["partitions"] >= 20 * r["hosts"]]
    if even:
        row("ring: fullest host / mean, from 20 partitions per host on",
            max(r["fullest"] for r in even), 1.25)
        row("ring: a join moves / its share", max(r["moved"] for r in even), 1.3)
    return table(["target", "value", "wanted", "met"], rows)


def machine():
    found = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    name = found[1].strip() if found else platform.machine()
    load = os.getloadavg()[0]
    return (f"{name}, {os.cpu_count()} cores, Linux {platform.release()}; load average at the "
            f"start {load:.1f}" + (" (others were at work)" if load > 1 else ""))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release",
                        help="the build folder (default: build/release)")
    parser.add_argument("--out", type=pathlib.Path, help="write the tables to this file, too")
    parser.add_argument("--stores", default="redis,cluster", help="default: redis,cluster")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to prove that it works")
    options = parser.parse_args()
    options.build = options.build.resolve()
    for program in ("sidecar/pawld", "placement/pawl-placement", "tests/bench/bench_replica",
                    "tests/bench/bench_ring"):
        if not (options.build / program).exists():
            sys.exit(f"{options.build / program} is missing: build it, or give --build")
    unknown = set(options.stores.split(",")) - set(STORES)
    if unknown:
        sys.exit(f"--stores: {', '.join(unknown)} is none of {', '.join(STORES)}")
    return options


class Report:
    """Printed as it comes, so that a run that is cut short has shown what it had."""

    def __init__(self, path):
        self.path, self.text, self.results = path, "", {}

    def add(self, text):
        print(text, flush=True)
        self.text += text + "\n"
        if self.path:
            self.path.write_text(self.text)

    def part(self, key, title, measure, show):
        """A measurement that fails says so; the others still run."""
        self.add(f"### {title}\n")
        try:
            self.results[key] = measure()
            self.add(show(self.results[key]))
            return True
        except (AssertionError, OSError, Timeout, subprocess.SubprocessError) as error:
            self.add(f"**not measured**: {error}\n".splitlines()[0] + "\n")
            return False


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    size = SIZES["smoke" if options.smoke else "full"]
    report, begin, fine = Report(options.out), time.monotonic(), []
    report.add(machine() + "\n")
    for kind in options.stores.split(","):
        name = STORES[kind].name
        for cores in APART, TOGETHER:
            fine.append(report.part(
                ("counts", kind, cores), f"{name}: throughput and fan-out, {cores}",
                lambda kind=kind, cores=cores: measure_counts(options, kind, cores, size),
                counts_report))
        fine.append(report.part(("pauses", kind), f"{name}: pauses",
                                lambda kind=kind: measure_pauses(options, kind, size),
                                pauses_report))
    fine.append(report.part("costs", "Cost of a step", lambda: measure_costs(options, size),
                            costs_report))
    fine.append(report.part("ring", "Ring", lambda: measure_ring(options, size), ring_report))
    report.add("### Targets\n")
    report.add(targets_report(report.results))
    say(f"{time.monotonic() - begin:.0f} s")
    sys.exit(0 if all(fine) else 1)


if __name__ == "__main__":
    main()
