#!/usr/bin/env python3
"""Streams of work on a real sidecar: what one costs that has nothing to do, and what happens
to those of others when a client on the same port misbehaves."""

import contextlib
import socket
import unittest

from checks import scenario
from harness import PATIENCE, until
from http2 import (CONTINUATION, DATA, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PREFACE,
                   RST_STREAM, SETTINGS, frame, frames_of, request)

STREAMS = 100
STREAM_KB_MAX = 100  # the promise of docs/GRPC.md is about a sixth of it
PATH = "/TaskHubSidecarService/GetWorkItems"


class Streams(unittest.TestCase):
    def open(self):
        self.sidecar = self.h.sidecar("streams", self.h.sqlite(),
                                      options=["--grpc-port=0", "--durabletask-port=0"])

    def dial(self, port):
        conn = socket.create_connection(("127.0.0.1", self.sidecar.ready[port]), PATIENCE)
        self.addCleanup(conn.close)
        conn.sendall(PREFACE + frame(SETTINGS, 0, 0))
        return conn

    def workers(self):
        return len(self.sidecar.api.metadata()["workflows"]["workers"])

    def rss_kb(self):
        with open(f"/proc/{self.sidecar.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmRSS:"))
        return int(line.split()[1])

    def work(self, port, count):
        before = self.workers()
        conns = [self.dial(port) for _ in range(count)]
        for conn in conns:
            conn.sendall(request(1, PATH, b""))
        until(lambda: self.workers() == before + count, what=f"{count} workers connected")
        return conns

    def idle(self, port):
        self.open()
        warm = self.work(port, 1)  # everything has been used once
        before = self.rss_kb()
        streams = self.work(port, STREAMS)
        each = (self.rss_kb() - before) / STREAMS
        print(f"{port}: {each:.1f} KB per idle stream of work", flush=True)
        self.assertLess(each, STREAM_KB_MAX)
        for conn in warm + streams:
            conn.close()
        until(lambda: self.workers() == 0, what="all workers gone")
        self.assertEqual(self.sidecar.stop(), 0)

    @scenario
    def test_an_idle_stream_for_dapr_is_cheap(self):
        self.idle("grpc")

    @scenario
    def test_an_idle_stream_for_microsoft_is_cheap(self):
        self.idle("durabletask")

    def hears(self, conn, data):
        """Everything that is said until the connection is closed."""
        heard = b""
        with contextlib.suppress(ConnectionError):
            conn.sendall(data)
        with contextlib.suppress(ConnectionError):
            while piece := conn.recv(65536):
                heard += piece
        return heard

    def assert_sent_away(self, heard):
        codes = [int.from_bytes(payload[4:8], "big")
                 for kind, payload in frames_of(heard) if kind == GOAWAY]
        self.assertEqual(codes, [ENHANCE_YOUR_CALM])

    @scenario
    def test_floods_disturb_no_other_stream(self):
        self.open()
        self.work("grpc", 1)
        resets = b"".join(request(1 + 2 * i, PATH)
                          + frame(RST_STREAM, 0, 1 + 2 * i, (8).to_bytes(4, "big"))
                          for i in range(3000))
        pings = frame(PING, 0, 0, b"12345678") * 1000
        settings = frame(SETTINGS, 0, 0) * 1000
        empty = request(1, PATH) + frame(DATA, 0, 1) * 1000
        for flood in (resets, pings, settings, empty):
            self.assert_sent_away(self.hears(self.dial("grpc"), flood))
        endless = frame(HEADERS, 0, 1, b"\x83\x86") + frame(CONTINUATION, 0, 1) * 100000
        heard = self.hears(self.dial("grpc"), endless)
        self.assertIn(GOAWAY, [kind for kind, _ in frames_of(heard)])
        self.assertEqual(self.workers(), 1)
        self.assertLess(self.rss_kb(), 300 << 10)  # the sanitizers' share included

    @scenario
    def test_a_stop_is_told_with_goaway(self):
        self.open()
        [conn] = self.work("durabletask", 1)
        self.assertEqual(self.sidecar.stop(), 0)
        heard = self.hears(conn, b"")
        codes = [int.from_bytes(payload[4:8], "big")
                 for kind, payload in frames_of(heard) if kind == GOAWAY]
        self.assertEqual(codes[:1], [0])  # NO_ERROR: dial again
        self.assertIn(b"the sidecar is stopping", heard)
        self.assertEqual([kind for kind, _ in frames_of(heard)][-1], HEADERS)  # the status


if __name__ == "__main__":
    unittest.main(verbosity=2)
