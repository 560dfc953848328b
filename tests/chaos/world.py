"""The processes of a chaos run, and the links between them: three sidecars of the app "shop",
two of "bank", a worker beside each, two replicas of placement, Redis with a replica and sentinels."""

import time

from harness import Placement, Process, Sidecar, free_port, until
from links import Links
from redis_pair import RedisPair

APPS = {"shop": 3, "bank": 2}
PARTITIONS = 64
STOP_MAX = 40.0  # seconds: a sidecar waits 5 for what runs


class Pair:
    """A sidecar with its worker and its links."""

    def __init__(self, world, app, number):
        self.world, self.app, self.name = world, app, f"{app}-{number}"
        links, h = world.links, world.h
        self.store, self.sentinels, store_url = world.redis.links_for(self.name, links)
        self.peer_port = free_port()
        self.peer = links.make(f"others to {self.name}", self.peer_port)
        self.to_worker = links.make(f"worker of {self.name}")
        addresses = ",".join(f"127.0.0.1:{link.port}" for link in world.placement_links)
        self.sidecar = Sidecar(h, self.name, app, store_url, options=[
            f"--placement={addresses}", f"--peer-listen=127.0.0.1:{self.peer_port}",
            f"--peer-advertise=127.0.0.1:{self.peer.port}", f"--partitions={PARTITIONS}"])
        self.api = self.sidecar.api
        self.sidecar.start()
        self.to_worker.target = int(self.sidecar.endpoint.rsplit(":", 1)[1])
        self.worker = Process(h, f"worker-{self.name}", [h.build / "tests/chaos/chaos_app"], {
            "PAWL_APP_ENDPOINT": f"tcp://127.0.0.1:{self.to_worker.port}", "PAWL_APP_ID": app})
        self.worker.start()

    @property
    def all_links(self):
        return [*self.store, *self.sentinels, self.peer, self.to_worker]


class World:
    def __init__(self, h):
        self.h = h
        self.links = Links()
        self.redis = RedisPair(h, self.links)
        self.placements, self.placement_links = [], []
        for number in range(2):
            link = self.links.make(f"sidecars to placement-{number}")
            placement = Placement(h, f"placement-{number}", store=self.redis,
                                  options=[f"--advertise=tcp://127.0.0.1:{link.port}"])
            placement.start()
            link.target = placement.port
            self.placements.append(placement)
            self.placement_links.append(link)
        self.pairs = [Pair(self, app, number)
                      for app, count in APPS.items() for number in range(count)]
        self.settle()

    def of(self, app):
        return [pair for pair in self.pairs if pair.app == app]

    def settle(self, timeout=120):
        """Until all know each other, every partition has an owner and every sidecar a worker."""
        self.redis.settle()
        until(self.is_settled, timeout, "all sidecars and workers together")

    def is_settled(self):
        owned = dict.fromkeys(APPS, 0)
        for pair in self.pairs:
            try:
                metrics = pair.api.metrics()
            except OSError:
                return False
            label = f'{{app="{pair.app}"}}'
            if metrics.get(f"pawl_members{label}") != len(self.pairs):
                return False
            if not metrics[f"pawl_workers{label}"]:
                return False
            owned[pair.app] += metrics[f"pawl_partitions_owned{label}"]
        return all(count == PARTITIONS for count in owned.values())

    def stop(self):
        """As an operator would; each must end well."""
        for pair in self.pairs:
            begun = time.monotonic()
            for process in (pair.worker, pair.sidecar):
                status = process.stop()
                assert status == 0, f"{process.name} ended with {status}"
            assert time.monotonic() - begun < STOP_MAX, f"{pair.name} took long to stop"
        for placement in self.placements:
            assert placement.stop() == 0, placement.name
