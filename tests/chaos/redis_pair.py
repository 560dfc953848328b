"""A Redis master with one replica, and three sentinels that promote it.

Each server has a link by which the other one and the sentinels reach it, and which it announces
as its address: cut, the master is alone with its clients, and must lose nothing nevertheless.
"""

import contextlib

from harness import Process, Redis, RedisError, free_port, until

SERVICE = "pawl"
SENTINELS = 3
SETTLE_SECONDS = 120.0


class Server(Redis):
    """Its configuration is a file, which a sentinel's orders change."""

    def __init__(self, harness, number, links):
        super().__init__(harness, f"redis-{number}")
        self.port = free_port()
        self.link = links.make(f"others to redis-{number}", self.port)
        self.config = self.data / "redis.conf"

    def configure(self, master=None):
        lines = ["bind 127.0.0.1", f"port {self.port}", f"dir {self.data}", 'save ""',
                 "appendonly yes", "appendfsync always", "min-replicas-to-write 1",
                 "min-replicas-max-lag 2", "repl-diskless-sync-delay 0",
                 "repl-ping-replica-period 1", "repl-timeout 5",
                 "replica-announce-ip 127.0.0.1", f"replica-announce-port {self.link.port}"]
        if master:
            lines.append(f"replicaof 127.0.0.1 {master.link.port}")
        self.config.write_text("\n".join(lines) + "\n")

    def start(self):
        self.argv = ["redis-server", str(self.config)]
        self.spawn()
        until(lambda: not self.is_alive() or self._answers(), what=f"{self.name} answering")
        assert self.is_alive(), f"{self.name} does not run: {self.log()[-500:]}"
        return self

    def role(self):
        """As ROLE says it; an empty list from one that is away."""
        if not self.is_alive() or self.is_paused():
            return []
        try:
            return self.command("ROLE", timeout=2)
        except (OSError, RedisError):
            return []

    def is_master(self):
        return self.role()[:1] == [b"master"]

    def follows(self, master):
        return self.role()[:4] == [b"slave", b"127.0.0.1", master.link.port, b"connected"]

    def good_replicas(self):
        for line in self.command("INFO", "replication").split(b"\r\n"):
            if line.startswith(b"min_slaves_good_slaves:"):
                return int(line.split(b":")[1])
        return 0


class Sentinel(Redis):
    """It rewrites its file as it learns."""

    def __init__(self, harness, number, master):
        super().__init__(harness, f"sentinel-{number}")
        self.port = free_port()
        config = self.data / "sentinel.conf"
        config.write_text("\n".join([
            "bind 127.0.0.1", f"port {self.port}", f"dir {self.data}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.link.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 1000",
            f"sentinel failover-timeout {SERVICE} 3000"]) + "\n")
        self.argv = ["redis-server", str(config), "--sentinel"]

    def start(self):
        self.spawn()
        until(self._answers, what=f"{self.name} answering")
        return self

    def master_port(self):
        try:
            address = self.command("SENTINEL", "get-master-addr-by-name", SERVICE, timeout=2)
        except (OSError, RedisError):
            return None
        return int(address[1]) if address else None

    def knows_all(self):
        with contextlib.suppress(OSError, RedisError):
            return f"slaves=1,sentinels={SENTINELS}".encode() in self.command("INFO", "sentinel")
        return False


class RedisPair:
    def __init__(self, harness, links):
        self.servers = [Server(harness, number, links) for number in range(2)]
        first, second = self.servers
        first.configure()
        second.configure(first)
        for server in self.servers:
            server.start()
        until(lambda: second.follows(first), what="the replica following")
        self.sentinels = [Sentinel(harness, number, first).start() for number in range(SENTINELS)]
        until(lambda: all(one.knows_all() for one in self.sentinels), 60, "sentinels together")
        self.master, self.failovers = first, 0

    @property
    def processes(self):
        return [*self.servers, *self.sentinels]

    @property
    def url(self):
        return self.url_of([sentinel.port for sentinel in self.sentinels])

    @staticmethod
    def url_of(sentinel_ports):
        hosts = ",".join(f"127.0.0.1:{port}" for port in sentinel_ports)
        return f"redis+sentinel://{hosts}/{SERVICE}?durability=d2"

    def links_for(self, name, links):
        """Of one sidecar: to both servers, and to the sentinels, from which it hears of the
        former instead of the servers' own. And the URL for it."""
        servers = [links.make(f"{name} to {server.name.title()}", server.port)
                   for server in self.servers]
        ports = {str(server.link.port).encode(): str(link.port).encode()
                 for server, link in zip(self.servers, servers)}
        sentinels = [links.make(f"{name} to {one.name.title()}", one.port, ports)
                     for one in self.sentinels]
        return servers, sentinels, self.url_of([link.port for link in sentinels])

    def roles(self):
        """(master, replica) as they are when all is well, else None."""
        masters = [server for server in self.servers if server.is_master()]
        if len(masters) != 1:
            return None
        master, = masters
        replica, = [server for server in self.servers if server is not master]
        return (master, replica) if replica.follows(master) else None

    def is_whole(self):
        """A master that may write, its replica, and no sentinel of another opinion."""
        roles = self.roles()
        if not roles or not roles[0].good_replicas():
            return False
        told = {one.master_port() for one in self.sentinels if one.is_alive()}
        if told != {roles[0].link.port}:
            return False
        self.failovers += roles[0] is not self.master
        self.master = roles[0]
        return True

    def settle(self):
        until(self.is_whole, SETTLE_SECONDS, "a Redis master with its replica")

    def replica(self):
        return next(server for server in self.servers if server is not self.master)

    def wait_failover(self):
        """Until the other one is the master."""
        until(self.replica().is_master, SETTLE_SECONDS, "the replica of Redis promoted")

    def fail_over(self):
        """As an operator asks for it."""
        def ask():
            for sentinel in self.sentinels:
                with contextlib.suppress(OSError, RedisError):  # away, or still at one
                    if sentinel.command("SENTINEL", "FAILOVER", SERVICE) == b"OK":
                        return True
            return False
        until(ask, SETTLE_SECONDS, "a sentinel that begins a failover")
        self.wait_failover()

    def on_both(self, *words):
        for server in self.servers:
            server.command(*words)
