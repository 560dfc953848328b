"""Harness for end-to-end tests: real processes, real Redis or SQLite, real kills.

    from harness import Harness

    with Harness() as h:
        store = h.redis()                       # or h.sqlite()
        sidecar = h.sidecar(app_id="shop", store=store)
        app = h.app([h.build / "sdk/examples/order"], sidecar)
        api = sidecar.api
        instance = api.start("Order", {"n": 1})
        sidecar.kill()                          # as kill -9
        sidecar.start()
        state = api.wait(instance, timeout=30)
        assert state["runtimeStatus"] == "COMPLETED"

Everything lives in one temporary folder and dies with the `with` block, also when the
test is killed. When the block fails, the seed and the end of every log are printed;
PAWL_E2E_SEED=<seed> repeats the random choices (use h.rng for all of them).
PAWL_BUILD_DIR says where the programs are; PAWL_E2E_KEEP=1 keeps the folder.

Only the standard library of Python 3.11.
"""

import atexit
import contextlib
import ctypes
import http.client
import json
import os
import pathlib
import random
import secrets
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOG_TAIL_LINES = 60
PATIENCE = 60.0  # seconds for another process: on a busy machine each may stand still for some
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Timeout(AssertionError):
    """Something did not happen in time."""


def until(check, timeout=PATIENCE, what="the condition"):
    """Ask `check` again and again until it gives something true, and return that."""
    deadline = time.monotonic() + timeout
    pause = 0.005
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Timeout(f"{what}: not so after {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


_reserved = []


def free_port():
    """A TCP port at which nobody listens but who is told of it, as long as this process lives:
    a socket that is bound and does not listen keeps the system from giving it to others. A
    server with SO_REUSEADDR can bind it nevertheless, again and again; without one, who dials
    is refused."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _reserved.append(holder)
    return holder.getsockname()[1]


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


# Processes ---------------------------------------------------------------------------


class Process:
    """One program that can be killed and started again, with one log over all its lives."""

    def __init__(self, harness, name, argv, env=None):
        self.harness = harness
        self.name = name
        self.argv = [str(arg) for arg in argv]
        # Settings of whoever runs the tests are not those of the programs under test.
        base = {k: v for k, v in os.environ.items() if not k.startswith("PAWL_")}
        self.env = {**base, **(env or {})}
        self.log_path = harness.folder / f"{name}.log"
        self.popen = None
        harness.processes.append(self)

    def spawn(self, pass_fds=()):
        assert not self.is_alive(), f"{self.name} runs already"
        with open(self.log_path, "ab") as log:
            log.write(f"--- {' '.join(self.argv)}\n".encode())
            log.flush()
            self.popen = subprocess.Popen(
                self.argv,
                env=self.env,
                cwd=self.harness.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=pass_fds,
                preexec_fn=_die_with_parent,
            )

    def start(self):
        self.spawn()
        return self

    def is_alive(self):
        return self.popen is not None and self.popen.poll() is None

    @property
    def pid(self):
        return self.popen.pid

    def _signal(self, number):
        if self.is_alive():
            os.killpg(self.popen.pid, number)

    def kill(self):
        """kill -9: the process gets no chance to say goodbye."""
        self._signal(signal.SIGKILL)
        if self.popen:
            self.popen.wait()

    def stop(self, timeout=PATIENCE):
        """SIGTERM, and wait. Returns the exit status."""
        self._signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} did not stop within {timeout:g} s of SIGTERM") from None

    def wait(self, timeout=PATIENCE):
        """Wait for it to end by itself. Returns the exit status."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} still runs after {timeout:g} s") from None

    def pause(self):
        """SIGSTOP: alive for the system, silent for everybody else. It has stopped when
        this returns, with all its threads."""
        self._signal(signal.SIGSTOP)
        until(lambda: not self.is_alive() or self.is_paused(), what=f"{self.name} standing still")

    def is_paused(self):
        states = set()
        for task in pathlib.Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):  # that thread has just ended
                states.add(task.read_text().rsplit(")", 1)[1].split()[0])
        return states == {"T"}

    def resume(self):
        self._signal(signal.SIGCONT)

    def restart(self, kill=True):
        if kill:
            self.kill()
        else:
            self.stop()
        return self.start()

    def log(self):
        try:
            return self.log_path.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def wait_for_log(self, text, timeout=PATIENCE):
        until(lambda: text in self.log(), timeout, f"'{text}' in the log of {self.name}")

    def fail_if_dead(self):
        if not self.is_alive():
            status = self.popen.returncode if self.popen else None
            raise AssertionError(f"{self.name} ended with {status}:\n{log_tail(self)}")


