#!/usr/bin/env python3
"""The benchmark of the whole path: app, sidecar, store. docs/BENCHMARK.md says what each
number means.

    tests/bench/run.py --build build/release
    tests/bench/run.py --build build/release --stores redis --appendfsync always --json out.json

Starts its own sidecar, app and redis-server in a temporary folder, prints a table and
writes all numbers as JSON. No time that it measures makes it fail.
"""

import argparse
import contextlib
import ctypes
import json
import math
import os
import pathlib
import platform
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONCURRENCIES = (1, 32, 128)
FAN_OUTS = (100, 1000)
GRPC_ROUNDS = 3
IDLE_STREAMS = 200
DIALECTS = {"dapr": "Dapr", "microsoft": "Durable Task"}
RUN_TIMEOUT_S = 900
START_TIMEOUT_S = 60
READY_TIMEOUT_S = 60
WARM_UP_TURNS = 6
MB = 1024.0
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(argv, log, **more):
    return subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stderr=log,
                            preexec_fn=_die_with_parent, **more)


def end(process):
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def proc_cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def proc_rss_kb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


# Processes -----------------------------------------------------------------------------


class Sqlite:
    name = "sqlite"
    pid = None

    def __init__(self, folder, options, log):
        self.url = f"sqlite://{folder}/state.db"
        self.pawld = ["--synchronous", options.synchronous]
        self.bench = ["--synchronous", options.synchronous]
        self.durability = f"synchronous={options.synchronous}"

    def stop(self):
        pass


class Redis:
    name = "redis"

    def __init__(self, folder, options, log):
        path = f"{folder}/redis.sock"
        durable = options.appendfsync != "off"
        self.url = f"redis+unix://{path}"
        self.pawld = self.bench = []
        self.durability = f"appendfsync={options.appendfsync}" if durable else "no AOF"
        argv = ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir",
                folder, "--appendonly", "yes" if durable else "no"]
        if durable:
            # A rewrite of the log in the middle of one run and not of the next would be
            # most of the difference between the two.
            argv += ["--appendfsync", options.appendfsync, "--auto-aof-rewrite-percentage", "0"]
        self.process = spawn(argv, log, stdout=log)
        self.pid = self.process.pid
        self._wait(path)

    def _wait(self, path):
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
                probe.connect(path)
                probe.sendall(b"PING\r\n")
                if probe.recv(64).startswith(b"+PONG"):
                    return
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("redis-server does not answer")
            time.sleep(0.02)

    def stop(self):
        end(self.process)


STORES = {"sqlite": Sqlite, "redis": Redis}


class Sidecar:
    def __init__(self, build, folder, store, idle_ms, log):
        self.endpoint = f"ipc://{folder}/app.sock"
        ready, write = os.pipe()
        begin = time.monotonic()
        self.process = spawn(
            [build / "sidecar/pawld", "--app-id", "bench", "--store", store.url, "--http-port",
             "0", "--grpc-port", "0", "--durabletask-port", "0", "--app-listen", self.endpoint, "--instance-idle", f"{idle_ms}ms",
             "--ready-fd", str(write), "--log-level", "warn", *store.pawld], log, pass_fds=(write,))
        os.close(write)
        with os.fdopen(ready, "rb") as pipe:
            if not select.select([pipe], [], [], READY_TIMEOUT_S)[0]:
                raise RuntimeError("the sidecar does not become ready")
            line = pipe.readline()
        if not line:
            raise RuntimeError("the sidecar ended before it was ready; its log says why")
        self.ready_ms = (time.monotonic() - begin) * 1000
        ports = json.loads(line)
        self.http = ports["http"]
        self.grpc = {"dapr": ports["grpc"], "microsoft": ports["durabletask"]}
        self.pid = self.process.pid

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=60) as reply:
            text = reply.read().decode()
        values = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, value = line.rsplit(" ", 1)
            label = re.search(r'(?:status|operation)="(\w+)"', name)
            key = name.split("{")[0] + (f".{label[1]}" if label else "")
            values[key] = float(value)
        return values

    def stop(self):
        end(self.process)


