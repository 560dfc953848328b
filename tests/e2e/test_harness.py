#!/usr/bin/env python3
"""The harness itself: what it starts it can kill and start again, nothing outlives it,
and a failure tells how to repeat it."""

import contextlib
import http.server
import io
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import unittest

from checks import check_history, check_quick
from harness import Api, ApiError, Harness, RedisError, Timeout, free_port, until


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Processes(unittest.TestCase):
    def test_redis_keeps_what_it_acknowledged_over_kill_9(self):
        with Harness() as h:
            redis = h.redis()
            port = redis.port
            self.assertEqual(redis.command("SET", "key", b"\x00value"), b"OK")
            redis.kill()
            with self.assertRaises(OSError):
                redis.command("PING")
            redis.start()
            self.assertEqual(redis.port, port)
            self.assertEqual(redis.command("GET", "key"), b"\x00value")
            self.assertEqual(redis.keys("k*"), [b"key"])
            with self.assertRaises(RedisError):
                redis.command("INCR", "key")

    def test_two_redis_servers_live_side_by_side(self):
        with Harness() as h:
            first, second = h.redis("one"), h.redis("two")
            first.command("SET", "only", "here")
            self.assertIsNone(second.command("GET", "only"))

    def test_nothing_outlives_the_block(self):
        with Harness() as h:
            folder = h.folder
            process = h.process(["sh", "-c", "sleep 600 & echo $!; wait"], "parent")
            until(lambda: len(process.log().splitlines()) >= 2, what="the child's pid")
            child = int(process.log().splitlines()[1])
            process.pause()
            pids = [process.pid, child]
        for pid in pids:
            until(lambda p=pid: not is_running(p), what=f"process {pid} gone")
        self.assertFalse(folder.exists())

    def test_a_killed_test_leaves_no_process(self):
        script = ("from harness import Harness\n"
                  "h = Harness()\n"
                  "print(h.process(['sleep', '600'], 'sleeper').pid, h.folder, flush=True)\n"
                  "input()\n")
        test = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE,
                                stdin=subprocess.PIPE, text=True,
                                cwd=pathlib.Path(__file__).parent)
        pid, folder = test.stdout.readline().split()
        self.assertTrue(is_running(pid))
        test.kill()
        test.communicate()
        until(lambda: not is_running(pid), what="the child gone")
        subprocess.run(["rm", "-r", folder], check=True)

    def test_stop_gives_the_exit_status_and_says_when_it_takes_too_long(self):
        with Harness() as h:
            polite = h.process(["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05;"
                                " done"], "polite")
            polite.wait_for_log("up\n")
            self.assertEqual(polite.stop(), 7)
            deaf = h.process(["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"],
                             "deaf")
            deaf.wait_for_log("up\n")
            with self.assertRaises(Timeout):
                deaf.stop(timeout=0.2)

    def test_a_failure_tells_the_seed_and_the_logs(self):
        told = io.StringIO()
        with self.assertRaises(ZeroDivisionError), contextlib.redirect_stderr(told):
            with Harness(seed=4711) as h:
                process = h.process(["sh", "-c", "echo my last words"], "speaker")
                process.wait()
                raise ZeroDivisionError("planted")
        self.assertIn("PAWL_E2E_SEED=4711", told.getvalue())
        self.assertIn("my last words", told.getvalue())
        self.assertIn("planted", told.getvalue())

    def test_the_same_seed_makes_the_same_choices(self):
        with Harness(seed=5) as a, Harness(seed=5) as b:
            self.assertEqual([a.rng.random() for _ in range(5)],
                             [b.rng.random() for _ in range(5)])


class Ports(unittest.TestCase):
    def test_a_free_port_is_nobodys_until_a_server_takes_it_again_and_again(self):
        address = ("127.0.0.1", free_port())
        for _ in range(2):
            with self.assertRaises(ConnectionRefusedError):
                socket.create_connection(address, 20)
            with socket.socket() as other, self.assertRaises(OSError):
                other.bind(address)
            with socket.create_server(address):
                socket.create_connection(address, 20).close()


class Files(unittest.TestCase):
    def test_a_sqlite_file_is_read_although_its_writer_keeps_it_to_itself(self):
        with Harness() as h:
            store = h.sqlite()
            writer = sqlite3.connect(store.path)
            writer.execute("PRAGMA locking_mode = EXCLUSIVE")
            writer.execute("PRAGMA journal_mode = WAL")
            writer.execute("CREATE TABLE things (name)")
            writer.execute("INSERT INTO things VALUES ('a')")
            writer.commit()
            self.assertEqual(store.tables(), ["things"])
            self.assertEqual(store.count("things"), 1)
            self.assertTrue(store.is_sound())
            with self.assertRaises(sqlite3.OperationalError):
                store.query("DELETE FROM things")
            writer.execute("INSERT INTO things VALUES ('b')")
            writer.commit()
            self.assertEqual(store.query("SELECT name FROM things"), [("a",), ("b",)])
            writer.close()

    def test_a_paused_process_stands_still_until_it_is_resumed(self):
        with Harness() as h:
            # One process: a shell that is stopped between vfork and exec of a child never
            # shows as stopped itself.
            ticker = "import time\nwhile True:\n    print('tick', flush=True)\n    time.sleep(0.01)"
            process = h.process([sys.executable, "-c", ticker], "ticker")
            process.wait_for_log("tick")
            process.pause()
            self.assertTrue(process.is_paused())
            before = process.log()
            process.resume()
            self.assertFalse(process.is_paused())
            until(lambda: len(process.log()) > len(before), what="more ticks")