def log_tail(process, lines=LOG_TAIL_LINES):
    return "\n".join(process.log().splitlines()[-lines:])


# Stores ------------------------------------------------------------------------------


class RedisError(Exception):
    """An error that the Redis server answered."""


class Redis(Process):
    """A redis-server of our own that forgets nothing it has acknowledged, also when it is
    killed: what it has written to its log by then is the system's. It does not sync as well:
    a disk that is busy with others would hold up every answer. With `clustered`, one that can
    become a shard of a cluster."""

    def __init__(self, harness, name="redis", options=(), clustered=False):
        self.port = free_port()
        self.bus_port = free_port() if clustered else 0
        self.clustered = clustered
        self.options = [str(option) for option in options]
        self.data = harness.folder / name
        self.data.mkdir()
        super().__init__(harness, name, [])

    def start(self):
        """The port is kept over restarts: clients come back to the same address."""
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(self.bus_port)]
        self.argv = [
            "redis-server",
            "--port", str(self.port),
            "--bind", "127.0.0.1",
            "--dir", str(self.data),
            "--save", "",
            "--appendonly", "yes",
            "--appendfsync", "no",
            "--daemonize", "no",
            *(cluster if self.clustered else []),
            *self.options,
        ]
        self.spawn()
        until(lambda: not self.is_alive() or self._answers(), what=f"{self.name} answering")
        self.fail_if_dead()
        return self

    def _answers(self):
        try:
            return self.command("PING") == b"PONG"
        except (OSError, RedisError):  # not listening yet, or loading what it has stored
            return False

    @property
    def url(self):
        return f"redis://127.0.0.1:{self.port}"

    def command(self, *words, timeout=PATIENCE):
        """One command on a connection of its own. Raises RedisError for an error."""
        parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        request = b"*%d\r\n" % len(parts)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        with socket.create_connection(("127.0.0.1", self.port), timeout) as conn:
            conn.sendall(request)
            with conn.makefile("rb") as reader:
                return self._read_reply(reader)

    def _read_reply(self, reader):
        line = reader.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis-server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RedisError(rest.decode(errors="replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else reader.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self._read_reply(reader) for _ in range(int(rest))]
        raise RedisError(f"not a reply: {line!r}")

    def keys(self, pattern="*"):
        cursor, found = b"0", []
        while True:
            cursor, page = self.command("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            found += page
            if cursor == b"0":
                return sorted(set(found))


class RedisCluster:
    """A Redis Cluster of some shards without replicas."""

    SLOTS = 16384

    def __init__(self, harness, shards=3, options=()):
        self.servers = [Redis(harness, f"shard-{n}", options, clustered=True).start()
                        for n in range(shards)]
        for number, server in enumerate(self.servers):
            first, end = number * self.SLOTS // shards, (number + 1) * self.SLOTS // shards
            server.command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for server in self.servers[1:]:
            server.command("CLUSTER", "MEET", "127.0.0.1", self.servers[0].port,
                           self.servers[0].bus_port)
        until(self._is_whole, 2 * PATIENCE, "the shards know of each other")
        self.url = "redis+cluster://" + ",".join(f"127.0.0.1:{s.port}" for s in self.servers)

    def _is_whole(self):
        for server in self.servers:
            info = server.command("CLUSTER", "INFO").decode()
            known = f"cluster_known_nodes:{len(self.servers)}" in info
            if not known or "cluster_state:ok" not in info:
                return False
        return True


class TlsRedis(Redis):
    """One whose URL speaks TLS, by a certificate of its own that no system trusts. Commands of
    the tests go to a second port, which does not."""

    def __init__(self, harness, name="redis"):
        self.certificate = harness.folder / f"{name}.pem"
        key = harness.folder / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", self.certificate],
                       check=True, capture_output=True)
        self.tls_port = free_port()
        super().__init__(harness, name, [
            "--tls-port", self.tls_port, "--tls-auth-clients", "no",
            "--tls-cert-file", self.certificate, "--tls-key-file", key,
            "--tls-ca-cert-file", self.certificate])

    @property
    def bare_url(self):
        """Without what makes the certificate trusted."""
        return f"rediss://127.0.0.1:{self.tls_port}"

    @property
    def url(self):
        return f"{self.bare_url}?cafile={self.certificate}"


class Sqlite:
    """A SQLite file as a store, and a reader of it for checks."""

    def __init__(self, harness, name="pawl.db"):
        self.harness, self.path = harness, harness.folder / name

    @property
    def url(self):
        return f"sqlite://{self.path}"

    def query(self, sql, parameters=()):
        """Rows as committed up to now. A sidecar keeps the file to itself, so this reads a
        copy, made while the sidecar stands still: after a kill -9 it shows just what the
        next sidecar will find."""
        with tempfile.TemporaryDirectory(dir=self.harness.folder) as folder:
            self._copy(folder)
            conn = sqlite3.connect(pathlib.Path(folder) / self.path.name)
            try:
                conn.execute("SELECT count(*) FROM sqlite_master")  # takes in the log
                conn.execute("PRAGMA query_only = 1")
                return conn.execute(sql, parameters).fetchall()
            finally:
                conn.close()

    def _copy(self, folder):
        users = [process for process in self.harness.processes
                 if getattr(process, "store_url", None) == self.url and process.is_alive()]
        held = [process for process in users if not process.is_paused()]
        for process in held:
            process.pause()
        try:
            for suffix in ("", "-wal", "-journal"):
                source = pathlib.Path(f"{self.path}{suffix}")
                if source.exists():
                    shutil.copy(source, folder)
        finally:
            for process in held:
                process.resume()

    def tables(self):
        rows = self.query("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [row[0] for row in rows]

    def count(self, table):
        if table not in self.tables():
            raise AssertionError(f"no table {table}; there are {self.tables()}")
        return self.query(f'SELECT count(*) FROM "{table}"')[0][0]

    def is_sound(self):
        return self.query("PRAGMA integrity_check") == [("ok",)]


# The management API ------------------------------------------------------------------


class ApiError(AssertionError):
    """An answer with an HTTP status that was not expected."""

    def __init__(self, status, code, message):
        super().__init__(f"HTTP {status} {code}: {message}")
        self.status, self.code, self.message = status, code, message


TERMINAL = {"COMPLETED", "FAILED", "CANCELED", "TERMINATED"}


class Api:
    """The HTTP API of one sidecar. Payloads given as Python values travel as JSON, bytes
    and str as they are."""

    def __init__(self, sidecar=None, base=None, token=None):
        self.sidecar, self.base, self.token = sidecar, base, token

    def url(self, path, query=None):
        base = self.base or f"http://127.0.0.1:{self.sidecar.http_port}"
        pairs = {key: value for key, value in (query or {}).items() if value is not None}
        text = urllib.parse.urlencode(
            {key: str(value).lower() if isinstance(value, bool) else value
             for key, value in pairs.items()}, doseq=True)
        return f"{base}{path}" + (f"?{text}" if text else "")

    def raw(self, method, path, query=None, body=None, headers=None, timeout=60.0):
        """(status, headers, body); every HTTP status is an answer, none is raised."""
        headers = dict(headers or {})
        if self.token:
            headers["pawl-api-token"] = self.token
        request = urllib.request.Request(self.url(path, query), data=body, method=method,
                                         headers=headers)
        try:
            try:
                answer = urllib.request.urlopen(request, timeout=timeout)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return answer.status, answer.headers, answer.read()
        except http.client.HTTPException as error:  # an answer that breaks off in the middle
            raise ConnectionError(f"{method} {path}: {error!r}") from error

    def call(self, method, path, query=None, payload=None, headers=None, timeout=60.0,
             retry_for=0.0):
        """JSON of a 2xx answer, else ApiError. With retry_for, a sidecar that is away, not
        ready or in doubt is asked again for so many seconds: give a request id where it matters."""
        headers, body = dict(headers or {}), None
        if method == "POST":
            body = encode_payload(payload)
            headers.setdefault("Content-Type", "application/json")
        deadline = time.monotonic() + retry_for
        while True:
            try:
                status, _, text = self.raw(method, path, query, body, headers, timeout)
                if status not in (429, 503, 504) or time.monotonic() >= deadline:
                    break
            except OSError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(0.05)
        value = json.loads(text) if text else {}
        if 200 <= status < 300:
            return value
        raise ApiError(status, value.get("errorCode"), value.get("message"))

    @staticmethod
    def _path(*segments):
        return "/v1.0/workflows/pawl" + "".join(
            "/" + urllib.parse.quote(segment, safe="") for segment in segments)

    def start(self, name, payload=None, instance=None, request_id=None, version=None,
              start_time=None, reuse=None, event=None, event_data=None, tags=None, **options):
        query = {"instanceID": instance, "version": version, "startTime": start_time,
                 "reuse": reuse, "event": event, "eventData": event_data,
                 "tag": tags}
        headers = {"Idempotency-Key": request_id} if request_id else {}
        return self.call("POST", self._path(name, "start"), query, payload, headers,
                         **options)["instanceID"]

    def get(self, instance, payloads=True, **options):
        return self.call("GET", self._path(instance), {"payloads": payloads}, **options)

    def wait_once(self, instance, seconds=30, for_="completed", **options):
        """(reached, state): one long poll."""
        query = {"for": for_, "timeout": f"{int(seconds * 1000)}ms"}
        status, _, text = self.raw("GET", self._path(instance, "wait"), query,
                                   timeout=seconds + 30, **options)
        value = json.loads(text) if text else {}
        if status not in (200, 202):
            raise ApiError(status, value.get("errorCode"), value.get("message"))
        return status == 200, value

    def wait(self, instance, timeout=2 * PATIENCE, for_="completed"):
        """Poll over restarts of the sidecar until it is so; the state then."""
        deadline = time.monotonic() + timeout
        last = "no answer yet"
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(f"{instance}: not {for_} after {timeout:g} s; last: {last}")
            try:
                reached, last = self.wait_once(instance, min(left, 10), for_)
                if reached:
                    return last
            except ApiError as error:
                if error.status not in (429, 503, 504):
                    raise
                last = error
                time.sleep(0.05)
            except OSError as error:
                last = error
                time.sleep(0.05)

    def raise_event(self, instance, name, payload=None, request_id=None, **options):
        headers = {"Idempotency-Key": request_id} if request_id else {}
        self.call("POST", self._path(instance, "raiseEvent", name), None, payload, headers,
                  **options)

    def suspend(self, instance, reason=None, **options):
        self.call("POST", self._path(instance, "pause"), {"reason": reason}, **options)

    def resume(self, instance, reason=None, **options):
        self.call("POST", self._path(instance, "resume"), {"reason": reason}, **options)

    def terminate(self, instance, output=None, recursive=None, **options):
        self.call("POST", self._path(instance, "terminate"), {"recursive": recursive}, output,
                  **options)

    def purge(self, instance, force=None, recursive=None, **options):
        self.call("POST", self._path(instance, "purge"),
                  {"force": force, "recursive": recursive}, **options)

    def rerun(self, instance, new_instance=None, payload=None, event=None, **options):
        return self.call("POST", self._path(instance, "rerun"),
                         {"newInstanceID": new_instance, "eventID": event},
                         payload, **options)["instanceID"]

    def restart(self, instance, new_instance=None, request_id=None, **options):
        headers = {"Idempotency-Key": request_id} if request_id else {}
        return self.call("POST", self._path(instance, "restart"),
                         {"newInstanceID": new_instance}, None, headers, **options)["instanceID"]

    def rewind(self, instance, reason=None, **options):
        self.call("POST", self._path(instance, "rewind"), {}, reason, **options)

    def list_page(self, **filters):
        """Filters: status, name, prefix, createdFrom, createdTo, limit, cursor."""
        return self.call("GET", self._path(), filters)

    def list(self, **filters):
        """All pages."""
        states, cursor = [], None
        while True:
            page = self.list_page(**{**filters, "cursor": cursor})
            states += page["workflows"]
            cursor = page.get("cursor")
            if not cursor:
                return states

    def history(self, instance):
        """All events, over all pages."""
        events, index = [], 0
        while index is not None:
            page = self.call("GET", self._path(instance, "history"), {"from": index})
            events += page["events"]
            index = page.get("next")
        return events

    def is_healthy(self):
        try:
            status, _, _ = self.raw("GET", "/v1.0/healthz", timeout=PATIENCE)
        except OSError:
            return False
        return 200 <= status < 300

    def metadata(self):
        return self.call("GET", "/v1.0/metadata")

    def metrics(self):
        """Prometheus text as {"name{labels}": value}."""
        status, _, text = self.raw("GET", "/metrics")
        if status != 200:
            raise ApiError(status, None, text.decode(errors="replace"))
        values = {}
        for line in text.decode().splitlines():
            if line and not line.startswith("#"):
                key, value = line.rsplit(" ", 1)
                values[key] = float(value)
        return values


def encode_payload(payload):
    if payload is None:
        return b""
    if isinstance(payload, bytes):
        return payload
    if isinstance(payload, str):
        return payload.encode()
    return json.dumps(payload).encode()


def output_of(state, json_=True):
    """The output that a state shows, decoded; None when there is none."""
    text = state["properties"].get("dapr.workflow.output")
    return json.loads(text) if json_ and text is not None else text


# The sidecar and the app ---------------------------------------------------------------


def read_ready(process, fd, timeout):
    """The line of JSON on --ready-fd. Nothing at all comes when the process has failed."""
    deadline, text = time.monotonic() + timeout, b""
    while not text.endswith(b"\n"):
        left = max(0.0, deadline - time.monotonic())
        if not select.select([fd], [], [], left)[0]:
            raise Timeout(f"{process.name} was not ready after {timeout:g} s:\n{log_tail(process)}")
        chunk = os.read(fd, 4096)
        if not chunk:
            status = process.popen.wait(PATIENCE)
            raise AssertionError(f"{process.name} ended with {status}:\n{log_tail(process)}")
        text += chunk
    return json.loads(text)


class Sidecar(Process):
    """pawld. Its ports are the same after a restart, so that apps and clients find it again;
    on --ready-fd it says which they are."""

    def __init__(self, harness, name, app_id, store, options=(), env=None, token=None,
                 listen=None):
        self.app_id, self.store_url = app_id, getattr(store, "url", store)
        self.options = [str(option) for option in options]
        self.http_port = free_port()
        self.endpoint = listen or f"tcp://127.0.0.1:{free_port()}"
        self.token = token
        self.api = Api(self, token=token)
        super().__init__(harness, name, [], {**({"PAWL_TOKEN": token} if token else {}),
                                             **(env or {})})

    def start(self, timeout=PATIENCE):
        return self.finish_start(self.start_without_waiting(), timeout)

    def finish_start(self, ready, timeout=PATIENCE):
        """Wait for what start_without_waiting has begun."""
        try:
            self._read_ready(ready, timeout)
        finally:
            os.close(ready)
        return self

    def start_without_waiting(self):
        """The end to read of the pipe on which it will say that it is ready."""
        read_end, write_end = os.pipe()
        self.argv = [
            str(self.harness.build / "sidecar/pawld"),
            f"--app-id={self.app_id}",
            f"--store={self.store_url}",
            f"--http-port={self.http_port}",
            f"--app-listen={self.endpoint}",
            f"--ready-fd={write_end}",
            *self.options,
        ]
        try:
            self.spawn(pass_fds=(write_end,))
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        return read_end

    def _read_ready(self, fd, timeout):
        values = read_ready(self, fd, timeout)
        self.http_port, self.endpoint = values["http"], values["app"]
        self.ready = values


class Placement(Process):
    """pawl-placement. As a sidecar it keeps its ports over restarts."""

    def __init__(self, harness, name, store=None, options=(), token=None):
        self.store_url = getattr(store, "url", store)
        self.options = [str(option) for option in options]
        self.port, self.http_port = free_port(), free_port()
        self.address = None
        if token:
            path = harness.folder / f"{name}.token"
            path.write_text(token + "\n")
            self.options.append(f"--token-file={path}")
        self.api = Api(self)
        super().__init__(harness, name, [])

    def start(self, timeout=PATIENCE):
        read_end, write_end = os.pipe()
        self.argv = [
            str(self.harness.build / "placement/pawl-placement"),
            f"--listen=tcp://127.0.0.1:{self.port}",
            f"--http-port={self.http_port}",
            f"--ready-fd={write_end}",
            *([f"--store={self.store_url}"] if self.store_url else []),
            *self.options,
        ]
        try:
            try:
                self.spawn(pass_fds=(write_end,))
            finally:
                os.close(write_end)
            values = read_ready(self, read_end, timeout)
        finally:
            os.close(read_end)
        self.port, self.http_port = values["placement"], values["http"]
        self.address = values["address"]
        return self

    def is_healthy(self):
        try:
            return self.api.raw("GET", "/healthz", timeout=PATIENCE)[0] == 204
        except OSError:
            return False

    def metrics(self):
        return self.api.metrics()

    def leads(self):
        """Leads, and sends lists."""
        try:
            members = self.api.call("GET", "/v1.0/placement/members", timeout=5)
        except OSError:
            return False
        return members["leads"] and "problem" not in members


class Harness:
    def __init__(self, seed=None, build=None):
        given = os.environ.get("PAWL_E2E_SEED")
        self.seed = seed if seed is not None else int(given) if given else secrets.randbits(48)
        self.rng = random.Random(self.seed)
        build = build or os.environ.get("PAWL_BUILD_DIR") or ROOT / "build/dev"
        self.build = pathlib.Path(build).resolve()  # processes run in the folder of the test
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="pawl-e2e-"))
        self.processes = []
        atexit.register(self.close)

    def __enter__(self):
        # A test that is told to stop must clean up as one that fails.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, kind, error, _):
        if error is not None and kind is not SystemExit:
            self.print_report(error)
        self.close()
        return False

    def print_report(self, error):
        out = sys.stderr
        for process in self.processes:
            state = "alive" if process.is_alive() else "not running"
            print(f"===== {process.name} ({state}), end of its log:", file=out)
            print(log_tail(process), file=out)
        print(f"===== {type(error).__name__}: {error}", file=out)
        print(f"===== repeat with PAWL_E2E_SEED={self.seed}", file=out)
        out.flush()

    def close(self):
        """Kill everything and remove the folder. Calling it twice is fine."""
        for process in reversed(self.processes):
            process.resume()
            process.kill()
        self.processes = []
        if os.environ.get("PAWL_E2E_KEEP"):
            print(f"kept {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    def redis(self, name="redis", options=()):
        return Redis(self, name, options).start()

    def tls_redis(self):
        return TlsRedis(self).start()

    def redis_cluster(self):
        return RedisCluster(self)

    def sqlite(self, name="pawl.db"):
        return Sqlite(self, name)

    def sidecar(self, app_id, store, name="pawld", **settings):
        return Sidecar(self, name, app_id, store, **settings).start()

    def placement(self, name="placement", **settings):
        return Placement(self, name, **settings).start()

    def app(self, argv, sidecar, name="app", env=None):
        """An app process beside a sidecar; the SDK reads these variables."""
        variables = {"PAWL_APP_ENDPOINT": sidecar.endpoint, "PAWL_APP_ID": sidecar.app_id}
        if sidecar.token:
            variables["PAWL_TOKEN"] = sidecar.token
        return self.process(argv, name, {**variables, **(env or {})})

    def process(self, argv, name, env=None):
        return Process(self, name, argv, env).start()
