#!/usr/bin/env python3
"""The commands of the pages, as somebody pastes them: only the port is another one."""

import json
import re
import subprocess
import unittest

from checks import scenario
from harness import ROOT, free_port, until


def commands(page, heading):
    """The lines to paste below a heading."""
    text = (ROOT / page).read_text()
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return re.findall(r"^    ((?:curl|cli/pawl) .*)$", section.group(1), re.MULTILINE)


class Pages(unittest.TestCase):
    def run_app(self, command):
        """`cli/pawl run …`, until it serves."""
        self.port = free_port()
        options = f"--http-port {self.port} --store sqlite://{self.h.folder}/pages.db"
        command = command.replace("cli/pawl run", f"exec cli/pawl run {options}")
        self.app = self.h.process(["bash", "-c", f"cd {self.h.build} && {command}"], "app")
        until(lambda: self.paste("curl http://127.0.0.1:3500/v1.0/healthz", check=False) == "",
              60, "the sidecar is ready")

    def paste(self, command, check=True):
        command = command.replace("127.0.0.1:3500", f"127.0.0.1:{self.port}")
        ran = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, timeout=100, cwd=self.h.build,
            env={"PATH": "/usr/bin:/bin", "PAWL_HTTP_ENDPOINT": f"http://127.0.0.1:{self.port}"},
            check=False)
        self.app.fail_if_dead()
        if not check and ran.returncode != 0:
            return None
        self.assertEqual(ran.returncode, 0, f"{command}: {ran.stdout}{ran.stderr}")
        return ran.stdout

    @scenario
    def test_the_first_workflow_of_the_readme(self):
        run, start, listing = commands("README.md", "A first workflow")
        self.run_app(run)
        self.assertIn("*** HELLO ADA ***", self.paste(start))
        self.assertIn("COMPLETED", self.paste(listing))
        start, wait = commands("README.md", "From other languages")
        self.assertEqual(json.loads(self.paste(start)), {"instanceID": "greeting-1"})
        state = json.loads(self.paste(wait))
        self.assertEqual(state["properties"]["dapr.workflow.output"], "*** HELLO ADA ***")

    @scenario
    def test_async_http(self):
        start, look, wait = commands("docs/PATTERNS.md", "Async HTTP")
        self.run_app("cli/pawl run --app-id demo -- sdk/examples/example_async_http")
        for _ in range(2):  # it may be sent again
            answer = self.paste(start)
            self.assertIn("202", answer.splitlines()[0])
            self.assertIn('{"instanceID":"export-7"}', answer)
        until(lambda: "part " in json.loads(self.paste(look))["properties"].get(
            "dapr.workflow.custom_status", ""), 60, "it tells how far it is")
        state = json.loads(self.paste(wait))
        self.assertEqual((state["runtimeStatus"], state["properties"]["dapr.workflow.output"]),
                         ("COMPLETED", "sales.csv"))
        self.assertEqual(json.loads(self.paste(
            "curl 'http://127.0.0.1:3500/v1.0/workflows/dapr?count=true'"))["count"], 1)


if __name__ == "__main__":
    unittest.main()
