#!/usr/bin/env python3
"""clang-tidy 14 over the product's files of one build tree. Exit code 77: not installed.

usage: clang_tidy.py <project root> <build folder>
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from sources import LAYERS, name_of

SKIPPED = 77


def main(root, build):
    tool = shutil.which("clang-tidy-14")
    if not tool:
        print("SKIPPED: clang-tidy-14 is not installed, so nothing was checked")
        return SKIPPED
    commands = json.loads((build / "compile_commands.json").read_text())
    names = {pathlib.Path(c["directory"], c["file"]).resolve() for c in commands}
    paths = sorted(p for p in names if p.suffix == ".c" and p.is_file()
                   and p.is_relative_to(root) and name_of(root, p).split("/")[0] in LAYERS)
    if not paths:
        print("no C files found: the check looked in the wrong place")
        return 1

    def check(path):
        return path, subprocess.run(
            [tool, "--quiet", "-p", str(build), "--extra-arg=-Wno-unknown-warning-option",
             f"--header-filter=^{re.escape(str(root))}/({'|'.join(LAYERS)})/", str(path)],
            capture_output=True, text=True)

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, done in pool.map(check, paths):
            if done.returncode != 0:
                failed += 1
                print(f"== {name_of(root, path)}\n{done.stdout}{done.stderr}")
    print(f"clang-tidy: {len(paths)} files, {failed} with findings")
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()))
