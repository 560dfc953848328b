#!/usr/bin/env python3
"""When the store is away, silent, full of something else or not a store at all: errors that
say so, nothing acknowledged is lost, and work goes on by itself when it is back."""

import functools
import json
import os
import sqlite3
import time
import unittest

from checks import check_history, check_quick, scenario, test_app, wait_connected
from harness import PATIENCE, ApiError, Sidecar, output_of, until


def on_redis(body):
    @functools.wraps(body)
    def test(self):
        self.redis = self.h.redis()
        self.sidecar = self.h.sidecar("store", self.redis)
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar)
        body(self)

    return scenario(test)


class RedisAway(unittest.TestCase):
    def expect_unavailable(self, call, *args, **options):
        """In seconds, how long it took."""
        started = time.monotonic()
        with self.assertRaises(ApiError) as caught:
            call(*args, **options)
        self.assertIn(caught.exception.status, (503, 504), caught.exception)
        self.assertTrue(caught.exception.message)
        return time.monotonic() - started

    def health(self):
        status, _, text = self.api.raw("GET", "/v1.0/healthz")
        return status, text.decode()

    @on_redis
    def test_while_redis_is_down_calls_fail_clearly_and_nothing_is_lost(self):
        held = [self.api.start("held", instance=f"held-{n}") for n in range(5)]
        chains = [self.api.start("chain", "30", f"chain-{n}") for n in range(10)]
        for instance in held:
            self.api.wait(instance, for_="started")
        self.redis.kill()
        until(lambda: self.health()[0] == 503, what="not healthy")
        self.assertIn("Redis", self.health()[1])
        for call, args in ((self.api.start, ("echo", "1")), (self.api.get, ("held-0",)),
                           (self.api.raise_event, ("held-0", "go", "lost?")),
                           (self.api.suspend, ("held-0",)), (self.api.list, ()),
                           (self.api.purge, ("held-0",)), (self.api.history, ("held-0",))):
            check_quick(functools.partial(self.expect_unavailable, call, *args), 25)
        self.redis.start()
        until(lambda: self.health()[0] == 204, what="healthy again")
        for instance in chains:
            self.assertEqual(output_of(self.api.wait(instance)), 30)
            check_history(instance, self.api.history(instance))
        for instance in held[1:]:
            self.api.raise_event(instance, "go", "1")
            self.assertEqual(self.api.wait(instance)["runtimeStatus"], "COMPLETED")

    @on_redis
    def test_redis_that_says_nothing_is_noticed(self):
        chains = [self.api.start("chain", "30", f"chain-{n}") for n in range(10)]
        self.redis.pause()
        self.expect_unavailable(self.api.start, "echo", "1", "late", request_id="late")
        until(lambda: self.health()[0] == 503, what="not healthy")
        check_quick(lambda: self.expect_unavailable(self.api.start, "echo", "1"), 1)
        self.redis.resume()
        late = self.api.start("echo", "1", "late", request_id="late", retry_for=PATIENCE)
        self.assertEqual(late, "late")
        self.assertEqual(output_of(self.api.wait("late")), 1)
        for instance in chains:
            self.assertEqual(output_of(self.api.wait(instance)), 30)
            check_history(instance, self.api.history(instance))

    @on_redis
    def test_redis_that_takes_no_writes_is_waited_for(self):
        chains = [self.api.start("chain", "50", f"chain-{n}") for n in range(5)]
        self.redis.command("CONFIG", "SET", "maxmemory", "1")  # OOM for every write
        self.expect_unavailable(self.api.start, "echo", "1")
        self.assertEqual(len(self.api.list()), 5)  # reads go on
        self.redis.command("CONFIG", "SET", "maxmemory", "0")
        for instance in chains:
            self.assertEqual(output_of(self.api.wait(instance)), 50)
            check_history(instance, self.api.history(instance))

    @on_redis
    def test_lost_scripts_are_loaded_again(self):
        self.redis.command("SCRIPT", "FLUSH")
        self.assertEqual(output_of(self.api.wait(self.api.start("chain", "5"))), 5)
        self.redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        state = self.api.wait(self.api.start("chain", "5", "x", request_id="x", retry_for=PATIENCE))
        self.assertEqual(output_of(state), 5)

    @on_redis
    def test_a_sidecar_started_before_redis_waits_for_it(self):
        self.api.wait(self.api.start("chain", "1", "before"))
        self.sidecar.kill()
        self.redis.kill()
        ready = self.sidecar.start_without_waiting()
        self.sidecar.wait_for_log("not available")
        self.redis.start()
        self.sidecar.finish_start(ready)
        wait_connected(self.app, self.sidecar)
        self.assertEqual(self.api.get("before")["runtimeStatus"], "COMPLETED")
        self.assertEqual(output_of(self.api.wait(self.api.start("chain", "2"))), 2)


