#!/usr/bin/env python3
"""`pawl replay`: histories of a real sidecar, exported, against the app that wrote them and
against one whose code has changed. No sidecar runs beside it then."""

import json
import os
import subprocess
import unittest

from checks import scenario, test_app

SAME, DIFFERENT, UNCHECKED = range(3)


class Replay(unittest.TestCase):
    def pawl(self, *arguments, code=SAME):
        base = {k: v for k, v in os.environ.items() if not k.startswith("PAWL_")}
        done = subprocess.run([self.h.build / "cli/pawl", *arguments], text=True, timeout=120,
                              capture_output=True, check=False, cwd=self.h.folder, env=base)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertNotIn("Sanitizer", done.stderr)
        self.said = done.stderr
        return done.stdout

    def replay(self, *arguments, app=(), code=SAME):
        return self.pawl("replay", *arguments, "--", str(self.h.build / "tests/e2e/e2e_app"), *app,
                         code=code)

    def export(self, sidecar, instance):
        """To a file in the folder "histories"; its path."""
        text = self.pawl("workflow", "history", instance, "--export", "-a",
                         f"http://127.0.0.1:{sidecar.http_port}")
        folder = self.h.folder / "histories"
        folder.mkdir(exist_ok=True)
        path = folder / f"{instance.replace('/', '_')}.json"
        path.write_text(text)
        return path

    def record(self, *runs):
        """Run (workflow, input) to the end; the sidecar and the app are gone afterwards."""
        sidecar = self.h.sidecar("replay", self.h.sqlite())
        app = test_app(self.h, sidecar)
        paths = []
        for number, (workflow, payload) in enumerate(runs):
            instance = sidecar.api.start(workflow, payload, instance=f"{workflow}-{number}")
            sidecar.api.wait(instance)
            paths.append(self.export(sidecar, instance))
        app.stop()
        sidecar.stop()
        return paths

    @scenario
    def test_the_app_that_wrote_them_does_the_same(self):
        runs = [("chain", 3), ("fan", 20), ("ticks", 3), ("failing", "x"),
                ("stubborn", 2), ("family", 2), ("mixed", 2), ("refused", "x"), ("echo", "text")]
        self.record(*runs)
        for app in ((), ("--no-cache",)):
            said = self.replay("histories", "--strict", app=app)
            self.assertEqual(said.count("same       histories/"), len(runs), said)
            self.assertIn(f"{len(runs)} of {len(runs)} histories came out the same", said)

    @scenario
    def test_changed_code_is_shown_where_it_differs(self):
        sidecar = self.h.sidecar("replay", self.h.sqlite())
        app = test_app(self.h, sidecar)
        sidecar.api.start("chain", 2, instance="chain")
        sidecar.api.wait("chain")
        sidecar.api.start("drift", 2, instance="drift")
        sidecar.api.raise_event("drift", "go")
        sidecar.api.wait("drift")
        chain, drift = (self.export(sidecar, instance) for instance in ("chain", "drift"))
        app.stop()
        sidecar.stop()
        said = self.replay(str(chain), str(drift), app=("--code", "2"), code=DIFFERENT)
        self.assertIn(f"same       {chain}", said)
        self.assertIn(f"DIFFERENT  {drift}", said)
        self.assertRegex(said, r"Event #\d+ recorded .*\n  At this point the code now does ")
        self.assertIn("1 of 2 histories came out the same, 1 did not", said)

    @scenario
    def test_instances_in_every_state_can_be_tried(self):
        sidecar = self.h.sidecar("replay", self.h.sqlite())
        app = test_app(self.h, sidecar)
        api = sidecar.api
        for instance in ("running", "suspended", "terminated"):
            api.start("held", "x", instance=instance)
            api.wait(instance, for_="started")
        api.suspend("suspended")
        api.terminate("terminated", "enough")
        api.start("no-such-workflow", "x", instance="unknown")
        api.wait("unknown")
        app.stop()
        api.start("held", "x", instance="pending")
        for instance in ("running", "suspended", "terminated", "unknown", "pending"):
            self.export(sidecar, instance)
        sidecar.stop()
        said = self.replay("histories")
        self.assertIn("5 of 5 histories came out the same", said)

    @scenario
    def test_what_cannot_be_checked_is_said(self):
        (chain,) = self.record(("chain", 1))
        bad = self.h.folder / "bad.json"
        bad.write_text("{\n  nonsense")
        said = self.replay(str(bad), str(chain), code=UNCHECKED)
        self.assertIn("same", said)
        self.assertIn("1 could not be checked", said)
        self.assertRegex(self.said, r"bad.json: line \d: it is not JSON")

        with bad.open("w") as file:
            file.truncate((512 << 20) + 1)
        self.replay(str(bad), code=UNCHECKED)
        self.assertIn("larger than 512 MB", self.said)

        listing = json.loads(chain.read_text())["events"]
        bad.write_text(json.dumps(listing))
        self.replay(str(bad), code=UNCHECKED)
        self.assertIn("--export", self.said)

        for arguments, said in (
                (("replay", "nowhere.json", "--", "true"), "nowhere.json"),
                (("replay", str(chain)), "behind --"),
                (("replay", str(chain), "--"), "behind --"),
                (("replay", "--", "true"), "at least one file"),
                (("replay", str(chain), "--", "./no-such-program"), "no-such-program"),
                (("replay", str(chain), "--", "true"), "the app ended with exit code 0"),
                (("replay", str(chain), "--app-timeout", "300ms", "--", "sleep", "60"),
                 "no worker has connected")):
            self.pawl(*arguments, code=UNCHECKED)
            self.assertIn(said, self.said)
        empty = self.h.folder / "empty"
        empty.mkdir()
        self.replay("empty", code=UNCHECKED)
        self.assertIn("no file whose name ends in .json", self.said)


if __name__ == "__main__":
    unittest.main()
