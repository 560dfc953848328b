#!/usr/bin/env python3
"""The checks of this folder find what they are for, and only that."""
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import conformance
import formatted
import layers
import links
import words
from sources import code_lines

HERE = pathlib.Path(__file__).resolve().parent


def layer_problems(name, text):
    return list(layers.file_problems(name, text))


class Layers(unittest.TestCase):
    def refused(self, name, line, because):
        found = layer_problems(name, f"/* a file */\n{line}\n")
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(f"{name}:2: "), found[0])
        self.assertIn(because, found[0])

    def allowed(self, name, line):
        self.assertEqual(layer_problems(name, line + "\n"), [])

    def test_an_upper_layer_is_refused(self):
        self.refused("base/x.c", '#include "state/store.h"', "not below base/")
        self.refused("state/x.c", '#include "actors/node.h"', "not below state/")
        self.refused("actors/x.h", '#include "sidecar/api.h"', "not below actors/")
        self.refused("state/io/x.c", '#include "actors/node.h"', "not below state/")
        self.refused("placement/main.c", '#include "sidecar/api.h"', "not below placement/")

    def test_a_sibling_is_refused(self):
        self.refused("state/x.c", '#include "sdk/history.h"', "not below state/")
        self.refused("sdk/x.c", '#include "state/store.h"', "not below sdk/")
        self.refused("placement/x.c", '#include "state/store.h"', "not below placement/")
        self.refused("cli/x.c", '#include "actors/node.h"', "not below cli/")
        self.refused("placement/io/server.c", '#include "state/lease.h"', "not below placement/")
        self.allowed("placement/main.c", '#include "state/lease.h"')

    def test_from_the_sdk_the_engine_sees_the_contract_only(self):
        self.allowed("actors/x.c", '#include "sdk/history.h"')
        self.allowed("sidecar/x.c", '#include "sdk/request.h"')
        self.refused("actors/x.c", '#include "sdk/coro.h"', "not below actors/")
        self.refused("actors/x.c", '#include "pawl/worker.h"', "belongs to apps")
        self.allowed("base/x.h", '#include "pawl/err.h"')

    def test_an_adapter_is_named_by_adapters_and_main_and_loop_only(self):
        self.refused("sidecar/api.c", '#include "state/io/backends.h"', "adapter")
        self.refused("sdk/worker.c", '#include "base/io/stream.h"', "adapter")
        self.allowed("sidecar/loop.c", '#include "state/io/backends.h"')
        self.allowed("sidecar/main.c", '#include "state/io/backends.h"')
        self.allowed("sdk/io/link.c", '#include "base/io/stream.h"')

    def test_a_path_starts_at_the_project_root(self):
        self.refused("base/x.c", '#include "buf.h"', "project root")

    def test_a_third_party_or_system_header_belongs_to_adapters(self):
        for header in ("msgpack.h", "sodium.h", "uv.h", "time.h", "unistd.h", "pthread.h"):
            self.refused("actors/x.c", f"#include <{header}>", "io/ folder")
            self.allowed("state/io/x.c", f"#include <{header}>")
            self.allowed("sidecar/loop.c", f"#include <{header}>")
        self.allowed("base/codec.c", "#include <msgpack.h>")
        self.allowed("base/hash.c", "#include <sodium.h>")
        self.refused("base/hash.c", "#include <msgpack.h>", "io/ folder")

    def test_pure_code_calls_nothing_that_touches_the_world(self):
        for call in ("time(NULL)", "rand()", "malloc(1)", "free (p)", "getenv(a)", "printf(a)",
                     "pthread_mutex_lock(&m)", "usleep(1)", "strdup(a)", "abort()"):
            self.refused("actors/x.c", f"    a = {call};", "not for pure code")
            self.allowed("actors/io/x.c", f"    a = {call};")
        self.allowed("base/mem.c", "    free(memory);")
        self.refused("base/map.c", "    free(memory);", "not for pure code")

    def test_words_that_only_look_like_calls_are_fine(self):
        self.allowed("actors/x.c", "/* time(NULL) would be wrong here */")
        self.allowed("actors/x.c", '    text("malloc(1)");')
        self.allowed("actors/x.c", "    port->read(port); store.write(row); node_time(1);")
        self.allowed("actors/x.c", "/* first\n   rand()\n*/ int after;")

    def test_code_after_a_comment_is_seen(self):
        self.refused("actors/x.c", "/* a */ rand(); /* b */", "rand")
        self.refused("actors/x.c", 'text("/*"); rand(); text("*/");', "rand")

    def test_examples_and_public_headers_use_public_headers_only(self):
        self.allowed("sdk/examples/x.c", '#include "pawl/workflow.h"\n#include <unistd.h>')
        self.allowed("sdk/examples/x.c", '#include "example.h"')
        self.refused("sdk/examples/x.c", '#include "base/buf.h"', "public headers only")
        self.refused("sdk/include/pawl/x.h", '#include "base/buf.h"', "public headers only")

    def test_every_exception_is_still_needed(self):
        for name, (allowed, _) in layers.EXCEPTIONS.items():
            lines = code_lines((HERE.parents[1] / name).read_text())
            used = {word for _, line in lines for word in re.findall(r"[\w/.]+", line)}
            for item in allowed.split():
                self.assertTrue(any(layers.covers(item, word) for word in used),
                                f"{name} needs no exception for {item}")

    def test_a_planted_file_makes_the_program_fail(self):
        with tempfile.TemporaryDirectory() as folder:
            planted = pathlib.Path(folder, "actors")
            planted.mkdir()
            run = [sys.executable, str(HERE / "layers.py"), folder]
            (planted / "x.c").write_text("int x;\n")
            self.assertEqual(subprocess.run(run, capture_output=True).returncode, 0)
            (planted / "x.c").write_text("#include <uv.h>\n")
            done = subprocess.run(run, capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("actors/x.c:1: <uv.h>", done.stdout)


class Words(unittest.TestCase):
    def test_banned_functions_are_found_also_in_adapters(self):
        found = list(words.file_problems("state/io/x.c", "\n  strcpy(a, b); n = atoi(c);\n"))
        self.assertEqual(len(found), 2, found)
        self.assertIn("state/io/x.c:2: strcpy()", found[0])
        self.assertEqual(list(words.file_problems("a/x.c", "snprintf(a, 1, b); /* gets() */")), [])

    def test_notes_left_behind_are_found(self):
        for note in ("TO" + "DO", "FIX" + "ME"):
            self.assertEqual(len(list(words.file_problems("a/x.py", f"# {note}: later"))), 1)
            self.assertEqual(len(list(words.file_problems("a/x.c", f"/* {note} */"))), 1)

    def test_a_long_file_is_found(self):
        self.assertEqual(list(words.file_problems("a/x.c", "\n" * words.LINES_MAX)), [])
        found = list(words.file_problems("a/x.c", "\n" * (words.LINES_MAX + 1)))
        self.assertIn("split it by concept", found[0])


class Links(unittest.TestCase):
    def found(self, page):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "base").mkdir()
            (root / "docs").mkdir()
            (root / "base/x.c").write_text("int a;\nint b;\n")
            (root / "base/y.c").write_text("int b;\n")
            (root / "base/CMakeLists.txt").write_text("add_library(base x.c)\n")
            (root / "docs/B.md").write_text("# Beginning here: one\n\n```\n# not a heading\n```\n")
            (root / "A.md").write_text(page)
            return links.problems(root)

    def test_what_is_there_is_fine(self):
        self.assertEqual(self.found("# Top\n[b](docs/B.md#beginning-here-one), [t](#top), `base/x.c`,"
                                    " `base/*.c`, [w](https://example.org/none)\n"), [])

    def test_a_page_that_is_gone_is_found(self):
        self.assertEqual(len(self.found("[b](docs/C.md)\n")), 1)

    def test_a_heading_that_is_gone_is_found(self):
        self.assertEqual(len(self.found("[b](docs/B.md#end) [c](#nowhere)\n")), 2)
        self.assertEqual(len(self.found("[b](docs/B.md#not-a-heading)\n")), 1)

    def test_a_file_that_is_gone_is_found(self):
        self.assertEqual(len(self.found("see `base/z.c` and `base/z_*.c`\n")), 2)

    def test_code_that_its_file_no_longer_has_is_found(self):
        page = "<!-- from: base/x.c -->\n```c\n%s\n```\n"
        self.assertEqual(self.found(page % "int b;"), [])
        self.assertEqual(len(self.found(page % "int c;")), 1)

    def test_c_code_from_nowhere_is_found(self):
        self.assertEqual(len(self.found("```c\nint b;\n```\n")), 1)
        self.assertEqual(self.found("```\nint b;\n```\n"), [])
        self.assertEqual(len(self.found("<!-- from: base/y.c -->\n```c\nint b;\n```\n")), 1)