class Strange(unittest.TestCase):
    """A store that is not this app's, as found at the start."""

    def refused(self, store, *options, app_id="store"):
        """What a sidecar says that cannot start."""
        sidecar = Sidecar(self.h, f"refused-{len(self.h.processes)}", app_id, store,
                          options=options)
        os.close(sidecar.start_without_waiting())
        self.assertEqual(sidecar.wait(), 1, sidecar.log())
        self.assertIn("level=error", sidecar.log())
        return sidecar.log()

    def used(self, store):
        """A store that has been in use: one ended workflow."""
        sidecar = self.h.sidecar("store", store)
        app = test_app(self.h, sidecar)
        sidecar.api.wait(sidecar.api.start("echo", "1", "kept"))
        self.assertEqual(app.stop(), 0)
        self.assertEqual(sidecar.stop(), 0)
        return sidecar

    def assert_untouched(self, sidecar):
        sidecar.start()
        self.assertEqual(output_of(sidecar.api.get("kept")), 1)
        self.assertEqual(sidecar.stop(), 0)

    @scenario
    def test_a_sqlite_file_of_others_is_refused_and_left_alone(self):
        store = self.h.sqlite()
        sidecar = self.used(store)
        self.assertIn("128", self.refused(store, "--partitions=64"))
        self.assertIn("store", self.refused(store, app_id="bank"))
        self.refused(store, "--namespace=other")
        with sqlite3.connect(store.path) as conn:
            version = conn.execute("SELECT version FROM meta").fetchone()[0]
            conn.execute("UPDATE meta SET version = 999")
        conn.close()
        self.assertIn("999", self.refused(store))
        with sqlite3.connect(store.path) as conn:
            conn.execute("UPDATE meta SET version = ?", (version,))
        conn.close()
        self.assert_untouched(sidecar)

    @scenario
    def test_what_is_no_store_is_refused_and_left_alone(self):
        text = self.h.folder / "letter.txt"
        text.write_text("Dear reader, " * 1000)
        self.assertIn("not a SQLite database", self.refused(f"sqlite://{text}"))
        self.assertEqual(text.read_text(), "Dear reader, " * 1000)
        foreign = self.h.folder / "foreign.db"
        with sqlite3.connect(foreign) as conn:
            conn.execute("CREATE TABLE customers (name)")
        conn.close()
        before = foreign.read_bytes()
        self.refused(f"sqlite://{foreign}")
        with sqlite3.connect(foreign) as conn:
            tables = conn.execute("SELECT name FROM sqlite_master").fetchall()
        conn.close()
        self.assertEqual(tables, [("customers",)], before[:16])
        self.assertIn("does not exist", self.refused("sqlite:///no/such/folder/pawl.db"))
        self.assertIn("folder", self.refused(f"sqlite://{self.h.folder}"))
        self.assertIn("mysql", self.refused("mysql://host"))

    @scenario
    def test_two_sidecars_cannot_share_a_sqlite_file(self):
        store = self.h.sqlite()
        first = self.h.sidecar("store", store)
        self.assertIn("in use by another process", self.refused(store))
        self.assertTrue(first.api.is_healthy())

    def not_ready(self, store, *options):
        """A sidecar that runs but has no reason to become ready."""
        sidecar = Sidecar(self.h, f"unready-{len(self.h.processes)}", "store", store,
                          options=options)
        os.close(sidecar.start_without_waiting())
        return sidecar

    @scenario
    def test_redis_state_of_others_is_refused_and_left_alone(self):
        redis = self.h.redis()
        sidecar = self.used(redis)
        schema = "{default||store}||schema"
        before = {key: redis.command("DUMP", key) for key in redis.keys()}
        for options, field, value, word in ((["--partitions=64"], None, None, "128 partitions"),
                                            ([], "version", "99", "version 99")):
            if field:
                was = redis.command("HGET", schema, field)
                redis.command("HSET", schema, field, value)
            other = self.not_ready(redis, *options)
            other.wait_for_log(word)
            self.assertNotIn("ready: app", other.log())
            other.kill()
            if field:
                redis.command("HSET", schema, field, was)
        self.assertEqual(before, {key: redis.command("DUMP", key) for key in redis.keys()})
        self.assert_untouched(sidecar)

    @scenario
    def test_redis_that_wants_a_password_says_so(self):
        redis = self.h.redis()
        redis.command("CONFIG", "SET", "requirepass", "sesame")
        other = self.not_ready(redis)
        other.wait_for_log("password")
        other.kill()
        wrong = self.not_ready(f"redis://:guess@127.0.0.1:{redis.port}")
        wrong.wait_for_log("password is wrong")
        wrong.kill()
        self.assertNotIn("guess", wrong.log().replace(" ".join(wrong.argv), ""))
        right = self.h.sidecar("store", f"redis://:sesame@127.0.0.1:{redis.port}")
        self.assertTrue(right.api.is_healthy())
        self.assertNotIn("sesame", json.dumps(right.api.metadata()))

    @scenario
    def test_apps_and_namespaces_share_a_redis_without_seeing_each_other(self):
        redis = self.h.redis()
        sidecars = [self.h.sidecar(app, redis, f"{app}-{space}",
                                   options=[f"--namespace={space}"])
                    for app in ("one", "two") for space in ("test", "live")]
        for number, sidecar in enumerate(sidecars):
            test_app(self.h, sidecar, name=f"app-{number}")
            sidecar.api.start("echo", str(number), "same")
        for number, sidecar in enumerate(sidecars):
            self.assertEqual(output_of(sidecar.api.wait("same")), number)
            self.assertEqual(len(sidecar.api.list()), 1)


if __name__ == "__main__":
    unittest.main()
