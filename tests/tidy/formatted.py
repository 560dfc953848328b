#!/usr/bin/env python3
"""Every C file is as clang-format 14 would write it. Exit code 77: not installed."""
import pathlib
import re
import shutil
import subprocess
import sys

from sources import CODE_FOLDERS, files, name_of

SKIPPED = 77


def main(root):
    tool = shutil.which("clang-format-14")
    if not tool:
        print("SKIPPED: clang-format-14 is not installed, so nothing was checked")
        return SKIPPED
    paths = [str(p) for p in files(root, CODE_FOLDERS, "*.c", "*.h")]
    if not paths:
        print("no C files found: the check looked in the wrong place")
        return 1
    done = subprocess.run([tool, "--dry-run", "-Werror", "--style=file", *paths], cwd=root,
                          capture_output=True, text=True)
    if done.returncode == 0:
        print(f"format: {len(paths)} files are formatted")
        return 0
    wrong = re.findall(r"^(/.*?):\d+:\d+: error: ", done.stderr, re.MULTILINE)
    for path in sorted(set(wrong)):
        print(f"{name_of(root, pathlib.Path(path))}: {wrong.count(path)} places")
    print("run: clang-format-14 -i <those files>" if wrong else done.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve()))
