#!/usr/bin/env python3
"""Everything that cannot be done is refused with an error that says what and why, and changes
nothing: wrong states, unknown ids and names, what is over a limit, batches without a filter.

    test_refusals.py sqlite|redis
"""

import json
import subprocess
import unittest

from checks import scenario, store_kind, test_app
from harness import until

STORE = store_kind() if __name__ == "__main__" else "sqlite"
LONG = "x" * 257
ENDED = "has already ended"
NOT_YET = "has not ended yet"
UNKNOWN = "unable to find workflow with the provided instance ID: nobody"
EVERYTHING = "the filter matches every instance, so nothing was done; narrow it by status"
INVALID, NOT_FOUND = "ERR_MALFORMED_REQUEST", "ERR_INSTANCE_ID_NOT_FOUND"

# What is posted below …/workflows/pawl, and how it is refused: status, code, words.
WRONG_STATES = {
    "runs/resume": (409, "ERR_RESUME_WORKFLOW", "instance 'runs' is RUNNING: there is nothing to"),
    "runs/purge": (409, "ERR_PURGE_WORKFLOW", f"'runs' {NOT_YET}: terminate it first"),
    "runs/restart": (409, "ERR_RESTART_WORKFLOW", f"'runs' {NOT_YET}, so it cannot be run again"),
    "runs/rerun": (409, "ERR_RERUN_WORKFLOW", f"'runs' {NOT_YET}, so it cannot be run again"),
    "runs/rerun?eventID=0": (409, "ERR_RERUN_WORKFLOW", "cannot be run again"),
    "runs/rewind": (409, "ERR_REWIND_WORKFLOW", "'runs' is RUNNING: only one that has FAILED"),
    "held/start?instanceID=runs": (409, "ERR_START_WORKFLOW",
                                   "an active workflow with ID 'runs' already exists (status"),
    "held/start?instanceID=runs&reuse=refuse": (409, "ERR_START_WORKFLOW", "'runs' already exists"),
    "waits/purge": (409, "ERR_PURGE_WORKFLOW", f"'waits' {NOT_YET}"),
    "waits/rewind": (409, "ERR_REWIND_WORKFLOW", "'waits' is SUSPENDED"),
    "lost/purge": (409, "ERR_PURGE_WORKFLOW", f"'lost' {NOT_YET}"),
    "lost/rewind": (409, "ERR_REWIND_WORKFLOW", "'lost' is STALLED"),
    "done/raiseEvent/go": (409, "ERR_RAISE_EVENT_WORKFLOW", f"'done' {ENDED}"),
    "done/pause": (409, "ERR_PAUSE_WORKFLOW", f"'done' {ENDED}"),
    "done/resume": (409, "ERR_RESUME_WORKFLOW", f"'done' {ENDED}"),
    "done/terminate": (409, "ERR_TERMINATE_WORKFLOW", f"'done' {ENDED}"),
    "done/rewind": (409, "ERR_REWIND_WORKFLOW", "'done' is COMPLETED: only one that has FAILED"),
    "echo/start?instanceID=done&reuse=refuse": (409, "ERR_START_WORKFLOW", "'done' already exists"),
    "echo/start?instanceID=done&reuse=return&event=go": (409, "ERR_START_WORKFLOW", "has ended"),
    "failed/pause": (409, "ERR_PAUSE_WORKFLOW", f"'failed' {ENDED}"),
    "failed/terminate": (409, "ERR_TERMINATE_WORKFLOW", f"'failed' {ENDED}"),
    "failed/restart?newInstanceID=done": (409, "ERR_RESTART_WORKFLOW", "'done' already exists"),
    "failed/rerun?newInstanceID=done": (409, "ERR_RERUN_WORKFLOW", "'done' already exists"),
}
UNKNOWN_ONES = {
    **{f"nobody/{verb}": (404, NOT_FOUND, UNKNOWN)
       for verb in ("pause", "resume", "terminate", "purge", "purge?force=true", "rerun", "restart",
                    "rewind", "raiseEvent/go")},
    "nobody/rerun?eventID=0": (404, NOT_FOUND, "instance does not exist with ID 'nobody'"),
    "done/rerun?eventID=77": (404, NOT_FOUND, "'done' does not have history event with ID '77'"),
    "held/start?appID=nobody": (503, "ERR_START_WORKFLOW", "app 'nobody'"),
    "?operation=dance&all=true": (400, INVALID, "operation=dance: write terminate, suspend"),
    "?operation=raise-event&name=held": (400, INVALID, "event name is missing"),
    "?operation=terminate&name=held&colour=red": (400, INVALID, "colour"),
    "held/start?reuse=often": (400, INVALID, "reuse=often: write"),
}
OVER_LIMITS = {
    f"held/start?instanceID={LONG}": (400, "ERR_INSTANCE_ID_TOO_LONG", "257 bytes, at most 256"),
    f"{LONG}/start": (400, "ERR_WORKFLOW_NAME_MISSING", "256"),
    f"runs/raiseEvent/{LONG}": (400, "ERR_WORKFLOW_EVENT_NAME_MISSING", "256"),
    "held/start?" + "&".join(f"tag=k{i}=v" for i in range(33)): (400, INVALID, "at most 32"),
    f"held/start?tag={'k' * 129}=v": (400, INVALID, "1 to 128 bytes"),
    f"held/start?tag=k={LONG}": (400, INVALID, "0 to 256 bytes"),
    "held/start?tag=novalue&tag=novalue": (400, INVALID, "used twice"),
    "held/start?tag==v": (400, INVALID, "no key"),
    "?operation=purge&name=held&limit=1001": (400, INVALID, "limit=1001"),
}
WITHOUT_ALL = {
    f"?operation={operation}{more}{filter_}": (400, INVALID, EVERYTHING)
    for operation, more in (("terminate", ""), ("suspend", ""), ("resume", ""), ("purge", ""),
                            ("purge", "&force=true"), ("raise-event", "&event=go"))
    for filter_ in ("", "&prefix=", "&all=false")
}