class Answers(http.server.BaseHTTPRequestHandler):
    """Says what it was asked; /v1.0/workflows/pawl/busy is busy twice."""

    seen = []

    def do_GET(self):
        Answers.seen.append((self.command, self.path, dict(self.headers)))
        status, text = 200, b'{"ok": true}'
        if self.path.startswith("/v1.0/workflows/pawl/gone"):
            status, text = 404, b'{"errorCode": "ERR_INSTANCE_ID_NOT_FOUND", "message": "no"}'
        if self.path.startswith("/v1.0/workflows/pawl/busy") and len(Answers.seen) < 3:
            status, text = 503, b'{"errorCode": "ERR", "message": "later"}'
        if self.path.startswith("/v1.0/workflows/pawl/broken"):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"{")
            return
        if self.command == "POST":
            body = self.rfile.read(int(self.headers["Content-Length"]))
            Answers.seen.append(body)
            text = b'{"instanceID": "made-up"}'
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Calls(unittest.TestCase):
    def setUp(self):
        Answers.seen = []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.api = Api(base=f"http://127.0.0.1:{self.server.server_port}", token="secret")

    def tearDown(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def test_names_are_escaped_and_payloads_are_json(self):
        instance = self.api.start("My Flow", {"n": 1}, instance="a/b", request_id="once")
        self.assertEqual(instance, "made-up")
        (method, path, headers), body = Answers.seen
        self.assertEqual((method, path),
                         ("POST", "/v1.0/workflows/pawl/My%20Flow/start?instanceID=a%2Fb"))
        self.assertEqual(body, b'{"n": 1}')
        lower = {key.lower(): value for key, value in headers.items()}
        self.assertEqual(lower["idempotency-key"], "once")
        self.assertEqual(lower["pawl-api-token"], "secret")

    def test_an_error_has_status_code_and_message(self):
        with self.assertRaises(ApiError) as caught:
            self.api.get("gone")
        self.assertEqual(caught.exception.status, 404)
        self.assertEqual(caught.exception.code, "ERR_INSTANCE_ID_NOT_FOUND")

    def test_an_answer_that_breaks_off_is_a_connection_that_broke(self):
        with self.assertRaises(ConnectionError):
            self.api.get("broken")

    def test_a_busy_sidecar_is_asked_again_only_when_wanted(self):
        with self.assertRaises(ApiError):
            self.api.get("busy")
        self.assertEqual(self.api.get("busy", retry_for=10), {"ok": True})
        self.assertEqual(len(Answers.seen), 3)

    def test_flags_travel_in_lower_case(self):
        self.api.purge("x", force=True, recursive=False)
        self.assertTrue(Answers.seen[0][1].endswith("?force=true&recursive=false"))


class Quick(unittest.TestCase):
    def test_one_slow_attempt_is_forgiven_and_slowness_is_not(self):
        took = iter([9.0, 0.5, 9.0])
        check_quick(lambda: next(took), 1.0)
        self.assertEqual(list(took), [9.0])  # it was content with the second
        with self.assertRaises(AssertionError):
            check_quick(lambda: 1.0, 1.0)


class Histories(unittest.TestCase):
    GOOD = [("ExecutionStarted", {}), ("TaskScheduled", {"eventId": 0}),
            ("TimerCreated", {"eventId": 1}), ("TaskCompleted", {"scheduledId": 0}),
            ("TimerFired", {"scheduledId": 1}), ("ExecutionCompleted", {"eventId": -1})]

    def check(self, steps):
        check_history("x", [{"index": index, "kind": kind, **fields}
                            for index, (kind, fields) in enumerate(steps)])

    def test_a_good_history_passes(self):
        self.check(self.GOOD)
        self.check(self.GOOD[:3])

    def test_a_spoilt_one_does_not(self):
        for spoil in (lambda g: g[:2] + g[1:],            # scheduled twice
                      lambda g: g[:4] + g[3:],            # answered twice
                      lambda g: [g[0]] + g[3:],           # answers nothing
                      lambda g: [g[0], g[3], g[1]],       # answered before it was scheduled
                      lambda g: [g[0], g[2], g[1]],       # out of order
                      lambda g: g[:1] + g,                # started twice
                      lambda g: g[1:],                    # never started
                      lambda g: g + [g[2]],               # goes on behind its end
                      lambda g: g[:2] + [("TimerFired", {"scheduledId": 0})]):  # of another kind
            spoilt = spoil(self.GOOD)
            with self.subTest(spoilt), self.assertRaises(AssertionError):
                self.check(spoilt)
        with self.assertRaises(AssertionError):
            check_history("x", [{"index": 1, "kind": "ExecutionStarted"}])


if __name__ == "__main__":
    signal.alarm(600)
    os.environ.pop("PAWL_E2E_SEED", None)
    unittest.main()
