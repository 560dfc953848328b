"""Replicas of an app, each a sidecar and a bench_replica beside it, on one store and one
placement service, and the records that they leave. On top of tests/e2e/harness.py.

    world = World(harness, RedisCluster(harness), count=2)
    world.pairs[0].app.ask("fan_out 1 1000")
    records = world.records(RUN)
"""

import json
import os
import pathlib
import select
import struct
import subprocess
import sys
import time
from collections import namedtuple

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import RedisCluster as Shards  # noqa: E402
from harness import (Process, Redis, Sidecar, Timeout,  # noqa: E402
                     _die_with_parent, log_tail, until)

PARTITIONS = 128
BEAT, RUN, PARKED, WOKEN, DONE, ERROR = range(1, 7)  # as in replica.h
RECORD = struct.Struct("=QQII")
Record = namedtuple("Record", "time value number replica")  # time in s, as time.monotonic()
EVERYSEC = ("--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def keep_to(pid, cores):
    """A process and all threads that it has by now."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), cores)


def percentile(values, percent):
    """Of a list that need not be sorted; None when it is empty."""
    values = sorted(values)
    return values[(len(values) - 1) * percent // 100] if values else None


class WallClock:
    """That of the processes whose environment has `env`. It can be put ahead for all of them."""

    def __init__(self, harness):
        self.path = harness.folder / "clock-ahead"
        self.path.write_bytes(struct.pack("=q", 0))
        options = [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]
        self.env = {"LD_PRELOAD": str(harness.build / "tests/bench/libclock_ahead.so"),
                    "CLOCK_AHEAD_FILE": str(self.path),
                    "ASAN_OPTIONS": ":".join(filter(None, options))}

    def put_ahead(self, seconds):
        with open(self.path, "r+b") as file:
            file.write(struct.pack("=q", seconds))


class OneRedis:
    """One redis-server, with the durability that the benchmarks are taken with."""

    name = "1 Redis"

    def __init__(self, harness, env=None):
        self.server = Redis(harness, "redis", EVERYSEC)
        self.server.env.update(env or {})
        self.server.start()
        self.servers = [self.server]
        self.url = self.server.url

    def cpu(self):
        return cpu_seconds(self.server.pid)

    def stop(self):
        self.server.kill()


class RedisCluster(Shards):
    """Of three shards without replicas."""

    name = "3-shard Redis Cluster"

    def __init__(self, harness):
        super().__init__(harness, options=EVERYSEC)

    def cpu(self):
        return sum(cpu_seconds(server.pid) for server in self.servers)

    def stop(self):
        for server in self.servers:
            server.kill()


class Replica(Process):
    """bench_replica: it is told what to do on its stdin and answers on its stdout."""

    def __init__(self, harness, name, sidecar):
        self.records_path = harness.folder / f"{name}.records"
        super().__init__(harness, name, [
            harness.build / "tests/bench/bench_replica", "--endpoint", sidecar.endpoint,
            "--app-id", sidecar.app_id, "--records", self.records_path])

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                self.argv, env=self.env, cwd=self.harness.folder, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                preexec_fn=_die_with_parent)
        return self

    def tell(self, command):
        self.popen.stdin.write(f"{command}\n".encode())
        self.popen.stdin.flush()

    def answer(self, timeout=600):
        if not select.select([self.popen.stdout], [], [], timeout)[0]:
            raise Timeout(f"{self.name} has not answered for {timeout} s:\n{log_tail(self)}")
        line = self.popen.stdout.readline()
        if not line:
            raise AssertionError(f"{self.name} ended:\n{log_tail(self)}")
        return json.loads(line)

    def ask(self, command, timeout=600):
        self.tell(command)
        return self.answer(timeout)

    def records(self, kind):
        whole = self.records_path.read_bytes()
        whole = whole[:len(whole) // RECORD.size * RECORD.size]
        return [Record(time_ns / 1e9, value, number, self.name)
                for time_ns, value, number, of in RECORD.iter_unpack(whole) if of == kind]


class Pair:
    """One replica: a sidecar and its app."""

    def __init__(self, world, app_id, name):
        self.app_id = app_id
        options = [f"--placement={world.placement.address}", "--peer-listen=127.0.0.1:0",
                   "--log-level=warn", *world.options]
        self.sidecar = Sidecar(world.harness, f"pawld-{name}", app_id, world.store,
                               options=options, env=world.env)
        self.sidecar.start()
        self.api = self.sidecar.api
        self.app = Replica(world.harness, f"app-{name}", self.sidecar).start()
        until(self.is_connected, 60, f"the worker of {name} connected")

    def is_connected(self):
        self.app.fail_if_dead()
        workers = self.api.metadata()["workflows"]["workers"]
        return any(worker["name"].endswith(f":{self.app.pid}") for worker in workers)

    def metric(self, name):
        return self.api.metrics()[f'{name}{{app="{self.app_id}"}}']

    def kill(self):
        """Sidecar and app at once, as a machine that burns."""
        self.sidecar.kill()
        self.app.kill()


class World:
    """Replicas of one app, or with `apps` of several, side by side."""

    def __init__(self, harness, store, count, apps=1, options=(), env=None):
        """`env`: of the sidecars."""
        self.harness, self.store, self.options, self.env = harness, store, options, env
        self.made, self.all_apps = 0, []
        self.placement = harness.placement()
        self.pairs = [self.make(f"bench{app}") for app in range(apps) for _ in range(count)]
        self.settle()

    def make(self, app_id="bench0"):
        self.made += 1
        pair = Pair(self, app_id, f"{app_id}-{self.made}")
        self.all_apps.append(pair.app)
        return pair

    def settle(self, timeout=120):
        """Until all of an app know of each other, and every partition has an owner."""
        apps = {pair.app_id for pair in self.pairs}

        def is_settled():
            shown = [pair.api.metadata() for pair in self.pairs]
            known = all(len(one["peers"]) == len(self.pairs) - 1 for one in shown)
            same = len({one["placement"]["version"] for one in shown}) == 1
            owned = sum(pair.metric("pawl_partitions_owned") for pair in self.pairs)
            return known and same and owned == PARTITIONS * len(apps)
        until(is_settled, timeout, f"{len(self.pairs)} sidecars know of each other")

    def give_store_a_core(self):
        """As if it were on a machine of its own: the first core is the store's alone, and
        everything else shares the others. With one core nothing can be done."""
        first, *others = sorted(os.sched_getaffinity(0))
        stores = {server.pid for server in self.store.servers}
        for process in self.harness.processes if others else ():
            keep_to(process.pid, {first} if process.pid in stores else others)

    def records(self, kind):
        """Of all replicas that there were, by time."""
        return sorted(record for app in self.all_apps for record in app.records(kind))

    def count(self, what):
        """Of the replicas that are there."""
        for pair in self.pairs:
            pair.app.tell("counts")
        return sum(pair.app.answer()[what] for pair in self.pairs)

    def ask_all(self, command, timeout=600):
        for pair in self.pairs:
            pair.app.tell(command)
        return [pair.app.answer(timeout) for pair in self.pairs]

    def cpu(self):
        """CPU seconds so far of (store, sidecars, apps)."""
        return (self.store.cpu(), sum(cpu_seconds(pair.sidecar.pid) for pair in self.pairs),
                sum(cpu_seconds(pair.app.pid) for pair in self.pairs))

    def stop(self):
        for pair in self.pairs:
            pair.kill()
        self.placement.kill()
        self.store.stop()


def wait_until(at):
    """Until time.monotonic() is there: how long something lasts is the input here."""
    time.sleep(max(0.0, at - time.monotonic()))