class World:
    """One store, empty, and its sidecar."""

    def __init__(self, options, kind, with_sidecar=True):
        self.build = options.build
        self.folder = tempfile.mkdtemp(prefix="pawl-bench-", dir=options.dir)
        self.log_path = pathlib.Path(self.folder, "log")
        self.log = open(self.log_path, "ab")
        self.store = self.sidecar = None
        try:
            self.store = STORES[kind](self.folder, options, self.log)
            if with_sidecar:
                self.sidecar = Sidecar(self.build, self.folder, self.store,
                                       options.size["idle_ms"], self.log)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.close(failed=kind is not None)

    def close(self, failed=False):
        for part in (self.sidecar, self.store):
            if part:
                part.stop()
        self.log.close()
        said = self.log_path.read_text(errors="replace").strip()
        if failed and said:
            print("--- log", said[-4000:], sep="\n", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def app_argv(self, scenario, **flags):
        argv = [self.build / "tests/bench/bench_app", "--endpoint", self.sidecar.endpoint,
                "--watch", f"sidecar={self.sidecar.pid}"]
        if self.store.pid:
            argv += ["--watch", f"store={self.store.pid}"]
        for name, value in flags.items():
            argv += ["--" + name.replace("_", "-"), str(value)]
        return [*argv, scenario]

    def app(self, scenario, **flags):
        """Run a scenario; its numbers, and what the sidecar counted meanwhile."""
        return self.measured(self.app_argv(scenario, **flags))

    def taskhub(self, dialect, scenario, **flags):
        """The same over gRPC."""
        argv = self.app_argv(scenario, **flags)
        argv[:3] = [self.build / "tests/bench/bench_taskhub", "--dialect", dialect, "--port",
                    self.sidecar.grpc[dialect]]
        return self.measured(argv)

    def measured(self, argv):
        before = self.sidecar.metrics()
        done = subprocess.run([str(a) for a in argv], check=True,
                              stdout=subprocess.PIPE, stderr=self.log, timeout=RUN_TIMEOUT_S)
        result = json.loads(done.stdout)
        after = self.sidecar.metrics()
        result["turns"] = after["pawl_turns_total"] - before["pawl_turns_total"]
        result["store_ops"] = {
            name.split(".")[1]: value - before[name] for name, value in after.items()
            if name.startswith("pawl_store_operations_total.") and value > before[name]}
        result["all_steps"] = after["pawl_steps_total"] - before["pawl_steps_total"]
        return result

    def yardstick(self, in_flight, seconds):
        """What the store alone does, in a run of its own."""
        argv = [self.build / "tests/bench/bench_store", "--url", self.store.url, "--in-flight",
                in_flight, "--seconds", seconds, *self.store.bench]
        before = proc_cpu_s(self.store.pid) if self.store.pid else 0
        done = subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE,
                              stderr=self.log, timeout=RUN_TIMEOUT_S)
        result = json.loads(done.stdout)
        if self.store.pid:
            result["store_cpu_s"] = proc_cpu_s(self.store.pid) - before
        return result


# What is measured ------------------------------------------------------------------------


def measure_hop(options):
    with tempfile.TemporaryDirectory(prefix="pawl-bench-", dir=options.dir) as folder:
        argv = [options.build / "tests/bench/bench_hop", "--url", f"ipc://{folder}/hop.sock",
                "--seconds", options.seconds]
        done = subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE,
                              timeout=RUN_TIMEOUT_S)
        return json.loads(done.stdout)


def measure_idle(world, seconds):
    pid = world.sidecar.pid
    before = proc_cpu_s(pid)
    time.sleep(seconds)
    return {"ready_ms": world.sidecar.ready_ms, "rss_kb": proc_rss_kb(pid),
            "cpu_percent": (proc_cpu_s(pid) - before) / seconds * 100}


def measure_timers(world, size, start_rate):
    """Sleeping workflows: what they weigh, and how late the last one wakes up."""
    pid, count, idle_ms = world.sidecar.pid, size["timers"], size["idle_ms"]
    world.app("sequence", count=20)  # everything has been used once
    rss_before = proc_rss_kb(pid)
    due_ms = int(count / max(1, start_rate) * 1000 * 4 + idle_ms * 2 + 2000)
    argv = [str(a) for a in world.app_argv("timers", count=count, concurrency=128, due_ms=due_ms)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=world.log) as app:
        created = json.loads(app.stdout.readline())
        time.sleep(max(0, min(idle_ms * 1.6, created["ahead_ms"] - 1000)) / 1000)
        active = world.sidecar.metrics()["pawl_active_instances"]
        rss_kb = proc_rss_kb(pid)
        fired = json.loads(app.stdout.readline())
        app.wait(RUN_TIMEOUT_S)
    return {"count": count, "created": created, "fired": fired, "active_when_idle": active,
            "rss_before_kb": rss_before, "rss_idle_kb": rss_kb,
            "bytes_each": (rss_kb - rss_before) * 1024 / count}


