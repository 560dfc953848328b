#!/usr/bin/env python3
"""The command line against a live sidecar and app: every command, its exit code, its JSON."""

import functools
import json
import os
import signal
import subprocess
import unittest

from checks import read_runs, scenario, test_app
from harness import free_port, until

DONE, FAILED, USAGE, NOT_FOUND, NOT_NOW, UNREACHABLE = range(6)


def beside_an_app(body):
    @functools.wraps(body)
    def test(self):
        self.sidecar = self.h.sidecar("cli", self.h.sqlite())
        self.api = self.sidecar.api
        test_app(self.h, self.sidecar)
        body(self)

    return scenario(test)


class Workflow(unittest.TestCase):
    def pawl(self, *arguments, code=DONE, stdin="", env=None):
        """Run `pawl workflow …`; standard output, which an error leaves empty."""
        base = {k: v for k, v in os.environ.items() if not k.startswith("PAWL_")}
        address = f"http://127.0.0.1:{self.sidecar.http_port}"
        done = subprocess.run(
            [self.h.build / "cli/pawl", "workflow", *arguments], input=stdin, text=True,
            capture_output=True, timeout=60, check=False,
            env={**base, "PAWL_HTTP_ENDPOINT": address, **(env or {})})
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        self.assertNotIn("Sanitizer", done.stderr)
        if code not in (DONE, FAILED):
            self.assertEqual(done.stdout, "")
        if code != DONE and not done.stdout:
            self.assertTrue(done.stderr.startswith("pawl: "), done.stderr)
        self.said = done.stderr
        return done.stdout

    def json(self, *arguments, **options):
        return json.loads(self.pawl(*arguments, "-o", "json", **options))

    @beside_an_app
    def test_start_get_wait_and_history_show_a_workflow(self):
        self.assertEqual(self.pawl("start", "chain", "-i", "c/1", "-d", "3").strip(), "c/1")
        state = self.json("wait", "c/1", "--timeout", "30s")
        self.assertEqual(state["runtimeStatus"], "COMPLETED")
        self.assertEqual(self.json("get", "c/1")["properties"]["dapr.workflow.output"], "3")
        for text in (self.pawl("get", "c/1"), self.pawl("wait", "c/1")):
            self.assertIn("COMPLETED", text)
        history = self.json("history", "c/1")
        events = history["events"] if isinstance(history, dict) else history
        self.assertEqual(events, self.api.history("c/1"))
        self.assertIn("add_one", self.pawl("history", "c/1"))
        self.assertEqual(len(self.pawl("start", "echo").strip()), 36)
        self.assertEqual(self.json("start", "echo", "-i", "j")["instanceID"], "j")

    @beside_an_app
    def test_start_can_wait_and_its_code_tells_the_outcome(self):
        self.assertIn("COMPLETED", self.pawl("start", "chain", "-d", "2", "--wait"))
        self.assertIn("went wrong", self.pawl("start", "failing", "--wait", code=FAILED))
        self.pawl("start", "held", "-i", "h", "--wait", "--timeout", "200ms", code=FAILED)
        self.pawl("wait", "h", "--timeout", "200ms", code=FAILED)
        self.assertIn("RUNNING", self.pawl("wait", "h", "--for", "started"))

    @beside_an_app
    def test_payloads_come_from_arguments_files_and_standard_input(self):
        path = self.h.folder / "payload"
        path.write_text("from a file")
        for number, (arguments, stdin, payload) in enumerate((
                (["-d", "as it is"], "", "as it is"), (["-d", "-"], "piped", "piped"),
                (["--data-file", str(path)], "", "from a file"),
                (["--data-file", "-"], "piped too", "piped too"))):
            self.pawl("start", "echo", "-i", f"p{number}", "--wait", *arguments, stdin=stdin)
            output = self.json("get", f"p{number}")["properties"]["dapr.workflow.output"]
            self.assertEqual(output, payload)
        self.pawl("start", "echo", "--data-file", str(path) + "x", code=USAGE)

    @beside_an_app
    def test_events_suspend_resume_terminate_purge_and_rerun(self):
        self.pawl("start", "collect", "-i", "k", "-d", "2")
        self.pawl("raise-event", "k", "item", "-d", "a", "-k", "once")
        self.pawl("raise-event", "k", "item", "-d", "a", "-k", "once")
        self.pawl("suspend", "k")
        self.assertEqual(self.json("get", "k")["runtimeStatus"], "SUSPENDED")
        self.pawl("purge", "k", code=NOT_NOW)
        self.pawl("resume", "k")
        self.pawl("resume", "k", code=NOT_NOW)
        self.pawl("raise-event", "k", "item", "-d", "b")
        self.assertEqual(self.json("wait", "k")["properties"]["dapr.workflow.output"], "a,b")
        self.pawl("terminate", "k", code=NOT_NOW)
        self.pawl("raise-event", "k", "item", code=NOT_NOW)
        again = self.pawl("rerun", "k", "--new-instance-id", "k2", "-d", "1").strip()
        self.assertEqual(again, "k2")
        self.pawl("terminate", "k2")
        self.pawl("wait", "k2", code=FAILED)
        self.assertEqual(self.api.get("k2")["runtimeStatus"], "TERMINATED")
        for instance in ("k", "k2"):
            self.pawl("purge", instance)
            self.pawl("get", instance, code=NOT_FOUND)
        self.pawl("start", "held", "-i", "f")
        self.pawl("purge", "f", "--force")
        self.assertEqual(self.json("list"), [])

    @beside_an_app
    def test_list_filters_and_pages(self):
        for number in range(60):
            self.api.start("echo", "1", f"e{number:02}")
        self.pawl("start", "failing", "-i", "bad", "--wait", code=FAILED)
        for number in range(60):
            self.api.wait(f"e{number:02}")
        self.assertEqual(len(self.json("list")), 50)
        self.assertEqual(len(self.json("list", "--limit", "0")), 61)
        self.assertEqual(len(self.json("list", "--limit", "7")), 7)
        self.assertEqual([s["instanceID"] for s in self.json("list", "--status", "FAILED")],
                         ["bad"])
        self.assertEqual(len(self.json("list", "--prefix", "e1")), 10)
        self.assertEqual(len(self.json("list", "--name", "failing")), 1)
        table = self.pawl("list", "--prefix", "e0").splitlines()
        self.assertEqual(len([line for line in table if "COMPLETED" in line]), 10)

    @beside_an_app
    def test_mistakes_have_their_exit_codes(self):
        for arguments in (["dance"], ["start"], ["get"], ["get", "a", "b"], ["list", "--limit", "x"],
                          ["get", "x", "-o", "xml"], ["list", "--colour"], [],
                          ["wait", "x", "--timeout", "soon"]):
            self.pawl(*arguments, code=USAGE)
        for command in ("get", "history", "wait", "suspend", "resume", "terminate", "purge",
                        "rerun"):
            self.pawl(command, "nobody", code=NOT_FOUND)
            self.assertIn("pawl workflow list", self.said)  # what to do now
        self.pawl("raise-event", "nobody", "go", code=NOT_FOUND)
        self.pawl("start", "held", "-i", "x")
        self.pawl("start", "held", "-i", "x", code=NOT_NOW)
        self.pawl("start", "held", "-i", "x", "--reuse", "return")
        self.pawl("start", "echo", "-i", "i" * 257, code=FAILED)
        self.pawl("start", "echo", "--reuse", "maybe", code=FAILED)
        nobody = f"http://127.0.0.1:{free_port()}"
        for arguments in (["list"], ["get", "x"], ["start", "echo"], ["wait", "x"]):
            self.pawl(*arguments, "-a", nobody, code=UNREACHABLE)

    @scenario
    def test_the_token_travels(self):
        self.sidecar = self.h.sidecar("cli", self.h.sqlite(), token="sesame")
        self.assertEqual(self.json("list", "-t", "sesame"), [])
        self.assertEqual(self.json("list", env={"PAWL_TOKEN": "sesame"}), [])
        self.pawl("list", code=FAILED)
        self.assertIn("token", self.said)


