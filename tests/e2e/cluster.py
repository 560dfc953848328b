"""Several sidecars of one app, each with an app process of its own, a placement service and
one Redis, as real processes.

    cluster = Cluster(self.h, 3)
    cluster.kill(1)                    # sidecar and app, as a machine that burns
    cluster.replace(1)                 # a new pair in its place: another host
    client = cluster.client()          # an Api that goes to another sidecar when one is away
"""

import time
from collections import Counter

from checks import test_app
from harness import PATIENCE, Api, Sidecar, until


class Pair:
    """One replica: a sidecar and its app."""

    def __init__(self, cluster, number, app_options=()):
        h = cluster.harness
        self.sidecar = Sidecar(h, f"pawld-{number}", cluster.app_id, cluster.store,
                               options=cluster.options(), env=cluster.envs.get(number))
        self.api = self.sidecar.api
        self.sidecar.start()
        self.app = test_app(h, self.sidecar, *app_options, name=f"app-{number}",
                            program=cluster.program)

    def kill(self):
        self.sidecar.kill()
        self.app.kill()


class Client(Api):
    """Like somebody behind a load balancer: a sidecar that is away, says that it is not ready or
    does not know what became of a call is left for another one, and the call is repeated there."""

    def __init__(self, cluster):
        self.cluster, self.turn = cluster, 0
        self.repeated = Counter()  # calls by name of the sidecar that did not answer them
        super().__init__()

    def raw(self, *args, **options):
        deadline = time.monotonic() + PATIENCE
        while True:
            pairs = list(self.cluster.pairs)  # another thread takes some away
            pair = pairs[self.turn % len(pairs)]
            self.turn += 1
            try:
                self.base = f"http://127.0.0.1:{pair.sidecar.http_port}"
                answer = super().raw(*args, **options)
                if answer[0] not in (503, 504) or time.monotonic() > deadline:
                    return answer
            except OSError:
                if time.monotonic() > deadline:
                    raise
            self.repeated[pair.sidecar.name] += 1
            time.sleep(0.005)

    def start_and_wait(self, name, payload, instance):
        self.start(name, payload, instance, request_id=f"start-{instance}")
        return self.wait(instance)


class Cluster:
    def __init__(self, harness, count, app_id="shop", store=None, placements=None, replicas=1,
                 program="e2e_app", envs=None):
        self.harness, self.app_id, self.program = harness, app_id, program
        self.envs = envs or {}  # of sidecars, by their number: "shop-1" is the first
        self.store = store or harness.redis()
        self.placements = placements or self.start_placement(replicas)
        self.placement = self.placements[0]
        self.made = 0
        self.pairs = [self.make() for _ in range(count)]
        self.settle()

    def start_placement(self, replicas):
        if replicas == 1:
            return [self.harness.placement()]
        return [self.harness.placement(f"placement-{n}", store=self.store)
                for n in range(replicas)]

    def neighbour(self, count, app_id):
        """Sidecars of another app beside these."""
        return Cluster(self.harness, count, app_id, self.store, self.placements,
                       program=self.program)

    def options(self):
        addresses = ",".join(placement.address for placement in self.placements)
        return [f"--placement={addresses}", "--peer-listen=127.0.0.1:0"]

    def make(self, *app_options):
        self.made += 1
        return Pair(self, f"{self.app_id}-{self.made}", app_options)

    def settle(self, timeout=PATIENCE):
        """Until all of them know of all of them, every partition has an owner, and every one whose
        app is there owns some."""
        count = len(self.pairs)

        def is_settled():
            shown = [pair.api.metadata() for pair in self.pairs]
            if len({one["placement"]["version"] for one in shown}) != 1:
                return False
            apps = [sum(peer["app"] == self.app_id for peer in one["peers"]) + 1 for one in shown]
            owned = [self.owned(pair) for pair in self.pairs]
            return (apps == [count] * count and sum(owned) == 128
                    and all(n > 0 or not pair.app.is_alive() for n, pair in zip(owned, self.pairs)))
        until(is_settled, timeout, f"{count} sidecars know of each other")

    def owned(self, pair):
        return pair.api.metrics()[f'pawl_partitions_owned{{app="{self.app_id}"}}']

    def left(self):
        """Sidecars that have left as announced, as the placement replicas count them."""
        return sum(placement.metrics()["pawl_placement_left_total"]
                   for placement in self.placements)

    def kill(self, index):
        self.pairs[index].kill()

    def replace(self, index):
        self.pairs[index] = self.make()

    def client(self):
        return Client(self)