def cpu_per_1000(run):
    if not run["steps"]:
        return {}
    return {name: seconds * 1000 / run["steps"] for name, seconds in run["cpu_s"].items()}


def measure_grpc(world, seconds):
    """Chains by the app stream and by each dialect in turn, so that all meet the same machine;
    and the memory of streams that wait for work."""
    found = {"chain": {}, "idle": {}}
    for concurrency in CONCURRENCIES:
        runs = {"native": []} | {dialect: [] for dialect in DIALECTS}
        for _ in range(GRPC_ROUNDS if concurrency == CONCURRENCIES[-1] else 1):
            runs["native"].append(world.app("chain", concurrency=concurrency, seconds=seconds))
            for dialect in DIALECTS:
                runs[dialect].append(
                    world.taskhub(dialect, "chain", concurrency=concurrency, seconds=seconds))
        found["chain"][concurrency] = runs
    for dialect in DIALECTS:
        found["idle"][dialect] = world.taskhub(dialect, "idle", count=IDLE_STREAMS)
    return found


def ratio_of(value, base):
    """Not a number when a tiny run has measured nothing."""
    return value / base if base else math.nan


def sidecar_us(runs):
    """The sidecar's CPU per step, of several runs together."""
    steps = sum(run["steps"] for run in runs)
    return sum(run["cpu_s"]["sidecar"] for run in runs) * 1e6 / steps if steps else 0


def measure_store(options, kind, say):
    size = options.size
    results = {"store": kind}
    say(f"{kind}: the store alone")
    yardsticks = {}
    for in_flight in CONCURRENCIES:
        with World(options, kind, with_sidecar=False) as world:
            results["durability"] = world.store.durability
            yardsticks[in_flight] = world.yardstick(in_flight, size["store_seconds"])
    results["yardstick"] = yardsticks

    with World(options, kind) as world:
        say(f"{kind}: idle sidecar")
        results["idle"] = measure_idle(world, size["idle_seconds"])
        results["chain"] = {}
        for concurrency in CONCURRENCIES:
            say(f"{kind}: chain at {concurrency}")
            repeat = 3 if concurrency == CONCURRENCIES[-1] else 1
            results["chain"][concurrency] = [
                world.app("chain", concurrency=concurrency, seconds=options.seconds)
                for _ in range(repeat)]
        say(f"{kind}: chain by gRPC")
        results["grpc"] = measure_grpc(world, options.seconds)
        results["fan_out"] = {}
        for width in FAN_OUTS:
            say(f"{kind}: fan-out of {width}")
            results["fan_out"][width] = world.app("fan_out", count=width, repeat=size["repeat"])
        say(f"{kind}: {size['sequence']} steps in a row")
        results["sequence"] = world.app("sequence", count=size["sequence"])
        say(f"{kind}: starts")
        results["start"] = world.app("start", concurrency=128, seconds=options.seconds)

    with World(options, kind) as world:
        say(f"{kind}: {size['timers']} timers")
        results["timers"] = measure_timers(world, size,
                                           results["start"]["workflows_per_s"])
    for runs in results["chain"].values():
        for run in runs:
            run["cpu_s_per_1000_steps"] = cpu_per_1000(run)
    for run in results["fan_out"].values():
        run["cpu_s_per_1000_steps"] = cpu_per_1000(run)
    results["sequence"]["cpu_s_per_1000_steps"] = cpu_per_1000(results["sequence"])
    return results


# Report ------------------------------------------------------------------------------------


