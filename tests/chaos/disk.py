"""How long the disk takes to sync: with appendfsync always that is the least that a step takes,
and on a machine with other work to do it may be seconds."""

import os
import threading
import time

EVERY = 0.25


class Disk(threading.Thread):
    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path = folder / "disk-probe"
        self.probes = []  # (begun, ended), Unix seconds; the last may still be under way
        self.start()

    def run(self):
        with open(self.path, "wb", buffering=0) as file:
            while True:
                begun = time.time()
                self.probes.append((begun, None))
                file.write(b".")
                os.fsync(file.fileno())
                self.probes[-1] = (begun, time.time())
                time.sleep(EVERY)

    def slowest(self, since):
        """Seconds that the slowest one took of those under way since then."""
        slowest = 0.0
        for begun, ended in reversed(self.probes):
            ended = ended or time.time()
            if ended < since:
                break
            slowest = max(slowest, ended - begun)
        return slowest
