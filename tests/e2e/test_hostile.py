#!/usr/bin/env python3
"""Bad input against the real sidecar: strangers and broken peers on the app stream, requests
that cannot be right, apps that crash. Whoever errs is told so; nobody else notices.

    test_hostile.py [long]
"""

import concurrent.futures
import contextlib
import functools
import http.client
import json
import random
import resource
import socket
import subprocess
import sys
import time
import unittest

import wire
from checks import check_quick, read_runs, scenario, test_app, wait_connected
from harness import PATIENCE, ApiError, output_of, until
from wire import ACTIVITY, ANSWER, TURN, Refused, Worker

LONG = "long" in sys.argv[1:]
HANDSHAKE_S, SILENCE_S = 5, 15  # PAWL_HANDSHAKE_MS, PAWL_SILENCE_MS
AT_ONCE_S = 4  # sooner than for want of a HELLO
HTTP_ENDS_S = 30  # sooner than for want of a request: PAWL_HTTP_IDLE_MS
CROWD = 1100
PROTOCOL, INVALID, VERSION, DENIED = -16, -6, -17, -18
PAYLOAD_MAX = 4 << 20
HELLO = [wire.HELLO, 1, "shop", None, "a worker", [["Order", None]], [["Charge", None]]]


def beside_an_app(body):
    """A scenario with a sidecar and an app; at the end both must still work."""

    @functools.wraps(body)
    def test(self):
        self.sidecar = self.h.sidecar("shop", self.h.sqlite())
        self.api = self.sidecar.api
        self.app = test_app(self.h, self.sidecar)
        first = self.sidecar.pid, self.app.pid
        body(self)
        self.assert_works()
        self.assertEqual((self.sidecar.pid, self.app.pid), first)
        self.assertEqual(self.app.stop(), 0)
        self.assertEqual(self.sidecar.stop(), 0)

    return scenario(test)


class Hostile(unittest.TestCase):
    def assert_works(self):
        state = self.api.wait(self.api.start("chain", "2"))
        self.assertEqual(output_of(state, json_=False), "2")

    def connect(self):
        host, port = self.sidecar.endpoint.removeprefix("tcp://").rsplit(":", 1)
        conn = socket.create_connection((host, int(port)), PATIENCE)
        self.addCleanup(conn.close)
        return conn

    def worker(self, **settings):
        worker = Worker(self.sidecar, **{"workflows": ["Order"], "activities": ["Charge"],
                                         **settings})
        self.addCleanup(worker.close)
        return worker

    def read_to_end(self, conn):
        """Everything the sidecar says until it closes the connection."""
        said = b""
        try:
            while chunk := conn.recv(65536):
                said += chunk
        except ConnectionResetError:
            pass
        return said

    def ended_at_once(self, data):
        """What the sidecar says to a stranger who sends this, and then waits."""
        said = b""

        def seconds():
            nonlocal said
            began = time.monotonic()
            with self.connect() as conn:
                with contextlib.suppress(ConnectionError):  # it has heard enough
                    conn.sendall(data)
                said = self.read_to_end(conn)
            return time.monotonic() - began

        check_quick(seconds, AT_ONCE_S)
        return said

    def refusal(self, said):
        frame = wire.Frame(wire.unpack(said[4:]))
        self.assertEqual(frame.type, wire.REFUSED)
        self.assertTrue(frame.message)
        return frame.err