def targets(results, hop):
    """(what, value, target, met) of one store."""
    top = CONCURRENCIES[-1]
    rates = [run["steps_per_s"] for run in results["chain"][top]]
    store_rate = results["yardstick"][top]["commits_per_s"]
    sequence, idle, timers = results["sequence"], results["idle"], results["timers"]
    floor_us = 5 * results["yardstick"][1]["p50_us"] + 4 * hop["hop_us"]
    turns = results["fan_out"][1000]["turns_each"]
    spread = ratio_of(max(rates) - min(rates), statistics.median(rates)) * 100

    def at_most(what, value, target, unit=""):
        return what, f"{value:.4g}{unit}", f"<= {target:g}{unit}", value <= target

    ratio = ratio_of(statistics.median(rates), store_rate)
    return [
        (f"steps/s at {top} / commits/s of the store alone at {top}", f"{ratio:.2f}", ">= 0.5",
         ratio >= 0.5),
        at_most("latency of a step, alone / (5 store round trips + 4 hops)",
                ratio_of(sequence["step_p50_us"], floor_us), 1),
        at_most("turns of a fan-out of 1,000", turns, 20),
        at_most("cost of a step, last tenth / first tenth of a long workflow",
                ratio_of(sequence["last_tenth_us"], sequence["first_tenth_us"]), 1.5),
        at_most("idle sidecar, resident", idle["rss_kb"] / MB, 12, " MB"),
        at_most("idle sidecar, CPU", idle["cpu_percent"], 0.5, " %"),
        at_most("ready after", idle["ready_ms"], 100, " ms"),
        at_most("sidecar memory per sleeping workflow", timers["bytes_each"], 1024, " B"),
        at_most("three chain runs in a row, spread", spread, 10, " %"),
        *grpc_targets(results["grpc"], at_most),
    ]


def grpc_targets(grpc, at_most):
    runs = grpc["chain"][CONCURRENCIES[-1]]
    native_us = sidecar_us(runs["native"])
    for dialect, name in DIALECTS.items():
        if native_us > 0:
            yield at_most(f"sidecar's CPU per step, {name} / app stream",
                          sidecar_us(runs[dialect]) / native_us, 2)
        yield at_most(f"idle stream of work, {name}", grpc["idle"][dialect]["kb_each"], 100,
                      " KB")


def print_table(head, rows):
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        print("| " + " | ".join(cells) + " |")
    print()


def cpu_cells(run):
    cpu = run.get("cpu_s_per_1000_steps", {})
    return [f"{cpu[name] * 1000:.0f}" if name in cpu else "-"
            for name in ("store", "sidecar", "app")]


def ops_cell(run):
    """Polls go by the clock and not by the work, so they do not count."""
    ops = sum(n for name, n in run["store_ops"].items() if name != "poll")
    return f"{ops / run['all_steps']:.2f}" if run["steps"] else "-"


def rss_cells(run):
    rss = run["rss_peak_kb"]
    return [f"{rss[name] / MB:.1f}" if name in rss else "-"
            for name in ("store", "sidecar", "app")]


def ms_of(run, key):
    """Not a number when nothing was completed in a tiny run, of which there is no time then."""
    return run.get(key, math.nan) / 1000


def run_rows(results):
    for concurrency, runs in results["chain"].items():
        for run in runs:
            yield (f"chain of 5, {concurrency} at once", f"{run['steps_per_s']:.0f}",
                   f"{ms_of(run, 'workflow_p50_us'):.2f}", f"{ms_of(run, 'workflow_p99_us'):.2f}",
                   ops_cell(run), *cpu_cells(run), *rss_cells(run))
    for width, run in results["fan_out"].items():
        yield (f"fan-out of {width}", f"{run['steps_per_s']:.0f}",
               f"{ms_of(run, 'workflow_p50_us'):.2f}", f"{ms_of(run, 'workflow_p99_us'):.2f}",
               ops_cell(run), *cpu_cells(run), *rss_cells(run))
    run = results["sequence"]
    yield (f"{run['steps']} steps in a row", f"{ratio_of(run['steps'], run['seconds']):.0f}",
           f"{ms_of(run, 'step_p50_us'):.2f}", f"{ms_of(run, 'step_p99_us'):.2f}",
           ops_cell(run), *cpu_cells(run), *rss_cells(run))
    run = results["start"]
    yield ("start only, 128 at once (starts/s)", f"{run['workflows_per_s']:.0f}",
           f"{ms_of(run, 'workflow_p50_us'):.2f}", f"{ms_of(run, 'workflow_p99_us'):.2f}",
           ops_cell(run), *cpu_cells(run), *rss_cells(run))


