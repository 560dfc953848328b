#!/usr/bin/env python3
"""The gRPC server against Python's own gRPC client: another implementation of both HTTP/2
and gRPC. What it serves is in grpc_server.c."""

import concurrent.futures
import contextlib
import functools
import http.client
import re
import socket
import subprocess
import sys
import unittest

import grpc_python
from http2 import DATA, ENHANCE_YOUR_CALM, GOAWAY, PING, PREFACE, RST_STREAM, SETTINGS
from http2 import frame, frames_of, request
from harness import Harness, Process, _die_with_parent, until

grpc = grpc_python.load()

LONG = 120  # more than anything takes


class Server(Process):
    def __init__(self, harness, *flags):
        super().__init__(harness, "grpc_server",
                         [harness.build / "tests/e2e/grpc_server", *flags])

    def start(self):
        with open(self.log_path, "ab") as log:
            self.popen = subprocess.Popen(
                self.argv, env=self.env, cwd=self.harness.folder, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, start_new_session=True,
                preexec_fn=_die_with_parent)
        with self.popen.stdout as ready:
            self.port = int(ready.readline())
        return self

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


def unary(channel, name):
    return channel.unary_unary(f"/test.Echo/{name}")


def stream(channel, name):
    return channel.unary_stream(f"/test.Echo/{name}")


def stats(channel):
    text = unary(channel, "Stats")(b"", timeout=LONG).decode()
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", text)}


def scenario(*flags):
    """Run a test with a server and a channel to it."""

    def wrap(body):
        @functools.wraps(body)
        def test(self):
            with Harness() as harness, contextlib.ExitStack() as stack:
                self.harness = harness
                self.server = Server(harness, *flags).start()
                self.channel = stack.enter_context(grpc.insecure_channel(
                    self.server.address, options=[("grpc.max_receive_message_length", -1),
                                                  ("grpc.max_send_message_length", -1)]))
                body(self)

        return test

    return wrap


