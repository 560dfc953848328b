"""The faults. Each has a begin and an end; `recovers` says from which of the two on the tickers
must go on: from the begin where others can take over, else from the end."""

import time

from links import DOWN, UP

BEGIN, END = "begin", "end"
SIDECAR_STARTS = {"kill_sidecar", "kill_pair", "stop_sidecar"}


class Fault:
    def __init__(self, kind, target, begin, end, recovers, hold):
        self.kind, self.target, self.recovers, self.hold = kind, target, recovers, hold
        self.do_begin, self.do_end = begin, end
        self.begun = self.ended = None

    def begin(self):
        self.begun = time.time()
        self.do_begin()

    def end(self):
        self.do_end()
        self.ended = time.time()

    def __str__(self):
        return f"{self.kind} {self.target}"


class Nemesis:
    """Draws faults so that every kind has come once before one comes again."""

    def __init__(self, world, rng, kinds):
        self.world, self.rng, self.kinds, self.left = world, rng, kinds, []

    KINDS = ["kill_sidecar", "kill_pair", "kill_worker", "kill_placement", "kill_all_placement",
             "freeze_sidecar", "freeze_worker", "freeze_placement", "stop_sidecar", "cut_store",
             "stall_store", "cut_peers", "stall_peers", "half_stall_peers", "slow_peers",
             "stall_worker", "cut_placement", "isolate", "kill_redis", "replace_redis",
             "promote_redis", "part_redis", "kill_replica", "freeze_redis", "freeze_replica",
             "kill_sentinel", "lose_scripts"]

    def draw(self):
        if not self.left:
            self.left = list(self.kinds)
            self.rng.shuffle(self.left)
        return getattr(self, self.left.pop())()

    def postpone(self, faults):
        """They were drawn and do not begin: others of their kind come next."""
        self.left += [fault.kind for fault in faults]

    def hold(self, low, high):
        return self.rng.uniform(low, high)

    def pair(self):
        return self.rng.choice(self.world.pairs)

    # Processes ---------------------------------------------------------------------------

    def restart(self, kind, target, processes, recovers, hold):
        def begin():
            for process in processes:
                process.kill()

        def end():
            for process in processes:
                process.start()

        return Fault(kind, target, begin, end, recovers, hold)

    def freeze(self, kind, process, recovers, hold):
        return Fault(kind, process.name, process.pause, process.resume, recovers, hold)

    def kill_sidecar(self):
        pair = self.pair()
        hold = self.rng.choice([self.hold(0, 1), self.hold(5, 7)])
        return self.restart("kill_sidecar", pair.name, [pair.sidecar], BEGIN, hold)

    def kill_pair(self):
        pair = self.pair()
        return self.restart("kill_pair", pair.name, [pair.sidecar, pair.worker], BEGIN,
                            self.hold(5, 7))

    def kill_worker(self):
        pair = self.pair()
        return self.restart("kill_worker", pair.worker.name, [pair.worker], END, self.hold(0, 5))

    def kill_placement(self):
        placement = self.rng.choice(self.world.placements)
        return self.restart("kill_placement", placement.name, [placement], BEGIN, self.hold(0, 4))

    def kill_all_placement(self):
        return self.restart("kill_all_placement", "both", self.world.placements, BEGIN,
                            self.hold(1, 6))

    def freeze_sidecar(self):
        return self.freeze("freeze_sidecar", self.pair().sidecar, BEGIN, self.hold(1, 10))

    def freeze_worker(self):
        return self.freeze("freeze_worker", self.pair().worker, END, self.hold(1, 6))

    def freeze_placement(self):
        placement = self.rng.choice(self.world.placements)
        return self.freeze("freeze_placement", placement, BEGIN, self.hold(1, 6))

    def stop_sidecar(self):
        pair = self.pair()

        def begin():
            status = pair.sidecar.stop()
            assert status == 0, f"{pair.name} ended with {status} after SIGTERM"

        return Fault("stop_sidecar", pair.name, begin, pair.sidecar.start, BEGIN, self.hold(0, 5))

    # Links -------------------------------------------------------------------------------

    def on_link(self, kind, links, begin, recovers, hold):
        def end():
            for link in links:
                link.heal()

        def begin_all():
            for link in links:
                begin(link)

        return Fault(kind, ", ".join(link.name for link in links), begin_all, end, recovers, hold)

    def store_links(self):
        """Sentinels may be reached although the servers are not."""
        pair = self.pair()
        return pair.store + self.rng.choice([[], pair.sentinels])

    def cut_store(self):
        return self.on_link("cut_store", self.store_links(), lambda link: link.cut(), END,
                            self.hold(0, 6))

    def stall_store(self):
        side = self.rng.choice([(UP,), (DOWN,), (UP, DOWN)])
        return self.on_link("stall_store", self.store_links(), lambda link: link.stall(*side),
                            END, self.hold(1, 8))

    def cut_peers(self):
        return self.on_link("cut_peers", [self.pair().peer], lambda link: link.cut(), END,
                            self.hold(0, 6))

    def stall_peers(self):
        return self.on_link("stall_peers", [self.pair().peer],
                            lambda link: link.stall(UP, DOWN), END, self.hold(1, 12))

    def half_stall_peers(self):
        side = self.rng.choice([UP, DOWN])
        return self.on_link("half_stall_peers", [self.pair().peer],
                            lambda link: link.stall(side), END, self.hold(1, 12))

    def slow_peers(self):
        links = [pair.peer for pair in self.world.pairs]
        seconds = self.rng.choice([0.02, 0.1, 0.3])
        return self.on_link("slow_peers", links, lambda link: link.slow(seconds), END,
                            self.hold(1, 5))

    def stall_worker(self):
        side = self.rng.choice([(UP,), (DOWN,), (UP, DOWN)])
        return self.on_link("stall_worker", [self.pair().to_worker],
                            lambda link: link.stall(*side), END, self.hold(1, 6))

    def cut_placement(self):
        links = self.rng.choice([self.world.placement_links,
                                 [self.rng.choice(self.world.placement_links)]])
        return self.on_link("cut_placement", links, lambda link: link.cut(), BEGIN,
                            self.hold(1, 6))

    def isolate(self):
        """A sidecar that nobody hears and that hears nobody, but for its own calls of others."""
        pair = self.pair()
        return self.on_link("isolate", pair.all_links, lambda link: link.stall(UP, DOWN), END,
                            self.hold(2, 10))

    # Redis -------------------------------------------------------------------------------
    # Which one is the master is known when the fault begins; it has ended when there is a
    # master with its replica again, since without one nothing may go on.

    def on_redis(self, kind, begin, end, hold):
        redis = self.world.redis

        def end_all():
            end()
            redis.settle()

        return Fault(kind, "redis", begin, end_all, END, hold)

    def restart_redis(self, kind, choose, hold, wait=lambda: None):
        killed = []

        def begin():
            killed.append(choose())
            killed[0].kill()
            wait()

        return self.on_redis(kind, begin, lambda: killed[0].start(), hold)

    def freeze_server(self, kind, choose, hold):
        frozen = []

        def begin():
            frozen.append(choose())
            frozen[0].pause()

        return self.on_redis(kind, begin, lambda: frozen[0].resume(), hold)

    def kill_redis(self):
        """It may be back before anybody has noticed, or find that it has been replaced."""
        return self.restart_redis("kill_redis", lambda: self.world.redis.master,
                                  self.hold(0, 3))

    def replace_redis(self):
        """It is back when it has been replaced for some time, and holds itself for the master."""
        redis = self.world.redis
        return self.restart_redis("replace_redis", lambda: redis.master, self.hold(0, 3),
                                  redis.wait_failover)

    def kill_replica(self):
        return self.restart_redis("kill_replica", lambda: self.world.redis.replica(),
                                  self.hold(0, 3))

    def promote_redis(self):
        return self.on_redis("promote_redis", self.world.redis.fail_over, lambda: None, 0)

    def part_redis(self):
        """The master and its clients on one side, its replica and the sentinels on the other."""
        parted = []

        def begin():
            parted.append(self.world.redis.master.link)
            parted[0].stall(UP, DOWN)

        return self.on_redis("part_redis", begin, lambda: parted[0].heal(), self.hold(0.5, 8))

    def freeze_redis(self):
        return self.freeze_server("freeze_redis", lambda: self.world.redis.master,
                                  self.hold(0.5, 7))

    def freeze_replica(self):
        return self.freeze_server("freeze_replica", lambda: self.world.redis.replica(),
                                  self.hold(0.5, 7))

    def kill_sentinel(self):
        sentinel = self.rng.choice(self.world.redis.sentinels)
        return self.restart("kill_sentinel", sentinel.name, [sentinel], BEGIN, self.hold(0, 5))

    def lose_scripts(self):
        redis = self.world.redis

        def begin():
            redis.on_both("SCRIPT", "FLUSH")
            redis.on_both("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

        return self.on_redis("lose_scripts", begin, lambda: None, 0)
