#!/usr/bin/env python3
"""How long a page of 50 instances by status and name takes over HTTP.

    bench_query --url sqlite:///tmp/query.db --instances 1000000     # fills a store
    pawld --app-id bench --store sqlite:///tmp/query.db
    lists_bench.py [address [requests]]

Prints a line per status: p50, p99 and the longest, in ms.
"""

import http.client
import json
import sys
import time

LIST = "/v1.0/workflows/pawl"


def get(connection, path):
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{path}: HTTP {answer.status}: {text.decode(errors='replace')}")
    return json.loads(text)


def main(address="127.0.0.1:3500", requests="300"):
    connection = http.client.HTTPConnection(address)
    print(f"{get(connection, LIST + '?count=true')['count']} instances")
    name = get(connection, LIST + "?limit=1")["workflows"][0]["workflowName"]
    for status in ("FAILED", "COMPLETED", "RUNNING"):
        took = []
        for _ in range(int(requests)):
            begun = time.perf_counter()
            page = get(connection, f"{LIST}?status={status}&name={name}&limit=50")["workflows"]
            took.append((time.perf_counter() - begun) * 1000)
            if len(page) != 50:
                sys.exit(f"{status}: a page has {len(page)} instances")
        took.sort()
        print(f"{status:10} p50 {took[len(took) // 2]:.1f}, p99 {took[len(took) * 99 // 100]:.1f}, "
              f"longest {took[-1]:.1f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