class Grpc(unittest.TestCase):
    def stranger(self, data, reads=True):
        """A connection that sends this, and what it hears until it is closed."""
        with socket.create_connection(("127.0.0.1", self.server.port), LONG) as conn:
            heard = b""
            with contextlib.suppress(ConnectionError):
                conn.sendall(PREFACE + frame(SETTINGS, 0, 0) + data)
            with contextlib.suppress(ConnectionError):
                while reads and (piece := conn.recv(65536)):
                    heard += piece
            return heard

    def assert_calmed(self, heard, text):
        told = [payload for kind, payload in frames_of(heard) if kind == GOAWAY]
        self.assertEqual(len(told), 1)
        self.assertEqual(int.from_bytes(told[0][4:8], "big"), ENHANCE_YOUR_CALM)
        self.assertEqual(told[0][8:], text)

    def fails(self, call, code, part=""):
        with self.assertRaises(grpc.RpcError) as caught:
            call()
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        self.assertIn(part, caught.exception.details())
        return caught.exception

    @scenario()
    def test_unary_calls(self):
        echo = unary(self.channel, "Echo")
        for message in (b"", b"x", b"hello" * 1000, bytes(4 << 20)):
            self.assertEqual(echo(message, timeout=LONG), message)

    @scenario()
    def test_many_calls_at_once(self):
        echo = unary(self.channel, "Echo")
        messages = [b"%d" % i for i in range(2000)]
        futures = [echo.future(message, timeout=LONG) for message in messages]
        self.assertEqual([future.result() for future in futures], messages)

    @scenario()
    def test_errors_have_code_and_text(self):
        fail = unary(self.channel, "Fail")
        for code in grpc.StatusCode:
            if code is grpc.StatusCode.OK:
                continue
            text = f"{code.name}: 100 % schön\n"
            self.fails(lambda: fail(f"{code.value[0]} {text}".encode(), timeout=LONG), code, text)

    @scenario()
    def test_deadline(self):
        def reached():
            """One whose time is up before it has left the client is no use."""
            self.fails(lambda: unary(self.channel, "Wait")(b"", timeout=0.1),
                       grpc.StatusCode.DEADLINE_EXCEEDED)
            return stats(self.channel)["cancelled"] > 0

        until(reached, LONG, "a call that the server has seen is over")
        until(lambda: stats(self.channel)["open"] == 0)

    @scenario()
    def test_cancel(self):
        calls = [unary(self.channel, "Wait").future(b"") for _ in range(10)]
        opened = stream(self.channel, "Open")(b"")
        until(lambda: stats(self.channel)["open"] == 11)
        for call in calls:
            call.cancel()
        opened.cancel()
        until(lambda: stats(self.channel)["cancelled"] == 11)
        self.assertEqual(stats(self.channel)["open"], 0)

    @scenario()
    def test_stream_in_order_and_whole(self):
        for total, size in ((0, 10), (1, 10), (20000, 100), (20, 1 << 20)):
            seen = 0
            for message in stream(self.channel, "Count")(f"{total} {size}".encode(), timeout=LONG):
                self.assertEqual(int(message[:10]), seen)
                self.assertEqual(len(message), size)
                seen += 1
            self.assertEqual(seen, total)

    @scenario()
    def test_stream_that_is_not_read_holds_up_nobody(self):
        slow = stream(self.channel, "Count")(b"100000 1000")
        next(slow)
        before = stats(self.channel)["rss_kb"]
        echo = unary(self.channel, "Echo")
        for _ in range(200):
            self.assertEqual(echo(b"quick", timeout=LONG), b"quick")
        held = stats(self.channel)["rss_kb"] - before
        self.assertLess(held, 50 << 10)  # of 100 MB; the sanitizers' share included
        self.assertEqual(sum(1 for _ in slow), 99999)

    @scenario()
    def test_unknown_method(self):
        error = self.fails(lambda: unary(self.channel, "Dance")(b"", timeout=LONG),
                           grpc.StatusCode.UNIMPLEMENTED, "/test.Echo/Dance")
        self.assertIn("echoes for tests", error.details())

    @scenario()
    def test_compressed_messages_are_refused(self):
        call = unary(self.channel, "Echo")
        self.fails(lambda: call(b"x" * 10000, timeout=LONG, compression=grpc.Compression.Gzip),
                   grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(call(b"x", timeout=LONG), b"x")

    @scenario()
    def test_messages_that_are_too_large(self):
        echo = unary(self.channel, "Echo")
        limit = 18 << 20
        self.assertEqual(len(echo(bytes(limit), timeout=LONG)), limit)
        self.fails(lambda: echo(bytes(limit + 1), timeout=LONG),
                   grpc.StatusCode.RESOURCE_EXHAUSTED, "at most")
        self.assertEqual(echo(b"x", timeout=LONG), b"x")

    @scenario("--token", "secret")
    def test_token(self):
        echo = unary(self.channel, "Echo")
        self.fails(lambda: echo(b"x", timeout=LONG), grpc.StatusCode.UNAUTHENTICATED, "token")
        metadata = [("dapr-api-token", "secret")]
        self.assertEqual(echo(b"x", timeout=LONG, metadata=metadata), b"x")

    @scenario()
    def test_eager_keepalive_is_tolerated(self):
        options = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_permit_without_calls", 1),
                   ("grpc.http2.max_pings_without_data", 0)]
        with grpc.insecure_channel(self.server.address, options=options) as channel:
            opened = stream(channel, "Open")(b"")
            until(lambda: stats(channel)["open"] == 1)
            self.fails(lambda: unary(channel, "Wait")(b"", timeout=3),
                       grpc.StatusCode.DEADLINE_EXCEEDED)
            until(lambda: stats(channel)["open"] == 1, what="only the other one is over")
            self.assertFalse(opened.done())
            opened.cancel()

    @scenario()
    def test_client_that_dies_cancels_its_calls(self):
        script = ("import sys; sys.path[:0] = %r\n"
                  "import grpc, time\n"
                  "channel = grpc.insecure_channel(%r)\n"
                  "call = channel.unary_stream('/test.Echo/Open')(b'')\n"
                  "time.sleep(600)\n" % (sys.path, self.server.address))
        client = Process(self.harness, "client", [sys.executable, "-c", script]).start()
        until(lambda: stats(self.channel)["open"] == 1)
        client.kill()
        until(lambda: stats(self.channel)["cancelled"] == 1)

    @scenario()
    def test_stop_ends_calls_and_sends_clients_away(self):
        opened = stream(self.channel, "Open")(b"")
        until(lambda: stats(self.channel)["open"] == 1)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            stopped = pool.submit(self.server.stop)
            self.fails(lambda: next(opened), grpc.StatusCode.UNAVAILABLE, "stopping")
            self.assertEqual(stopped.result(), 0)
        self.fails(lambda: unary(self.channel, "Echo")(b"", timeout=LONG),
                   grpc.StatusCode.UNAVAILABLE)

    @scenario()
    def test_idle_clients_do_not_delay_the_stop(self):
        self.assertEqual(unary(self.channel, "Echo")(b"x", timeout=LONG), b"x")
        self.assertEqual(self.server.stop(), 0)

    @scenario("--tls", ".")
    def test_tls(self):
        root = (self.harness.folder / "certificate.pem").read_bytes()
        credentials = grpc.ssl_channel_credentials(root)
        with grpc.secure_channel(f"localhost:{self.server.port}", credentials) as channel:
            self.assertEqual(unary(channel, "Echo")(b"secret", timeout=LONG), b"secret")
            count = stream(channel, "Count")(b"5000 1000", timeout=LONG)
            self.assertEqual(sum(1 for _ in count), 5000)
        self.fails(lambda: unary(self.channel, "Echo")(b"", timeout=LONG),
                   grpc.StatusCode.UNAVAILABLE)

    @scenario()
    def test_http1_client_is_told(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=LONG)
        connection.request("GET", "/v1.0/metadata")
        response = connection.getresponse()
        self.assertEqual(response.status, 400)
        self.assertIn(b"gRPC", response.read())
        connection.close()

    @scenario()
    def test_floods_end_their_own_connection(self):
        opened = stream(self.channel, "Open")(b"")
        pings = frame(PING, 0, 0, b"12345678") * 10000
        self.assert_calmed(self.stranger(pings), b"too_many_pings")
        self.assert_calmed(self.stranger(frame(SETTINGS, 0, 0) * 10000), b"too_many_pings")
        resets = b"".join(request(number, "/test.Echo/Open", b"")
                          + frame(RST_STREAM, 0, number, b"\0\0\0\x08")
                          for number in range(1, 10001, 2))
        self.assert_calmed(self.stranger(resets), b"too_many_resets")
        self.assertEqual(unary(self.channel, "Echo")(b"x", timeout=LONG), b"x")
        self.assertFalse(opened.done())
        until(lambda: stats(self.channel)["connections"] == 1)
        self.assertEqual(stats(self.channel)["open"], 1)
        opened.cancel()

    @scenario()
    def test_claims_of_size_take_no_memory(self):
        before = stats(self.channel)["rss_kb"]
        claim = b"\0" + (17 << 20).to_bytes(4, "big")
        calls = b"".join(request(number, "/test.Echo/Echo") + frame(DATA, 0, number, claim)
                         for number in range(1, 2001, 2))
        with socket.create_connection(("127.0.0.1", self.server.port), LONG) as conn:
            conn.sendall(PREFACE + frame(SETTINGS, 0, 0) + calls + frame(PING, 0, 0, bytes(8)))
            heard = b""
            while all(kind != PING for kind, _ in frames_of(heard)):  # all was taken
                heard += conn.recv(65536)
            self.assertEqual(stats(self.channel)["connections"], 2)
            self.assertLess(stats(self.channel)["rss_kb"] - before, 20 << 10)  # of 17 GB

    @scenario()
    def test_garbage_disturbs_nobody(self):
        for round_ in range(200):
            data = self.harness.rng.randbytes(self.harness.rng.randrange(1, 2000))
            if round_ % 2:
                data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) + data
            with socket.create_connection(("127.0.0.1", self.server.port)) as stranger:
                with contextlib.suppress(OSError):
                    stranger.sendall(data)
        self.assertEqual(unary(self.channel, "Echo")(b"x", timeout=LONG), b"x")
        until(lambda: stats(self.channel)["connections"] == 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
