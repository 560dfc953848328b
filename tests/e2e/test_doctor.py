#!/usr/bin/env python3
"""`pawl doctor`: a store after real runs has no findings; each kind of damage done to its
rows is reported by name; and it says what every unfinished instance waits for."""

import json
import pathlib
import sqlite3
import subprocess
import unittest

from checks import scenario, store_kind, test_app
from harness import until

STORE = store_kind()
APP = "clinic"


class RedisRows:
    """The rows of an app in Redis, to be damaged."""

    def __init__(self, redis):
        self.redis = redis

    def prefix(self, instance):
        keys = self.redis.keys(f"*||{instance}||metadata")
        assert len(keys) == 1, keys
        return keys[0][:-len(f"{instance}||metadata")].decode()

    def key(self, instance, row):
        return f"{self.prefix(instance)}{instance}||{row}"

    def meta(self, instance, field):
        return self.redis.command("HGET", self.key(instance, "metadata"), field).decode()

    def reminder_lose(self, instance, kind):
        reminders = self.prefix(instance) + "reminders"
        gone = [member for member in self.redis.command("ZRANGE", reminders, 0, -1)
                if member.startswith(f"{kind}|{instance}|".encode())]
        assert self.redis.command("ZREM", reminders, *gone) >= 1

    def reminder_add(self, instance, member, due=1):
        self.redis.command("ZADD", self.prefix(instance) + "reminders", due, member)

    def inc(self, instance):
        return self.meta(instance, "inc")

    def history_lose(self, instance, index):
        assert self.redis.command("DEL", self.key(instance, f"1||history-{index:06}")) == 1

    def history_set(self, instance, index, event):
        self.redis.command("SET", self.key(instance, f"1||history-{index:06}"), event)

    def history_get(self, instance, index):
        return self.redis.command("GET", self.key(instance, f"1||history-{index:06}"))

    def inbox_lose(self, instance):
        keys = self.redis.keys(f"*||{instance}||inbox-*")
        assert self.redis.command("DEL", keys[0]) == 1
        return keys[0].rsplit(b"||", 1)[1].decode()

    def pending_lose(self, instance):
        assert self.redis.command("DEL", self.key(instance, "pending")) == 1

    def counts_spoil(self, instance):
        self.redis.command("HINCRBY", self.prefix(instance) + "counts", 8, 1)

    def metadata_spoil(self, instance):
        self.redis.command("HSET", self.key(instance, "metadata"), "history_count", "many")

    def metadata_lose(self, instance):
        assert self.redis.command("DEL", self.key(instance, "metadata")) == 1

    def message_add(self, instance, id_):
        self.redis.command("HSET", self.prefix(instance) + "outbox", id_, "?")


class SqliteRows:
    """The same in a SQLite file; the sidecar must be away."""

    def __init__(self, path):
        self.path = path

    def run(self, sql, *parameters):
        conn = sqlite3.connect(self.path)
        try:
            cursor = conn.execute(sql, parameters)
            rows = cursor.fetchall()
            conn.commit()
            return rows, cursor.rowcount
        finally:
            conn.close()

    def one(self, sql, *parameters):
        return self.run(sql, *parameters)[0][0][0]

    def change(self, sql, *parameters):
        assert self.run(sql, *parameters)[1] >= 1, sql

    def n(self, instance):
        return self.one("SELECT n FROM instance WHERE id = ?", instance.encode())

    def partition(self, instance):
        return self.one("SELECT p FROM instance WHERE id = ?", instance.encode())

    def inc(self, instance):
        return self.one("SELECT inc FROM instance WHERE id = ?", instance.encode()).hex()

    def reminder_lose(self, instance, kind):
        start = f"{kind}|{instance}|".encode()
        self.change("DELETE FROM reminder WHERE substr(member, 1, ?) = ?", len(start), start)

    def reminder_add(self, instance, member, due=1):
        self.change("INSERT INTO reminder VALUES (?, ?, ?)", self.partition(instance),
                    member.encode(), due)

    def history_lose(self, instance, index):
        self.change("DELETE FROM history WHERE n = ? AND i = ?", self.n(instance), index)

    def history_set(self, instance, index, event):
        self.change("UPDATE history SET event = ? WHERE n = ? AND i = ?", event,
                    self.n(instance), index)

    def history_get(self, instance, index):
        return self.one("SELECT event FROM history WHERE n = ? AND i = ?", self.n(instance), index)

    def inbox_lose(self, instance):
        index = self.one("SELECT min(i) FROM inbox WHERE n = ?", self.n(instance))
        self.change("DELETE FROM inbox WHERE n = ? AND i = ?", self.n(instance), index)
        return f"inbox-{index:06}"

    def pending_lose(self, instance):
        self.change("DELETE FROM pending WHERE n = ?", self.n(instance))

    def counts_spoil(self, instance):
        self.run("INSERT INTO counts VALUES (?, 8, 1)", self.partition(instance))

    def metadata_spoil(self, instance):
        self.change("UPDATE instance SET history_count = -3 WHERE id = ?", instance.encode())

    def metadata_lose(self, instance):
        self.change("DELETE FROM instance WHERE id = ?", instance.encode())

    def message_add(self, instance, id_):
        self.change("INSERT INTO outbox VALUES (?, ?, ?)", self.partition(instance),
                    bytes.fromhex(id_), b"?")


