"""A subscriber to the lifecycle stream that goes on wherever a sidecar answers."""

import contextlib
import http.client
import json
import threading
import time


class Subscriber(threading.Thread):
    """Reads server-sent events; after each end of the connection it goes on behind its
    position, at the next of the ports. `ports` is asked for them each time."""

    def __init__(self, ports, path="/v1.0/events", position=None):
        super().__init__(daemon=True)
        self.ports, self.path, self.position = ports, path, position
        self.events, self.connections, self.over, self.errors = [], 0, False, []
        self.arrived = {}  # key -> when, by time.time()
        self.opened = threading.Event()
        self.start()

    def run(self):
        while not self.over:
            for port in self.ports():
                try:
                    self.read_one(port)
                except (OSError, http.client.HTTPException):
                    pass
                if self.over:
                    return
            time.sleep(0.02)  # between two rounds of dialling, not for anything to happen

    def read_one(self, port):
        with contextlib.closing(
                http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            self.read_stream(connection)

    def read_stream(self, connection):
        headers = {"Last-Event-ID": self.position} if self.position else {}
        connection.request("GET", self.path, headers=headers)
        answer = connection.getresponse()
        with answer:
            self.read_answer(answer)

    def read_answer(self, answer):
        if answer.status != 200:
            if answer.status not in (429, 503):
                self.errors.append((answer.status, answer.read()))
                self.over = True
            return
        self.connections += 1
        kind, data, position = None, None, None
        while not self.over:
            line = answer.readline()
            if not line.endswith(b"\n"):
                return
            line = line.rstrip(b"\n").decode()
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif line.startswith("id: "):
                position = line[4:]
            elif not line:
                if data is not None:
                    self.events.append((kind, data))
                    self.arrived.setdefault(data.get("key"), time.time())
                if position is not None:
                    self.position = position
                    self.opened.set()
                kind, data, position = None, None, None

    def stop(self):
        self.over = True
        return self

    def changes(self):
        """Those of all connections, each once, in the order of their arrival."""
        seen, unique = set(), []
        for kind, data in list(self.events):
            if kind == "change" and data["key"] not in seen:
                seen.add(data["key"])
                unique.append(data)
        return unique

    def statuses(self, instance):
        return [change["runtimeStatus"] for change in self.changes()
                if change["instanceID"] == instance]

    def kinds(self):
        return [kind for kind, _ in list(self.events)]


def check_without_gaps(subscriber):
    """The numbers of each partition follow one another, from the first that was seen."""
    last = {}
    for change in subscriber.changes():
        partition, number = map(int, change["key"].split(":"))
        assert last.get(partition, number - 1) == number - 1, (change, last.get(partition))
        last[partition] = number
    assert not subscriber.errors, subscriber.errors
    assert "gap" not in subscriber.kinds(), subscriber.kinds()
