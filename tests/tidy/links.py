#!/usr/bin/env python3
"""What the pages point at must be there.

- relative links, with their #headings
- files named in `back quotes`, such as `actors/turn.c` or `sidecar/http_*.c`
- C code says where it is from: <!-- from: sdk/examples/chain.c --> before a block; it stands
  there word for word, and the build compiles that file
"""
import pathlib
import re
import sys

from sources import LAYERS, name_of

FOLDERS = LAYERS + ("cmake", "deploy", "docs", "tests")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:" + "|".join(FOLDERS) + r")/[\w./*-]*\.(?:c|h|S|py|sh|lua|md|cmake|txt|service))`")
FENCE = re.compile(r"^```.*?^```[^\n]*$", re.DOTALL | re.MULTILINE)
SNIPPET = re.compile(r"<!-- from: (\S+) -->\n```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
C_BLOCK = re.compile(r"(<!-- from: \S+ -->\n)?^```c\n(.*)$", re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")


def pages(root):
    return sorted(root.glob("*.md")) + sorted((root / "docs").rglob("*.md"))


def anchors(text):
    """The names of a page's headings, made as code hosts make them."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", FENCE.sub("", text), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.strip().replace(" ", "-"))
    return found


def link_problem(path, target):
    if re.match(r"[a-z]+:", target):
        return None  # another site: not looked at, tests need no network
    file, _, anchor = target.partition("#")
    where = path if not file else (path.parent / file)
    if not where.exists():
        return f"{target} is not there"
    if anchor and where.suffix == ".md" and anchor not in anchors(where.read_text()):
        return f"{file or 'this page'} has no heading #{anchor}"
    return None


def is_compiled(root, file):
    """True when the CMakeLists.txt of its folder, or the one of the SDK's tests, names it, as a
    file or (the examples) without its ending."""
    name = pathlib.Path(file).name
    word = re.compile(r"(?<![\w.])" + re.escape(name.removesuffix(".c")) + r"(\.c)?(?![\w.])")
    folders = [root / pathlib.Path(file).parent] + [root / "tests" / "unit" / "sdk"]
    lists = [folder / "CMakeLists.txt" for folder in folders]
    return any(path.is_file() and word.search(path.read_text()) for path in lists)


def page_problems(root, path):
    text = path.read_text()
    name = name_of(root, path)
    prose = FENCE.sub("", text)
    for target in LINK.findall(CODE.sub("", prose)):
        if problem := link_problem(path, target):
            yield f"{name}: {problem}"
    for file in NAMED.findall(prose):
        if not any(root.glob(file)):
            yield f"{name}: `{file}` is not there"
    for file, code in SNIPPET.findall(text):
        source = root / file
        if not source.is_file() or code not in source.read_text():
            yield f"{name}: the code from {file} is not in it any more"
        elif not is_compiled(root, file):
            yield f"{name}: no CMakeLists.txt compiles {file}"
    for marker, line in C_BLOCK.findall(text):
        if not marker:
            yield f"{name}: this C code does not say which compiled file it is from: {line}"


def problems(root):
    return [p for path in pages(root) for p in page_problems(root, path)]


if __name__ == "__main__":
    found = problems(pathlib.Path(sys.argv[1]))
    print("\n".join(found) or "links: everything that the pages point at is there")
    sys.exit(bool(found))