class Doctor(unittest.TestCase):
    def begin(self):
        """Finished work of every sort, and instances that wait for every sort of thing."""
        self.store = self.h.redis() if STORE == "redis" else self.h.sqlite()
        self.rows = RedisRows(self.store) if STORE == "redis" else SqliteRows(self.store.path)
        self.sidecar = self.h.sidecar(APP, self.store)
        self.app = test_app(self.h, self.sidecar)
        api = self.api = self.sidecar.api
        done = [api.start("chain", "5", f"chain-{n}") for n in range(6)]
        done += [api.start("fan", "20", "fan"), api.start("family", "3", "family"),
                 api.start("ticks", "5", "ticks")]
        api.start("held", instance="held")
        api.start("held", instance="paused")
        for n in range(4):
            api.start("waiting", "1", f"gated-{n}")
        api.start("parent", "2", "parent")
        for instance in ("held", "paused", "gated-0", "gated-1", "gated-2", "gated-3", "parent",
                         "parent-1", "parent-2"):
            until(lambda i=instance: api.list(prefix=i), what=f"{instance} is there")
            api.wait(instance, for_="started")
        api.suspend("paused", "stock count")
        api.raise_event("paused", "go", "1")
        for instance in done:
            self.assertEqual(api.wait(instance)["runtimeStatus"], "COMPLETED")
        until(lambda: not any(api.get(i)["runtimeStatus"] == "PENDING"
                              for i in ("parent-1", "parent-2")), what="children started")

    def end_sidecar(self):
        self.app.kill()
        self.sidecar.kill()

    def doctor(self, *options, app=APP, url=None):
        ran = subprocess.run(
            [self.h.build / "cli/pawl", "doctor", f"--store={url or self.store.url}",
             f"--app-id={app}", *options],
            capture_output=True, text=True, timeout=120, cwd=self.h.folder)
        return ran.returncode, ran.stdout, ran.stderr

    def report(self, *options):
        code, out, err = self.doctor("--json", *options)
        self.assertIn(code, (0, 1), err)
        report = json.loads(out)
        self.assertEqual(report["healthy"], code == 0, out)
        return report

    def found(self, *options):
        return {(f["rule"], f.get("instance", ""), f["subject"])
                for f in self.report(*options)["findings"]}

    @scenario
    def test_a_store_after_real_runs_is_healthy_and_every_wait_is_named(self):
        self.begin()
        if STORE == "sqlite":
            code, _, err = self.doctor()
            self.assertEqual(code, 2)
            self.assertIn("in use by another process", err)
            self.end_sidecar()
        else:  # sidecars may be at work
            code, out, err = self.doctor(f"--http={self.api.url('/').rstrip('/')}")
            self.assertEqual(code, 0, out + err)
        code, out, err = self.doctor("--stuck=1h")
        self.assertEqual(code, 0, out + err)
        self.assertIn("no findings", out)
        for text in ('activity "gated" (a:0', "is running or waits to run since",
                     'child workflow "held", instance parent-1, started at',
                     "suspended since", "(stock count)", "an external event",
                     "COMPLETED", "last owner"):
            self.assertIn(text, out)
        report = self.report("--stuck=1h")
        self.assertEqual(report["instances"]["COMPLETED"], 12)
        self.assertEqual(report["instances"]["SUSPENDED"], 1)
        self.assertEqual(report["waits"]["activity"], 4)
        self.assertEqual(report["waits"]["event"], 3)
        self.assertEqual(report["waits"]["child"], 1)
        self.assertEqual(report["findings"], [])

    @scenario
    def test_the_story_of_one_instance(self):
        self.begin()
        self.end_sidecar()
        code, out, err = self.doctor("--instance=parent", "--stuck=1h")
        self.assertEqual(code, 0, err)
        for text in ("Instance parent of app", "status     RUNNING", "ChildWorkflowCreated #0",
                     "What is pending", "c:0  open", "What it waits for", "no findings"):
            self.assertIn(text, out)
        code, out, err = self.doctor("--instance=nobody")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("has no instance nobody", err)

    @scenario
    def test_each_damaged_row_is_reported_by_name(self):
        self.begin()
        self.end_sidecar()
        rows = self.rows
        self.assertEqual(self.found("--stuck=1h"), set())
        rows.reminder_lose("gated-0", "w")
        rows.reminder_lose("parent", "c")
        rows.history_lose("chain-0", 2)
        rows.history_set("chain-1", 3, b"\xc1")
        rows.history_set("chain-2", 4, rows.history_get("chain-2", 2))
        inbox = rows.inbox_lose("paused")
        rows.pending_lose("gated-1")
        rows.counts_spoil("held")
        rows.metadata_spoil("gated-2")
        ended = f"w|chain-3|{rows.inc('chain-3')}|0|-|-"
        rows.reminder_add("chain-3", ended)
        rows.reminder_add("held", "no reminder at all")
        rows.message_add("held", "ab" * 16)
        found = self.found("--stuck=1h")
        expected = {
            ("WAKE", "gated-0", "a:0"), ("WAKE", "parent", "c:0"), ("WAKE", "parent", "c:1"),
            ("STRUCT", "chain-0", "history-000002"), ("STRUCT", "chain-1", "history-000003"),
            ("STRUCT", "chain-1", "history size"), ("ONCE", "chain-2", "history-000004"),
            ("STRUCT", "paused", inbox), ("MATCH", "gated-1", "a:0"), ("COUNTS", "", "status 8"),
            ("STRUCT", "gated-2", "metadata"), ("TERMINAL", "chain-3", "wake"),
            ("STRUCT", "chain-3", ended), ("STRUCT", "", "no reminder at all"),
            ("WAKE", "", "outbox " + "ab" * 16), ("STRUCT", "", "outbox " + "ab" * 16),
        }
        self.assertEqual(expected - found, set(), "not found")
        # What follows from the damage in other rows of the same instances, and nothing else.
        hurt = {instance for _, instance, _ in expected}
        self.assertEqual({f for f in found if f[1] not in hurt}, set())
        code, out, _ = self.doctor("--stuck=1h")
        self.assertEqual(code, 1)
        self.assertIn("row history-000002 of its history is missing", out)
        self.assertIn("unfinished work has a reminder that brings it back", out)
        code, out, _ = self.doctor("--instance=chain-0", "--stuck=1h")
        self.assertEqual(code, 1)
        self.assertIn("history-000002  MISSING", out)

    @scenario
    def test_an_instance_without_metadata_leaves_rows_that_are_found(self):
        self.begin()
        self.end_sidecar()
        self.rows.metadata_lose("chain-4")
        found = self.found("--stuck=1h")
        self.assertTrue(any(rule == "COUNTS" for rule, _, _ in found), found)
        if STORE == "redis":
            self.assertIn(("STRUCT", "chain-4", "metadata"), found)
        self.assertTrue(any("history" in subject for _, _, subject in found), found)

    @scenario
    def test_what_nobody_takes_up_is_stuck_and_says_so(self):
        self.begin()
        self.end_sidecar()
        stuck = until(lambda: [s for s in self.report("--stuck=1ms")["stuck"]
                               if s["instance"] == "gated-0"], 120, "its lease is over")
        self.assertIn("no sidecar of app \"clinic\" has taken it up since",
                      stuck[0]["reasons"][0])
        self.sidecar.start()
        test_app(self.h, self.sidecar, name="app-2")
        (self.h.folder / "gate-1").touch()
        for n in range(4):
            self.assertEqual(self.api.wait(f"gated-{n}")["runtimeStatus"], "COMPLETED")
        if STORE == "redis":
            self.assertEqual(self.found(), set())

    @scenario
    def test_an_unreadable_reminder_is_moved_aside_by_the_sidecar_and_shown(self):
        self.begin()
        self.end_sidecar()
        self.rows.reminder_add("held", "no reminder at all")
        self.sidecar.start()
        self.sidecar.wait_for_log("cannot be read and were moved aside")
        name = f'pawl_reminders_unreadable_total{{app="{APP}"}}'
        self.assertEqual(self.api.metrics()[name], 1)
        test_app(self.h, self.sidecar, name="app-2")
        self.assertEqual(self.api.wait(self.api.start("echo", "1"))["runtimeStatus"], "COMPLETED")
        self.end_sidecar()
        report = self.report("--stuck=1h")
        self.assertEqual(report["quarantined"], 1)
        self.assertEqual([f["subject"] for f in report["findings"]], ["no reminder at all"])

    @scenario
    def test_what_cannot_be_looked_at_is_said(self):
        self.begin()
        if STORE == "redis":
            code, _, err = self.doctor(app="nobody")
            self.assertEqual(code, 2)
            self.assertIn('nothing is stored of app "nobody"', err)
            self.assertEqual(self.store.keys("*nobody*"), [])
            code, _, err = self.doctor(url="redis://127.0.0.1:1")
            self.assertEqual(code, 2)
            self.assertIn("127.0.0.1:1", err)
        self.end_sidecar()
        code, out, err = self.doctor("--http=http://127.0.0.1:1", "--stuck=1h",
                                     "--placement=http://127.0.0.1:1")
        self.assertEqual(code, 0, err)
        self.assertIn("Sidecar http://127.0.0.1:1: does not answer", out)
        self.assertIn("Placement http://127.0.0.1:1: does not answer", out)
        if STORE == "sqlite":
            code, _, err = self.doctor(app="nobody")
            self.assertEqual(code, 2)
            self.assertIn('belongs to app "clinic"', err)
            missing = f"sqlite://{self.h.folder}/none.db"
            code, _, err = self.doctor(url=missing)
            self.assertEqual(code, 2)
            self.assertFalse(pathlib.Path(f"{self.h.folder}/none.db").exists())
        for url in ("mem://", "ftp://x"):
            code, _, err = self.doctor(url=url)
            self.assertEqual(code, 2)
            self.assertTrue(err)


if __name__ == "__main__":
    unittest.main()
