#!/usr/bin/env python3
"""How long after a commit a subscriber hears of it, and what the change log costs.

    PAWL_BUILD_DIR=<release build> events_bench.py sqlite|redis [workflows [sidecars]]

Starts workflows of five steps one after another beside a subscriber of the app, and prints
percentiles of (arrival - time in the event). The time in the event is taken before the commit
is sent to the store, so the store's own time is part of it. With several sidecars (on Redis)
each has its app and owns its part, all are asked for starts in turn, and the subscriber is
at the first one.
"""

import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from checks import test_app  # noqa: E402
from cluster import Cluster  # noqa: E402
from events import Subscriber, check_without_gaps  # noqa: E402
from harness import Harness, until  # noqa: E402


def unix(text):
    whole, fraction = text.rstrip("Z").split(".")
    return time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) - time.timezone + float(
        "0." + fraction)


def sidecars_of(harness, store, count):
    if count > 1:
        return [pair.sidecar for pair in Cluster(harness, count, store=store).pairs]
    sidecar = harness.sidecar("bench", store)
    test_app(harness, sidecar)
    return [sidecar]


def main():
    store, *numbers = sys.argv[1:]
    count, sidecars_count = [*map(int, numbers), *(300, 1)[len(numbers):]]
    with Harness() as harness:
        sidecars = sidecars_of(harness, getattr(harness, store)(), sidecars_count)
        subscriber = Subscriber(lambda: [sidecars[0].http_port])
        assert subscriber.opened.wait(20)
        for number in range(count):
            sidecars[number % sidecars_count].api.start("chain", "5", instance=f"i{number}")
        until(lambda: sum(c["runtimeStatus"] == "COMPLETED" for c in subscriber.changes()) == count,
              timeout=120, what="all ends")
        check_without_gaps(subscriber)
        late = sorted(1000 * (subscriber.arrived[c["key"]] - unix(c["time"]))
                      for c in subscriber.changes())
        print(f"{store}, {sidecars_count} sidecars: {len(late)} events, ms after the commit was sent: "
              f"p50 {statistics.median(late):.1f}, p99 {late[int(0.99 * len(late))]:.1f}, "
              f"max {late[-1]:.1f}")


if __name__ == "__main__":
    main()