def grpc_rows(grpc):
    names = {"native": "app stream", **DIALECTS}
    for concurrency, by_front in grpc["chain"].items():
        for front, runs in by_front.items():
            rates = [run["steps_per_s"] for run in runs]
            yield (f"chain of 5, {concurrency} at once, {names[front]}",
                   f"{statistics.median(rates):.0f}",
                   f"{statistics.median(ms_of(run, 'workflow_p50_us') for run in runs):.2f}",
                   f"{statistics.median(ms_of(run, 'workflow_p99_us') for run in runs):.2f}",
                   f"{sidecar_us(runs):.0f}")


def print_report(report):
    machine = report["machine"]
    print(f"\n{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}; "
          f"hop of the app stream {report['hop']['hop_us']:.0f} us\n")
    for results in report["stores"]:
        print(f"## {results['store']}, {results['durability']}\n")
        print_table(["the store alone", "commits/s", "p50 us", "p99 us"],
                    [(f"{n} in flight", f"{y['commits_per_s']:.0f}", y["p50_us"], y["p99_us"])
                     for n, y in results["yardstick"].items()])
        print_table(["run", "steps/s", "p50 ms", "p99 ms", "store ops/step", "store us/step", "sidecar us/step",
                     "app us/step", "store MB", "sidecar MB", "app MB"], run_rows(results))
        print_table(["front", "steps/s", "p50 ms", "p99 ms", "sidecar us/step"],
                    grpc_rows(results["grpc"]))
        timers = results["timers"]
        print(f"{timers['count']} sleeping workflows: created in "
              f"{timers['created']['seconds']:.1f} s, sidecar {timers['rss_idle_kb'] / MB:.1f} MB "
              f"once idle ({timers['active_when_idle']:.0f} still active), all awake "
              f"{timers['fired']['late_ms'] / 1000:.2f} s after they were due; turns per fan-out: "
              + ", ".join(f"{n}: {r['turns_each']:.1f}" for n, r in results["fan_out"].items())
              + "\n")
        print_table(["target", "value", "wanted", "met"],
                    [(what, value, wanted, "yes" if met else "NO")
                     for what, value, wanted, met in results["targets"]])


def cpu_name():
    found = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else platform.machine()


SIZES = {
    "full": {"store_seconds": 5, "idle_seconds": 10, "repeat": 5, "sequence": 10000,
             "timers": 100000, "idle_ms": 5000},
    "smoke": {"store_seconds": 1, "idle_seconds": 0.2, "repeat": 1, "sequence": 50, "timers": 50,
              "idle_ms": 300},
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release",
                        help="the build folder (default: build/release)")
    parser.add_argument("--stores", default="sqlite,redis", help="default: sqlite,redis")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one chain run; 5")
    parser.add_argument("--synchronous", default="full", choices=["full", "normal", "off"],
                        help="SQLite's durability; full")
    parser.add_argument("--appendfsync", default="everysec",
                        choices=["always", "everysec", "no", "off"],
                        help="Redis's durability, off: no AOF; everysec")
    parser.add_argument("--json", type=pathlib.Path, default=pathlib.Path("bench.json"),
                        help="where all numbers go; bench.json")
    parser.add_argument("--dir", default=None, help="where the stores are made (default: /tmp)")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, to prove that it works")
    options = parser.parse_args()
    options.build = options.build.resolve()
    options.size = SIZES["smoke" if options.smoke else "full"]
    if options.smoke:
        options.seconds = 0.5
    return options


def main():
    options = parse()
    for program in ("sidecar/pawld", "tests/bench/bench_app", "tests/bench/bench_store",
                    "tests/bench/bench_taskhub"):
        if not (options.build / program).exists():
            sys.exit(f"{options.build / program} is missing: build it, or give --build")

    def say(text):
        print(f"… {text}", file=sys.stderr, flush=True)

    say("hop of the app stream")
    report = {
        "machine": {"cpu": cpu_name(), "cores": os.cpu_count(), "kernel": platform.release()},
        "hop": measure_hop(options),
        "stores": [],
    }
    for kind in options.stores.split(","):
        results = measure_store(options, kind, say)
        for run in results["fan_out"].values():
            # The app's first workflow, a chain of 5 to wake everything up, took 6 turns.
            run["turns_each"] = (run["turns"] - WARM_UP_TURNS) / run["workflows"]
        results["targets"] = targets(results, report["hop"])
        report["stores"].append(results)
    options.json.write_text(json.dumps(report, indent=1))
    print_report(report)


if __name__ == "__main__":
    main()
