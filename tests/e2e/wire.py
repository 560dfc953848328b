"""The app stream as docs/PROTOCOL.md describes it, written from that page alone: a second
implementation beside the C one, and a worker whose every frame a test decides.

    worker = Worker(sidecar, workflows=["Order"], activities=["Charge"])
    worker.credit(turns=1)
    turn = worker.next(TURN)
    worker.turn_done(turn, [activity(0, "Charge", b"5")])

Byte strings stay bytes; names may be given as str.
"""

import contextlib
import socket
import struct
import threading
import time

HELLO, WELCOME, REFUSED, PING, PONG, CREDIT, HISTORY, TURN, TURN_DONE = range(1, 10)
NEED_HISTORY, EVICT, ACTIVITY, ACTIVITY_DONE, REQUEST, ANSWER, BYE = range(10, 17)

FIELDS = {
    WELCOME: "protocol_version app_id sidecar payload_size_max",
    REFUSED: "err message",
    PING: "", PONG: "",
    HISTORY: "turn events",
    TURN: "turn base inc gen instance name version past_count events",
    EVICT: "instance",
    ACTIVITY: "token instance task_execution id attempt name version payload",
    ANSWER: "token err message reached instance states cursor events_total events",
}

EVENT_FIELDS = {
    1: "id", 2: "ref", 3: "name", 4: "version", 5: "payload", 6: "instance", 7: "target_app",
    8: "fire_at_ms", 9: "start_at_ms", 10: "status", 11: "recursive", 12: "execution",
    13: "task_execution", 14: "parent", 15: "failure",
}

(EXECUTION_STARTED, EXECUTION_COMPLETED, EXECUTION_TERMINATED, TASK_SCHEDULED, TASK_COMPLETED,
 TASK_FAILED, CHILD_CREATED, CHILD_COMPLETED, CHILD_FAILED, TIMER_CREATED, TIMER_FIRED,
 WORKFLOW_STARTED) = range(3, 15)
EVENT_SENT, EVENT_RAISED, CONTINUE_AS_NEW, SUSPENDED, RESUMED = 16, 17, 20, 21, 22

START, GET, WAIT, RAISE = 1, 2, 3, 4
COMPLETED, FAILED = 1, 3
UNSET = bytes(16)


# msgpack -----------------------------------------------------------------------------


def pack(value):
    if value is None:
        return b"\xc0"
    if value is True or value is False:
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return _head(len(value), 0xA0, 31, (0xD9, 0xDA, 0xDB)) + value
    if isinstance(value, (list, tuple)):
        return _head(len(value), 0x90, 15, (None, 0xDC, 0xDD)) + b"".join(map(pack, value))
    if isinstance(value, dict):
        items = b"".join(pack(key) + pack(item) for key, item in value.items())
        return _head(len(value), 0x80, 15, (None, 0xDE, 0xDF)) + items
    raise TypeError(f"{type(value)} has no place in a frame")


def _head(count, fix, fix_max, wider):
    if count <= fix_max:
        return bytes([fix | count])
    for first, form, top in zip(wider, (">BB", ">BH", ">BI"), (0xFF, 0xFFFF, 0xFFFFFFFF)):
        if first is not None and count <= top:
            return struct.pack(form, first, count)
    raise ValueError("too long for msgpack")


def _pack_int(value):
    if -32 <= value < 128:
        return struct.pack(">b", value)
    forms = ((0xCC, "B"), (0xCD, "H"), (0xCE, "I"), (0xCF, "Q")) if value >= 0 else (
        (0xD0, "b"), (0xD1, "h"), (0xD2, "i"), (0xD3, "q"))
    for first, form in forms:
        try:
            return struct.pack(">B" + form, first, value)
        except struct.error:
            continue
    raise ValueError("too large for msgpack")


def unpack(data):
    value, end = _unpack(data, 0)
    if end != len(data):
        raise ValueError("bytes behind the value")
    return value


def _unpack(data, at):
    first, at = data[at], at + 1
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 0x100, at
    if first < 0x90:
        return _unpack_map(data, at, first & 15)
    if first < 0xA0:
        return _unpack_array(data, at, first & 15)
    if first < 0xC0:
        return data[at:at + (first & 31)], at + (first & 31)
    if first in (0xC0, 0xC2, 0xC3):
        return {0xC0: None, 0xC2: False, 0xC3: True}[first], at
    if 0xCC <= first <= 0xD3:
        form = "BHIQbhiq"[first - 0xCC]
        size = struct.calcsize(form)
        return struct.unpack_from(">" + form, data, at)[0], at + size
    size = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4,
            0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}[first]
    count, at = int.from_bytes(data[at:at + size], "big"), at + size
    if first in (0xDC, 0xDD):
        return _unpack_array(data, at, count)
    if first in (0xDE, 0xDF):
        return _unpack_map(data, at, count)
    return data[at:at + count], at + count


def _unpack_array(data, at, count):
    values = []
    for _ in range(count):
        value, at = _unpack(data, at)
        values.append(value)
    return values, at


def _unpack_map(data, at, count):
    values = {}
    for _ in range(count):
        key, at = _unpack(data, at)
        values[key], at = _unpack(data, at)
    return values, at


# Contents ----------------------------------------------------------------------------


def event(data):
    """A history event as a dict: kind, timestamp_ms, and the fields that are there."""
    form, kind, timestamp_ms, fields, *_ = unpack(data)
    assert form == 1, f"an event of format {form}"
    named = {EVENT_FIELDS.get(key, key): value for key, value in fields.items()}
    return {"kind": kind, "timestamp_ms": timestamp_ms, **named}


