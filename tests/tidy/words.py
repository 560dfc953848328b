#!/usr/bin/env python3
"""File length, functions that nobody may call, and notes that were left behind."""
import pathlib
import re
import sys

from sources import CODE_FOLDERS, code_lines, files, name_of

LINES_MAX = 900

# Each has a bounded or checked replacement.
BANNED = {
    "strcpy": "snprintf or pawl_buf", "strcat": "pawl_buf", "stpcpy": "pawl_buf",
    "strncpy": "memcpy with a known size", "strncat": "pawl_buf",
    "sprintf": "snprintf", "vsprintf": "vsnprintf", "gets": "fgets",
    "strtok": "a loop over a view", "atoi": "strtoll with a check", "atol": "strtoll with a check",
    "atoll": "strtoll with a check", "atof": "strtod with a check",
    "scanf": "a parser", "sscanf": "a parser", "fscanf": "a parser", "alloca": "an arena",
    "tmpnam": "mkstemp", "mktemp": "mkdtemp",
}
CALL = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")

# Put together so that this file does not find itself.
NOTE = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
NOTED = ("*.c", "*.h", "*.S", "*.py", "*.sh", "*.lua", "*.cmake", "CMakeLists.txt", "*.md",
         "*.yaml", "*.yml", "Dockerfile*", "*.service")


def file_problems(name, text):
    if name.endswith((".c", ".h", ".S")):
        lines = text.count("\n")
        if lines > LINES_MAX:
            yield f"{name}: {lines} lines; split it by concept (at most {LINES_MAX})"
    if name.endswith((".c", ".h")):
        for number, line in code_lines(text):
            for call in CALL.finditer(line):
                yield f"{name}:{number}: {call[1]}() is banned: use {BANNED[call[1]]}"
    for number, line in enumerate(text.split("\n"), 1):
        if note := NOTE.search(line):
            yield f"{name}:{number}: {note[1]}: do it now or open an issue"


def problems(root):
    paths = files(root, CODE_FOLDERS + ("docs", "cmake"), *NOTED)
    for path in paths + sorted(root.glob("*.md")) + [root / "CMakeLists.txt"]:
        if path.is_file():
            yield from file_problems(name_of(root, path), path.read_text())


if __name__ == "__main__":
    found = list(problems(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "words: nothing banned, nothing left behind")
    sys.exit(bool(found))