def allow_files(count):
    """Some systems let a process have a thousand and no more, unless it asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


def framed(data):
    return len(data).to_bytes(4, "big") + data


class Strangers(Hostile):
    @beside_an_app
    def test_a_first_frame_that_is_no_hello_is_refused(self):
        for data in (b"", b"\xc0", b"\x90", b"\x91\x01", wire.pack([wire.PING]),
                     wire.pack([wire.CREDIT, 1, 1]), wire.pack([99]), wire.pack([-1]),
                     b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, wire.pack(HELLO) + b"\x00",
                     wire.pack(HELLO[:4]), b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff",
                     b"\xdb\xff\xff\xff\xff", b"\x91" * 5000,
                     wire.pack([1, 1, "shop", None, "w", [["Order"]] * 3, []]),
                     wire.pack([1, 1, "shop", "t" * 1025, "w", [], []]),
                     wire.pack([1, 1, "shop", None, "w", [["x" * 257, None]], []]),
                     wire.pack([1, 1, "shop", None, "w", [["a\nb", None]], []]),
                     wire.pack([1, 1, "shop", None, "w", [[f"n{i}", None] for i in range(4097)],
                                []])):
            with self.subTest(data[:40]):
                said = self.ended_at_once(framed(data))
                if said:
                    self.assertIn(self.refusal(said), (PROTOCOL, INVALID))

    @beside_an_app
    def test_another_version_and_another_app_are_told_apart(self):
        for settings, err in (({"version": 2}, VERSION), ({"version": 0}, VERSION),
                              ({"app_id": "bank"}, INVALID)):
            with self.assertRaises(Refused) as caught:
                self.worker(**settings)
            self.assertEqual(caught.exception.err, err)

    @beside_an_app
    def test_who_says_nothing_is_cut_off(self):
        def half():
            conn = self.connect()
            conn.sendall(framed(wire.pack(HELLO))[:9])
            return conn

        def greeted():
            return self.worker().socket  # it answers no PING

        def check_time(begin, least):
            """Who goes silent after `begin` has so many seconds, and little more."""

            def seconds_more():
                began = time.monotonic()
                self.read_to_end(begin())
                took = time.monotonic() - began
                self.assertGreater(took, least - 0.1)
                return took - least

            check_quick(seconds_more, 3)

        with concurrent.futures.ThreadPoolExecutor() as pool:
            list(pool.map(check_time, (self.connect, half, greeted),
                          (HANDSHAKE_S, HANDSHAKE_S, SILENCE_S)))

    @beside_an_app
    def test_frames_of_any_length_but_too_long_ones_are_taken(self):
        for size in (0xFFFFFFFF, 0x80000000, (18 << 20) + 1):
            self.ended_at_once(size.to_bytes(4, "big"))

        def seconds_to_say_hello():
            began = time.monotonic()
            conn = self.connect()
            text = framed(wire.pack(HELLO))
            with contextlib.suppress(ConnectionError):  # its time was up meanwhile
                for at in range(len(text)):
                    conn.sendall(text[at:at + 1])
                answer = wire.unpack(wire.Frames(conn).next(began + PATIENCE))
                self.assertEqual(answer[0], wire.WELCOME)
                return time.monotonic() - began
            return HANDSHAKE_S

        check_quick(seconds_to_say_hello, HANDSHAKE_S)

    @beside_an_app
    def test_a_crowd_of_connections_shuts_nobody_out_for_good(self):
        allow_files(2 * CROWD)
        crowd = []
        for _ in range(CROWD):
            crowd.append(self.connect())
        for conn in crowd:
            conn.close()
        until(self.try_worker, 2 * PATIENCE, "a place for a new worker")

    def try_worker(self):
        try:
            self.worker().close()
            return True
        except (OSError, Refused):
            return False


class Tokens(Hostile):
    @scenario
    def test_only_who_knows_the_token_is_let_in(self):
        self.sidecar = self.h.sidecar("shop", self.h.sqlite(), token="open-sesame")
        self.api = self.sidecar.api
        for token in (None, "", "open-sesam", "open-sesame1", "x" * 1024):
            with self.assertRaises(Refused) as caught:
                self.worker(token=token)
            self.assertEqual(caught.exception.err, DENIED)
            self.assertNotIn("sesame", str(caught.exception))
        test_app(self.h, self.sidecar)  # has it from its environment
        self.assert_works()
        stranger = type(self.api)(self.sidecar, token=None)
        for token in (None, "wrong", "open-sesame "[:-2]):
            stranger.token = token
            with self.assertRaises(ApiError) as caught:
                stranger.list()
            self.assertEqual((caught.exception.status, caught.exception.code),
                             (401, "ERR_UNAUTHORIZED"))
        self.assertTrue(stranger.is_healthy())
        status, _, _ = stranger.raw("GET", "/v1.0/workflows/dapr",
                                    headers={"Authorization": "Bearer open-sesame"})
        self.assertEqual(status, 200)
        self.assertNotIn("open-sesame", self.sidecar.log())

    @scenario
    def test_an_app_with_a_wrong_token_ends_and_says_why(self):
        self.sidecar = self.h.sidecar("shop", self.h.sqlite(), token="right")
        app = self.h.app([self.h.build / "tests/e2e/e2e_app"], self.sidecar,
                         env={"PAWL_TOKEN": "wrong"})
        self.assertNotEqual(app.wait(), 0)
        self.assertIn("token", app.log())
        other = self.h.app([self.h.build / "tests/e2e/e2e_app"], self.sidecar, name="other",
                           env={"PAWL_APP_ID": "bank"})
        self.assertNotEqual(other.wait(), 0)
        self.assertIn("shop", other.log())


class Broken(Hostile):
    """Peers that begin well."""

    @beside_an_app
    def test_a_frame_that_breaks_the_protocol_costs_the_connection_and_nothing_else(self):
        unset, some_id = bytes(16), bytes(range(16))
        for data in (wire.pack([wire.CREDIT, -1, 0]), wire.pack([wire.CREDIT, 100001, 0]),
                     wire.pack([wire.CREDIT, 1]), wire.pack([wire.CREDIT, "1", 1]),
                     wire.pack(HELLO), wire.pack([wire.WELCOME, 1, "shop", "x", 1]),
                     wire.pack([wire.TURN_DONE, unset, "i", False, 0, None, False, None, []]),
                     wire.pack([wire.TURN_DONE, some_id, "", False, 0, None, False, None, []]),
                     wire.pack([wire.TURN_DONE, some_id, "i", False, 0, None, False, None,
                                [{1: 77}]]),
                     wire.pack([wire.TURN_DONE, some_id, "i", False, 0, None, False, None,
                                [{1: 1, 2: -5, 4: "a"}]]),
                     wire.pack([77, 1]),
                     b"\xc1", b"\x93\x06\x01", b"\x93\x06\x01\xdb\xff\xff\xff\xff"):
            with self.subTest(data[:40]):
                worker = self.worker()
                worker.send_bytes(data)
                with self.assertRaises((Refused, ConnectionError)) as caught:
                    worker.next(ANSWER)  # it would wait on: pings are answered
                if isinstance(caught.exception, Refused):
                    self.assertIn(caught.exception.err, (PROTOCOL, INVALID))

    @beside_an_app
    def test_results_for_what_nobody_asked_change_nothing(self):
        instance = self.api.start("waiting", "x")
        until(lambda: instance in read_runs(self.h), what="the activity running")
        before = self.api.history(instance)
        worker = self.worker()
        for _ in range(3):
            token = bytes(self.h.rng.randrange(1, 256) for _ in range(16))
            worker.send(wire.TURN_DONE, token, instance, False, 0, None, False, None,
                        [wire.complete(b"forged")])
            worker.send(wire.ACTIVITY_DONE, token, b"forged", {})
            worker.send(wire.NEED_HISTORY, token, instance)
        worker.request(wire.GET, instance=instance)
        self.assertEqual(worker.next(ANSWER).err, 0)  # so the sidecar has read the others
        self.assertEqual(self.api.history(instance), before)
        (self.h.folder / "gate-x").touch()
        self.assertEqual(output_of(self.api.wait(instance), json_=False), "1")

    @beside_an_app
    def test_a_turn_with_nonsense_in_it_fails_or_repeats_but_harms_nobody(self):
        for number, actions in enumerate((
                [wire.activity(0, "Charge"), wire.activity(0, "Charge")],
                [wire.activity(2**31 - 1, "Charge", b"1"), wire.activity(5, "Charge", b"2")],
                [wire.complete(b"1"), wire.complete(b"2")],
                [wire.complete(b"1"), wire.activity(0, "Charge")],
                [wire.child(0, "Nobody", instance="nonsense-0")],
                [wire.timer(0, 2**63 - 1)],
                [wire.send_event(0, "nobody", "go", b"x")])):
            with self.subTest(actions):
                with self.worker() as worker:
                    instance = self.api.start("Order", "1", f"nonsense-{number}")
                    worker.credit(turns=1)
                    turn = worker.next(TURN)
                    self.assertEqual(turn.instance.decode(), instance)
                    worker.turn_done(turn, actions)
                    try:
                        worker.request(wire.GET, instance=instance)
                        worker.next(ANSWER)
                    except (Refused, ConnectionError):
                        pass
                self.assertTrue(self.api.is_healthy())
                self.api.purge(instance, force=True)

    @beside_an_app
    def test_random_damage_to_good_frames_never_stops_the_sidecar(self):
        rng = random.Random(self.h.rng.getrandbits(32))
        good = [wire.pack(frame) for frame in (
            HELLO, [wire.CREDIT, 3, 3], [wire.PING],
            [wire.TURN_DONE, bytes(range(16)), "i", True, 0, "m", True, b"s",
             [wire.activity(0, "Charge", b"5"), wire.timer(1, 5), wire.complete(b"1")]],
            [wire.ACTIVITY_DONE, bytes(range(16)), b"1", wire.failure("m", "t")],
            [wire.REQUEST, 1, wire.START, {1: "damaged", 4: "echo", 6: b"1"}],
            [wire.REQUEST, 2, wire.GET, {1: "damaged"}],
            [wire.NEED_HISTORY, bytes(range(16)), "i"], [wire.BYE])]
        for _ in range(2000 if LONG else 300):
            conn = self.connect()
            frames = [good[0]] + rng.choices(good[1:], k=rng.randint(1, 4))
            spoilt = rng.randrange(len(frames))
            frames[spoilt] = self.damage(rng, frames[spoilt])
            try:
                conn.sendall(b"".join(map(framed, frames)))
                if rng.random() < 0.5:
                    conn.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it has closed already
            conn.close()
        self.sidecar.fail_if_dead()

    def damage(self, rng, data):
        data = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            how = rng.randrange(4)
            if how == 0:
                data[at] = rng.randrange(256)
            elif how == 1:
                data[at] ^= 1 << rng.randrange(8)
            elif how == 2:
                del data[at + 1:at + 1 + rng.randint(1, 5)]
            else:
                data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 5)))
        return bytes(data)


class Requests(Hostile):
    def expect(self, status, method, path, query=None, body=b"", headers=None):
        answer, _, text = self.api.raw(method, path, query, body if method == "POST" else None,
                                       headers)
        self.assertEqual(answer, status, (path, text))
        message = json.loads(text)
        self.assertTrue(message["errorCode"].startswith("ERR_"), text)
        return message["message"]

    @beside_an_app
    def test_requests_that_cannot_be_right_are_refused_with_a_reason(self):
        root = "/v1.0/workflows/dapr"
        self.assertIn("256", self.expect(400, "POST", f"{root}/echo/start",
                                         {"instanceID": "x" * 257}))
        self.expect(400, "POST", f"{root}/echo/start", {"instanceID": "a\nb"})
        self.expect(400, "POST", f"{root}/echo/start", {"instanceID": ""})
        self.expect(400, "POST", f"{root}/{'n' * 257}/start")
        self.expect(400, "POST", f"{root}/a%0ab/start")
        self.expect(400, "POST", f"{root}/%ff%fe/start")
        self.expect(400, "POST", f"{root}/echo%zz/start")
        self.expect(400, "POST", f"{root}/echo/start", {"startTime": "tomorrow"})
        self.expect(400, "POST", f"{root}/echo/start", {"reuse": "always"})
        self.expect(400, "POST", f"{root}/echo/start", {"instanceid": "x"})
        self.expect(400, "POST", f"{root}/echo/start", headers={"Idempotency-Key": "k" * 129})
        self.expect(400, "POST", f"{root}/x/raiseEvent/{'e' * 257}")
        self.expect(400, "POST", f"{root}/x/purge", {"recursive": "maybe"})
        self.expect(404, "POST", f"{root}/x/dance")
        self.expect(404, "GET", "/nothing")
        self.expect(405, "DELETE", f"{root}/x")
        self.expect(403, "POST", f"{root}/echo/start", headers={"Origin": "http://evil.example"})
        self.expect(414, "GET", f"{root}/{'x' * 9000}")
        self.assertEqual(self.api.list(), [])

    @beside_an_app
    def test_a_payload_of_the_limit_is_taken_and_one_byte_more_is_not(self):
        self.api.start("echo", b"x" * PAYLOAD_MAX, "fits")
        self.assertEqual(len(output_of(self.api.wait("fits"), json_=False)), PAYLOAD_MAX)
        with self.assertRaises(ApiError) as caught:
            self.api.start("echo", b"x" * (PAYLOAD_MAX + 1), "bursts")
        self.assertEqual((caught.exception.status, caught.exception.code),
                         (413, "ERR_BODY_TOO_LARGE"))
        self.api.start("large", str(PAYLOAD_MAX), "large")
        self.assertEqual(self.api.wait("large")["runtimeStatus"], "COMPLETED")
        state = self.api.wait(self.api.start("large", str(PAYLOAD_MAX + 1), "larger"))
        self.assertEqual(state["runtimeStatus"], "FAILED")
        self.assertIn("TOO_LARGE", json.dumps(state))

    @beside_an_app
    def test_garbage_on_the_http_port_ends_one_connection(self):
        for text in (b"\x00\x01\x02\x03\r\n\r\n", b"GET\r\n\r\n", b"\r\n" * 1000,
                     b"GET / HTTP/9.9\r\n\r\n", framed(wire.pack(HELLO)),
                     b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
                     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\nzzz\r\n"):
            with self.subTest(text[:40]):
                conn = socket.create_connection(("127.0.0.1", self.sidecar.http_port),
                                                HTTP_ENDS_S)
                try:
                    conn.sendall(text)
                    conn.shutdown(socket.SHUT_WR)
                    self.read_to_end(conn)
                except TimeoutError:
                    raise
                except OSError:  # it has closed already
                    pass
                conn.close()

    @beside_an_app
    def test_a_client_that_leaves_takes_its_wait_back(self):
        self.api.start("held", instance="h")
        for _ in range(50):
            conn = http.client.HTTPConnection("127.0.0.1", self.sidecar.http_port,
                                              timeout=PATIENCE)
            conn.request("GET", "/v1.0/workflows/dapr/h/wait?timeout=1h")
            conn.close()
        self.api.raise_event("h", "go", "1")
        self.assertEqual(self.api.wait("h")["runtimeStatus"], "COMPLETED")


class Crashers(Hostile):
    @scenario
    def test_an_app_that_dies_of_one_workflow_gets_the_others_done(self):
        self.start_supervised()
        for number in range(40):
            self.api.start("chain", "3", f"good-{number}")
            if number == 20:
                self.api.start("crasher", "bad", "bad")
        for number in range(40):
            state = self.api.wait(f"good-{number}")
            self.assertEqual(output_of(state, json_=False), "3")
        if LONG:
            until(lambda: self.api.get("bad")["runtimeStatus"] == "STALLED", 600, "STALLED")
            event = self.api.history("bad")[-1]
            self.assertEqual(event["kind"], "ExecutionStalled")
            self.assertIn("resume", event["reason"])
        else:
            until(lambda: self.supervisor.log().count("again") >= 3, what="three deaths")
            self.assertIn(self.api.get("bad")["runtimeStatus"], ("PENDING", "RUNNING"))
        self.supervisor.kill()
        test_app(self.h, self.sidecar, "--mended", name="mended")
        if LONG:
            self.api.resume("bad")
        self.assertEqual(output_of(self.api.wait("bad"), json_=False), "bad")

    def start_supervised(self):
        """The app, started again whenever it dies, as a service manager would."""
        self.sidecar = self.h.sidecar("shop", self.h.sqlite())
        self.api = self.sidecar.api
        app = self.h.build / "tests/e2e/e2e_app"
        self.supervisor = self.h.app(
            ["sh", "-c", 'while :; do "$0"; echo again; done', app], self.sidecar, "supervisor")

    @beside_an_app
    def test_what_a_frozen_app_holds_goes_to_another(self):
        instance = self.api.start("waiting", "frozen")
        until(lambda: instance in read_runs(self.h), what="the activity running")
        self.app.pause()
        (self.h.folder / "gate-frozen").touch()
        other = test_app(self.h, self.sidecar, name="other")
        state = self.api.wait(instance)
        self.assertEqual(output_of(state, json_=False), "2")  # the second attempt
        history = self.api.history(instance)
        self.app.resume()
        wait_connected(self.app, self.sidecar)  # again: it had been given up
        self.assertEqual(self.api.history(instance), history)
        self.assertEqual(other.stop(), 0)

    @scenario
    def test_an_activity_whose_worker_dies_runs_again_and_stalls_at_the_limit(self):
        limit = 4  # each attempt rests twice as long as the one before
        self.sidecar = self.h.sidecar("shop", self.h.sqlite(),
                                      options=[f"--activity-attempts={limit}"])
        self.api = self.sidecar.api

        def lose_worker(attempt):
            with self.worker(workflows=["Other"]) as mortal:
                mortal.credit(activities=1)
                self.assertEqual(mortal.next(ACTIVITY).attempt, attempt)

        with self.worker() as worker:
            instance = self.api.start("Order", "1")
            worker.credit(turns=1)
            worker.turn_done(worker.next(TURN), [wire.activity(0, "Charge", b"5")])
            for attempt in range(1, limit):
                lose_worker(attempt)
        # The count is stored while the activity runs: before whatever is acknowledged after it.
        self.api.start("Nobody", "1")
        self.sidecar.restart(kill=True)
        lose_worker(limit)  # a crash does not begin the count anew
        until(lambda: self.api.get(instance)["runtimeStatus"] == "STALLED", what="stalled")
        listed = self.pawl("workflow", "dead-letters")
        for part in (instance, "WorkerLost", "Charge"):
            self.assertIn(part, listed)
        self.sidecar.restart(kill=True)
        with self.worker() as worker:
            worker.credit(turns=1, activities=1)
            self.assertEqual(self.api.get(instance)["runtimeStatus"], "STALLED")
            self.pawl("workflow", "dead-letters", "--resume")
            item = worker.next(ACTIVITY)
            self.assertEqual(item.attempt, 1)
            worker.activity_done(item, b"paid")
            worker.turn_done(worker.next(TURN), [wire.complete(b'"went on"')])
            self.assertEqual(output_of(self.api.wait(instance)), "went on")

    def pawl(self, *arguments):
        """What the command line says."""
        address = f"http://127.0.0.1:{self.sidecar.http_port}"
        done = subprocess.run([self.h.build / "cli/pawl", *arguments, "--address", address],
                              text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


if __name__ == "__main__":
    unittest.main(argv=[arg for arg in sys.argv if arg != "long"])