class Refusals(unittest.TestCase):
    def begin(self):
        """One instance in each state."""
        self.sidecar = self.h.sidecar("refusals", getattr(self.h, STORE)())
        test_app(self.h, self.sidecar)
        self.api = self.sidecar.api
        self.api.start("held", instance="runs")
        self.api.start("held", instance="waits")
        self.api.start("echo", "x", instance="done")
        self.api.start("failing", instance="failed")
        self.api.start("versioned", instance="lost", version="9")
        for instance in ("runs", "waits"):
            self.api.wait(instance, for_="started")
        self.api.suspend("waits")
        self.api.wait("done")
        self.api.wait("failed")
        until(lambda: self.api.get("lost")["runtimeStatus"] == "STALLED", 60, "stalled")

    def everything(self):
        """All that can be seen of all instances."""
        return {state["instanceID"]: (self.api.get(state["instanceID"]),
                                      self.api.history(state["instanceID"]))
                for state in self.api.list()}

    def check(self, cases):
        self.begin()
        before = self.everything()
        self.assertEqual(len(before), 5)
        for call, (status, code, words) in cases.items():
            path, _, query = call.partition("?")
            with self.subTest(call[:80]):
                answer = self.post(f"/v1.0/workflows/pawl{'/' if path else ''}{path}", query)
                self.assertEqual((answer[0], answer[1]["errorCode"]), (status, code), answer)
                self.assertIn(words, answer[1]["message"])
                self.assertEqual(self.everything(), before, "nothing has changed")

    def post(self, path, query):
        status, _, text = self.api.raw("POST", f"{path}?{query}" if query else path, None, b"")
        return status, json.loads(text)

    @scenario
    def test_what_does_not_fit_the_state(self):
        self.check(WRONG_STATES)

    @scenario
    def test_what_is_not_known(self):
        self.check(UNKNOWN_ONES)

    @scenario
    def test_what_is_over_a_limit(self):
        self.check(OVER_LIMITS)

    @scenario
    def test_batches_that_would_be_for_everything(self):
        self.check(WITHOUT_ALL)

    @scenario
    def test_the_command_line_says_what_to_do(self):
        self.begin()
        before = self.everything()
        for code, words, *args in (
                (4, "there is nothing to resume", "resume", "runs"),
                (4, "Terminate it first, or use --force.", "purge", "runs"),
                (4, "see --reuse", "start", "held", "-i", "runs"),
                (4, "only one that has FAILED", "rewind", "done"),
                (3, '"pawl workflow list" shows', "get", "nobody"),
                (3, '"pawl workflow history ID" the events', "rerun", "done", "--from-event", "77"),
                (1, "--all", "batch", "terminate"),
                (1, "--all", "batch", "purge", "--force"),
                (1, "at most 256", "start", "held", "-i", LONG)):
            with self.subTest(args):
                ran = subprocess.run([self.h.build / "cli/pawl", "workflow", *args, "--address",
                                      f"http://127.0.0.1:{self.sidecar.http_port}"],
                                     capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(ran.returncode, code, ran.stderr)
                self.assertIn(words, ran.stderr)
        self.assertEqual(self.everything(), before)


if __name__ == "__main__":
    unittest.main()