class Run(unittest.TestCase):
    def run_app(self, *app, options=(), name="run"):
        return self.h.process(
            [self.h.build / "cli/pawl", "run", "--app-id", "cli", "--http-port", "0",
             "--store", f"sqlite://{self.h.folder}/run.db", "--no-color", *options, "--", *app],
            name)

    @scenario
    def test_the_exit_code_is_that_of_the_app(self):
        for number, (script, code) in enumerate((("exit 0", 0), ("exit 7", 7),
                                                 ("kill -9 $$", 128 + signal.SIGKILL),
                                                 ("kill -15 $$", 128 + signal.SIGTERM))):
            run = self.run_app("sh", "-c", script, name=f"run-{number}")
            self.assertEqual(run.wait(), code, run.log())

    @scenario
    def test_an_app_finds_its_sidecar_in_its_environment(self):
        run = self.run_app("sh", "-c", 'echo "$PAWL_APP_ID $PAWL_HTTP_ENDPOINT"; "$0" workflow '
                           'start echo -i made-here && "$0" workflow list',
                           self.h.build / "cli/pawl")
        self.assertEqual(run.wait(), 0, run.log())
        self.assertIn("cli | cli http://127.0.0.1:", run.log())
        self.assertIn("made-here", run.log())

    @scenario
    def test_signals_go_to_the_app_first_and_nothing_is_left(self):
        for number, kind in enumerate((signal.SIGINT, signal.SIGTERM)):
            run = self.run_app(self.h.build / "tests/e2e/e2e_app", name=f"run-{number}")
            run.wait_for_log(" workflows, ")
            children = children_of(run.pid)
            self.assertEqual(len(children), 2, run.log())
            os.kill(run.pid, kind)
            self.assertEqual(run.wait(), 0, run.log())
            self.assertIn("stopped", run.log())
            self.assertFalse(any(is_there(child) for child in children))

    @scenario
    def test_a_killed_pawl_takes_both_along(self):
        run = self.run_app(self.h.build / "tests/e2e/e2e_app")
        run.wait_for_log(" workflows, ")
        children = children_of(run.pid)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
        until(lambda: not any(is_there(child) for child in children), what="both gone")

    @scenario
    def test_a_sidecar_that_ends_first_ends_the_app(self):
        run = self.run_app(self.h.build / "tests/e2e/e2e_app")
        run.wait_for_log(" workflows, ")
        sidecar = next(c for c in children_of(run.pid) if "pawld" in command_of(c))
        os.kill(sidecar, signal.SIGKILL)
        self.assertEqual(run.wait(), UNREACHABLE, run.log())

    @scenario
    def test_what_cannot_start_says_why(self):
        run = self.run_app("/no/such/program")
        self.assertNotEqual(run.wait(), 0)
        self.assertIn("/no/such/program", run.log())
        run = self.run_app("true", options=["--store", "mysql://x"], name="store")
        self.assertEqual(run.wait(), UNREACHABLE, run.log())
        self.assertIn("mysql", run.log())
        done = subprocess.run([self.h.build / "cli/pawl", "run", "--", "true"], timeout=60,
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, USAGE)
        self.assertIn("--app-id", done.stderr)

    @scenario
    def test_work_goes_on_in_the_next_run(self):
        app = self.h.build / "tests/e2e/e2e_app"
        run = self.run_app("sh", "-c", '"$0" workflow start waiting -i w -d x; exec "$1"',
                           self.h.build / "cli/pawl", app)
        until(lambda: "w" in read_runs(self.h), what="the activity running")
        children = children_of(run.pid)
        run.kill()  # and so the others: what the sidecar holds is free when it has gone
        until(lambda: not any(is_there(child) for child in children), what="both gone")
        (self.h.folder / "gate-x").touch()
        run = self.run_app("sh", "-c", '"$1" & "$0" workflow wait w -o json; code=$?; kill $!; '
                           "wait; exit $code", self.h.build / "cli/pawl", app, name="next")
        self.assertEqual(run.wait(), 0, run.log())
        self.assertIn("COMPLETED", run.log())


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
        return [int(child) for child in children.read().split()]


def command_of(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as command:
        return command.read()


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    unittest.main()
