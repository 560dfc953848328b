#!/usr/bin/env python3
"""docs/CONFORMANCE.md tells the truth about itself.

    conformance.py ROOT            say what is wrong
    conformance.py ROOT --count    write the counts of its tables into its head

- every case is there once, and is covered, or says why it does not apply, or what is missing
- every test that it names is registered, and has that function
- the counts in its head are those of its tables
"""
import collections
import fnmatch
import functools
import pathlib
import re
import sys

PAGE = "docs/CONFORMANCE.md"
CASES = 506
COVERED, NOT_APPLYING, OPEN = "covered", "not applying", "open"

Case = collections.namedtuple("Case", "id short ours")
Test = collections.namedtuple("Test", "name function", defaults=(None,))

ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
COUNTS = re.compile(r"^\| covered \| not applying \| open \| all \|\n\|[-|]+\|\n"
                    r"\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", re.MULTILINE)
NAMED = re.compile(r"`((?:unit|e2e|conformance|sim)/[^`]*)`")
LOOP = re.compile(r"foreach\((\w+) ([^()]*)\)\n(.*?)endforeach\(\)", re.DOTALL)
UNIT = re.compile(r"pawl_unit_test\(\s*([\w/-]+)\s+SOURCES\s+(.*?)\s+LIBS", re.DOTALL)
E2E = re.compile(r"pawl_e2e_test\(([\w*-]+) (\w+\.py)")


def cases(text):
    """Every row of the tables below the head."""
    rows = (Case(*match.groups()) for match in ROW.finditer(text))
    return [row for row in rows if row.id != "case" and not row.id.startswith("---")]


def kind_of(case):
    if case.ours.startswith("does not apply: "):
        return NOT_APPLYING
    if case.ours.startswith("open: "):
        return OPEN
    return COVERED if NAMED.match(case.ours) else None


def tests_in(text):
    for name in NAMED.findall(text):
        yield Test(*name.split(": ", 1))


def unrolled(text):
    """A CMakeLists.txt with its loops over literal lists written out."""
    def once(match):
        return "".join(match[3].replace(f"${{{match[1]}}}", item) for item in match[2].split())

    return re.sub(r"\$\{\w+\}", "*", LOOP.sub(once, text))


@functools.cache
def registered(root):
    """{ctest name: source files}; what a variable stands for is a * in a name."""
    found = {}
    for folder in (root / "tests" / "unit").iterdir():
        path = folder / "CMakeLists.txt"
        lists = [path, *folder.glob("*.cmake")] if path.is_file() else []
        for text in (unrolled(each.read_text()) for each in lists):
            for name, sources in UNIT.findall(text):
                files = [folder / source for source in sources.split() if "*" not in source]
                found[f"unit/{name}"] = [file for file in files if file.is_file()]
    path = root / "tests" / "e2e" / "CMakeLists.txt"
    for name, script in E2E.findall(unrolled(path.read_text()) if path.is_file() else ""):
        found[f"e2e/{name}"] = [path.parent / script]
    return found


def has_function(path, name):
    """Defined there, and, in C, given to the runner as well."""
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^ +def {re.escape(name)}\(self", text, re.MULTILINE) is not None
    word = re.compile(rf"\b{re.escape(name)}\b")
    is_defined = re.search(rf"\b{re.escape(name)}\(void \*\*\w+\)", text) is not None
    return is_defined and len(word.findall(text)) > 1


def test_problems(root, test):
    if not isinstance(test, Test):
        test = Test(*test)
    if test.name.startswith("sim/catches-"):
        mutant = test.name.removeprefix("sim/catches-")
        path = root / "base" / "mutant.h"
        if not path.is_file() or f"X({mutant}," not in path.read_text():
            yield f"{test.name}: base/mutant.h has no such mistake"
        return
    tests = registered(root)
    names = [name for name in tests if fnmatch.fnmatch(name, test.name)]
    if not names:
        yield f"{test.name}: no CMakeLists.txt registers it"
    for name in names:
        if test.function is None:
            yield f"{name}: say which function of it"
        elif not any(has_function(path, test.function) for path in tests[name]):
            yield f"{name}: has no test {test.function}"


def counts_of(found):
    kinds = collections.Counter(kind_of(case) for case in found)
    return [kinds[COVERED], kinds[NOT_APPLYING], kinds[OPEN], len(found)]


def counted(text):
    """The page with the counts of its tables in its head."""
    head = COUNTS.search(text)
    row = "| {} | {} | {} | {} |".format(*counts_of(cases(text)))
    start = text.rindex("\n", 0, head.end()) + 1
    return text[:start] + row + text[head.end():]


def count_problems(text, found):
    real = counts_of(found)
    head = COUNTS.search(text)
    if not head:
        yield "its head does not count: | covered | not applying | open | all |"
    elif [int(count) for count in head.groups()] != real:
        yield "its head counts {} covered, {} not applying, {} open, {} in all".format(
            *head.groups()) + "; its tables have {}, {}, {}, {}".format(*real)
    if len(found) != CASES:
        yield f"{len(found)} cases; there are {CASES}"


def problems(root):
    path = root / PAGE
    if not path.is_file():
        return [f"{PAGE} is not there"]
    text = path.read_text()
    found = cases(text)
    said = [f"{PAGE}: {problem}" for problem in count_problems(text, found)]
    for id_, count in collections.Counter(case.id for case in found).items():
        if count > 1:
            said.append(f"{PAGE}: {id_} is there {count} times")
    for case in found:
        if kind_of(case) is None:
            said.append(f"{PAGE}: {case.id}: neither covered, nor not applying, nor open")
    named = {}
    for case in found:
        for test in tests_in(case.ours):
            named.setdefault(test, case.id)
    for test, id_ in named.items():
        said += [f"{PAGE}: {id_}: {problem}" for problem in test_problems(root, test)]
    return said


if __name__ == "__main__":
    if sys.argv[2:] == ["--count"]:
        page = pathlib.Path(sys.argv[1]) / PAGE
        page.write_text(counted(page.read_text()))
    found = problems(pathlib.Path(sys.argv[1]))
    print("\n".join(found) or "conformance: what it names is there, and its counts are right")
    sys.exit(bool(found))