class Conformance(unittest.TestCase):
    GOOD = "`unit/base/x: holds`"

    def found(self, *ours, counts=None):
        """Problems of a page with these cells, filled up with cases that do not apply."""
        page = "| covered | not applying | open | all |\n|---|---|---|---|\n"
        rest = conformance.CASES - len(ours)
        page += "| {} | {} | {} | {} |\n\n".format(*(counts or (len(ours), rest, 0, rest + len(ours))))
        page += "| case | what it asks | ours |\n|---|---|---|\n"
        cells = list(ours) + ["does not apply: no"] * rest
        page += "".join(f"| c{i} | it | {cell} |\n" for i, cell in enumerate(cells))
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {
                    "docs/CONFORMANCE.md": page,
                    "base/mutant.h": '    X(NO_FENCE, "text") \\\n',
                    "tests/unit/base/CMakeLists.txt":
                        "foreach(part x y)\n  pawl_unit_test(base/${part} SOURCES test_${part}.c "
                        "LIBS a)\nendforeach()\n",
                    "tests/unit/base/test_x.c":
                        "static void holds(void **state)\n{\n}\nint main(void) { T(holds); }\n"
                        "static void forgotten(void **state)\n{\n}\n",
                    "tests/e2e/CMakeLists.txt":
                        "pawl_e2e_test(a-sqlite test_a.py sqlite)\npawl_e2e_test(a-redis test_a.py)\n"
                        "  pawl_e2e_test(sdk-${sdk} test_a.py)\n",
                    "tests/e2e/test_a.py": "class A:\n    def test_it(self):\n        pass\n"}.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return conformance.problems(root)

    def test_what_is_there_is_fine(self):
        for cell in (self.GOOD, "`e2e/a-sqlite: test_it`", "`e2e/a-*: test_it`; it says so",
                     "`e2e/sdk-*: test_it`, `sim/catches-NO_FENCE`"):
            self.assertEqual(self.found(cell), [], cell)

    def test_a_test_that_is_not_there_is_found(self):
        for cell, because in (("`unit/base/z: holds`", "registers"),
                              ("`unit/base/x: breaks`", "no test breaks"),
                              ("`unit/base/x: forgotten`", "no test forgotten"),
                              ("`unit/base/x`", "which function"),
                              ("`e2e/b: test_it`", "registers"),
                              ("`e2e/a-*: test_that`", "no test test_that"),
                              ("`sim/catches-NO_FENCES`", "mutant.h")):
            found = self.found(cell)
            self.assertGreaterEqual(len(found), 1, cell)
            self.assertIn(because, found[0])

    def test_wrong_counts_are_found(self):
        right = (1, conformance.CASES - 1, 0, conformance.CASES)
        self.assertEqual(self.found(self.GOOD, counts=right), [])
        for wrong in ((2, *right[1:]), (*right[:3], 505), (0, right[1], 1, right[3])):
            self.assertIn("its tables have 1, ", self.found(self.GOOD, counts=wrong)[0])

    def test_counts_can_be_written(self):
        page = "| covered | not applying | open | all |\n|---|---|---|---|\n| 9 | 9 | 9 | 9 |\n\n"
        rows = f"| a | it | {self.GOOD} |\n| b | it | open: not yet |\n"
        self.assertEqual(conformance.counted(page + rows),
                         page.replace("| 9 | 9 | 9 | 9 |", "| 1 | 0 | 1 | 2 |") + rows)

    def test_a_case_without_an_answer_is_found(self):
        self.assertIn("neither", " ".join(self.found("surely")))


class Formatted(unittest.TestCase):
    def test_an_unformatted_file_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "base").mkdir()
            (root / ".clang-format").write_text((HERE.parents[1] / ".clang-format").read_text())
            (root / "base/x.c").write_text("int x;\n")
            first = formatted.main(root)
            if first == formatted.SKIPPED:
                self.skipTest("clang-format-14 is not installed")
            self.assertEqual(first, 0)
            (root / "base/x.c").write_text("int   x ;\n")
            self.assertEqual(formatted.main(root), 1)


if __name__ == "__main__":
    unittest.main()
