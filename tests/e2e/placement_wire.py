"""What a sidecar and the placement service say to each other, as docs/PLACEMENT.md
describes it, written from that page alone: a second implementation beside the C one.

    with Follower(["tcp://127.0.0.1:50005"], app="orders", host="h1") as follower:
        members = follower.wait_for(lambda m: len(m.items) == 1)

A Follower has a thread that connects, follows REDIRECT, sends heartbeats and keeps the
newest list, as a sidecar does. A Conn is one connection whose every frame a test decides.
"""

import secrets
import socket
import threading
import time

from wire import Frames, pack, unpack

HELLO, UPDATE, HEARTBEAT, WELCOME, REFUSED, REDIRECT, MEMBERS = range(1, 8)
VERSION = 1
MEMBER_FIELDS = ("host", "app", "address", "partitions", "leaving", "runs_activities",
                 "runs_workflows")


class Members:
    def __init__(self, version, rows):
        self.version = version
        self.items = [dict(zip(MEMBER_FIELDS, row)) for row in rows]
        self.hosts = [item["host"].decode() for item in self.items]

    def __repr__(self):
        return f"Members({self.version >> 32}:{self.version & 0xFFFFFFFF}, {self.hosts})"


class Conn:
    def __init__(self, address, timeout=60.0):
        host, port = address.removeprefix("tcp://").rsplit(":", 1)
        self.take(socket.create_connection((host, int(port)), timeout))

    def take(self, socket_):
        """Speak over this socket."""
        self.socket, self.frames = socket_, Frames(socket_)

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(len(data).to_bytes(4, "big") + data)

    def send(self, type_, *fields):
        self.send_bytes(pack([type_, *fields]))

    def hello(self, app="orders", host="h1", namespace="default", token=None,
              address="tcp://127.0.0.1:3502", partitions=128, leaving=False,
              runs_activities=False, process=None, version=0, protocol=VERSION,
              runs_workflows=False):
        self.send(HELLO, protocol, namespace, token, host, app, address, partitions, leaving,
                  runs_activities, process or secrets.token_bytes(16), version, runs_workflows)

    def receive(self, timeout=60.0):
        """[type, fields…]"""
        return unpack(self.frames.next(time.monotonic() + timeout))

    def next(self, *types, timeout=60.0):
        """The next frame of one of these types; heartbeats are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.receive(deadline - time.monotonic())
            if frame[0] in types:
                return frame
            if frame[0] != HEARTBEAT:
                raise AssertionError(f"waited for {types}, got {frame}")

    def is_closed(self, timeout=60.0):
        """By the other side, sooner or later."""
        deadline = time.monotonic() + timeout
        try:
            while time.monotonic() < deadline:
                self.receive(deadline - time.monotonic())
        except (ConnectionError, TimeoutError) as error:
            return not isinstance(error, TimeoutError)
        return False


class Follower:
    def __init__(self, addresses, **hello):
        self.addresses = list(addresses)
        self.fields = {"process": secrets.token_bytes(16), **hello}
        self.changed = threading.Condition()
        self.members = None
        self.lists = []  # (time, Members), every one that came
        self.refusals = []
        self.leader = None
        self.update = None
        self.stopping = False
        self.conn = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """As a process that dies: the connection ends without a word."""
        self.stopping = True
        if self.conn:
            self.conn.socket.close()
        self.thread.join(10)

    def leave(self):
        with self.changed:
            self.fields["leaving"] = True
            self.update = True

    def wait_for(self, check, timeout=60.0, what="such a list"):
        deadline = time.monotonic() + timeout
        with self.changed:
            while self.members is None or not check(self.members):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{what}: not after {timeout:g} s; last {self.members}, "
                                         f"refused {self.refusals}")
                self.changed.wait(left)
            return self.members

    def _run(self):
        attempt = 0
        while not self.stopping:
            address = self.leader or self.addresses[attempt % len(self.addresses)]
            self.leader = None
            attempt += 1
            try:
                self.conn = Conn(address, timeout=1.0)
                self._serve(self.conn)
            except OSError:
                pass
            if self.conn:
                self.conn.close()
            if not self.leader and not self.stopping:
                time.sleep(0.05)  # as a sidecar waits between two attempts

    def _serve(self, conn):
        held = self.members.version if self.members else 0
        conn.hello(**{**self.fields, "version": held})
        spoke = heard = time.monotonic()
        while not self.stopping:
            try:
                frame = conn.receive(0.1)
                heard = time.monotonic()
                if not self._take(frame):
                    return
            except TimeoutError:
                pass
            now = time.monotonic()
            if now - heard > 2.5:
                return
            if self.update:
                self.update = None
                conn.send(UPDATE, self.fields.get("runs_activities", False),
                          self.fields.get("leaving", False), 0,
                          self.fields.get("runs_workflows", False))
            if now - spoke > 0.4:
                conn.send(HEARTBEAT)
                spoke = now

    def _take(self, frame):
        """False: this connection is over."""
        if frame[0] == REDIRECT:
            self.leader = frame[1].decode() if frame[1] else None
            return False
        if frame[0] == REFUSED:
            self.refusals.append((frame[1], frame[2].decode()))
            return False
        if frame[0] == MEMBERS:
            with self.changed:
                members = Members(frame[1], frame[2])
                self.lists.append((time.monotonic(), members))
                if not self.members or members.version > self.members.version:
                    self.members = members
                self.changed.notify_all()
        return True