def _map(fields):
    return {key: value for key, value in fields.items() if value is not None}


def activity(id_, name, payload=None, task_execution=None):
    return _map({1: 1, 2: id_, 4: name, 6: payload, 11: task_execution})


def timer(id_, fire_at_ms, name=None):
    return _map({1: 2, 2: id_, 4: name, 9: fire_at_ms})


def child(id_, name, payload=None, instance=None):
    return _map({1: 4, 2: id_, 4: name, 6: payload, 8: instance})


def send_event(id_, instance, name, payload=None):
    return _map({1: 5, 2: id_, 4: name, 6: payload, 8: instance})


def complete(output=None):
    return _map({1: 6, 6: output, 10: COMPLETED})


def fail(message, type_=None):
    return {1: 6, 10: FAILED, 12: failure(message, type_)}


def continue_as_new(payload=None):
    return _map({1: 7, 6: payload})


def failure(message, type_=None, non_retriable=False):
    return _map({1: non_retriable, 2: type_, 3: message})


class Frame:
    """A frame from the sidecar: `type`, and its fields as attributes."""

    def __init__(self, values):
        self.type, fields = values[0], values[1:]
        names = FIELDS[self.type].split()
        assert len(fields) >= len(names), f"frame {self.type} with {len(fields)} fields"
        for name, value in zip(names, fields):
            setattr(self, name, value)

    @property
    def decoded(self):
        return [event(data) for data in self.events]

    def __repr__(self):
        return f"Frame({vars(self)})"


class Refused(Exception):
    def __init__(self, frame):
        super().__init__(f"{frame.err}: {frame.message.decode()}")
        self.err = frame.err


class Frames:
    """The frames that come over a connection, each whole: what has come of one when the time
    is up stays for the next call."""

    def __init__(self, socket_):
        self.socket, self.buffer = socket_, b""

    def next(self, deadline):
        while len(self.buffer) < self._size():
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = self.socket.recv(65536)
            if not chunk:
                raise ConnectionError("the other side closed the connection")
            self.buffer += chunk
        size = self._size()
        data, self.buffer = self.buffer[4:size], self.buffer[size:]
        return data

    def _size(self):
        """Bytes of the next frame with its length, as far as that is known."""
        return 4 + (int.from_bytes(self.buffer[:4], "big") if len(self.buffer) >= 4 else 0)


class Worker:
    """One connection. Pings are answered while a test waits for something else."""

    def __init__(self, sidecar, workflows=(), activities=(), app_id=None, token=None,
                 name="wire-test", version=1, timeout=20.0):
        address = sidecar.endpoint.removeprefix("tcp://").rsplit(":", 1)
        self.timeout = timeout
        self.socket = socket.create_connection((address[0], int(address[1])), timeout)
        self.frames = Frames(self.socket)
        self.past = {}  # turn id: events of the HISTORY frames before it
        self.tokens = 0
        self.send(HELLO, version, app_id or sidecar.app_id, token, name,
                  [[workflow, None] for workflow in workflows],
                  [[activity_, None] for activity_ in activities])
        try:
            self.welcome = self.next(WELCOME)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def stay(self):
        """Nothing but answer pings from now on, on a thread, until it is closed."""

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    with contextlib.suppress(TimeoutError):
                        self.next(timeout=1)

        threading.Thread(target=serve, daemon=True).start()

    def send_bytes(self, data):
        self.socket.sendall(len(data).to_bytes(4, "big") + data)

    def send(self, type_, *fields):
        self.send_bytes(pack([type_, *fields]))

    def receive(self, timeout=None):
        """The next frame of any type. Raises TimeoutError, ConnectionError."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        return Frame(unpack(self.frames.next(deadline)))

    def next(self, *types, timeout=None):
        """The next frame of one of these types; another one is an error of the sidecar. A
        TURN comes with the events of its HISTORY frames in front."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            frame = self.receive(deadline - time.monotonic())
            if frame.type == TURN:
                past = self.past.pop(frame.turn, [])
                frame.events, frame.past_count = past + frame.events, len(past) + frame.past_count
            if frame.type in types:
                return frame
            if frame.type == HISTORY:
                self.past.setdefault(frame.turn, []).extend(frame.events)
            elif frame.type == PING:
                self.send(PONG)
            elif frame.type == REFUSED:
                raise Refused(frame)
            elif frame.type != PONG:
                raise AssertionError(f"waited for {types}, got {frame}")

    def credit(self, turns=0, activities=0):
        self.send(CREDIT, turns, activities)

    def turn_done(self, turn, actions=(), cached=False, err=0, message=None, custom_status=None):
        self.send(TURN_DONE, turn.turn, turn.instance, cached, err, message,
                  custom_status is not None, custom_status, list(actions))

    def need_history(self, turn):
        self.send(NEED_HISTORY, turn.turn, turn.instance)

    def activity_done(self, item, payload=None, failed=None):
        self.send(ACTIVITY_DONE, item.token, payload, failed or {})

    def request(self, op, **fields):
        """Send a management call; its answer comes by answer()."""
        keys = {"instance": 1, "request_id": 3, "name": 4, "payload": 6, "reuse": 9,
                "wait_for": 10, "with_payloads": 11, "limit": 15, "timeout_ms": 18, "app": 21}
        self.tokens += 1
        self.send(REQUEST, self.tokens, op, {keys[key]: value for key, value in fields.items()})
        return self.tokens
