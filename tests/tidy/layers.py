#!/usr/bin/env python3
"""Who may include whom, and what pure code may name.

    base <- { sdk, state, placement } <- actors <- { sidecar, doctor }    cli: sdk, base and doctor

Siblings never include each other; only placement/main.c, which joins the service with the
store of its lease, sees state/ too. From sdk/, the layers above see only the contract
(CONTRACT below). Pure code is every file that is not under an io/ folder and is not
main.c or of the loop (loop.c, loop.h, loop_*): it includes no header that touches the world, no third-party header
and no adapter, and it calls no function that reads a clock, makes random numbers,
talks to anyone, or takes memory past base/mem.h and base/arena.h. Exceptions are
listed with their reason. Prints each line that breaks a rule.
"""
import pathlib
import re
import sys

from sources import LAYERS, code_lines, files, name_of

BELOW = {
    "base": (),
    "sdk": ("base",),
    "state": ("base",),
    "placement": ("base",),
    "actors": ("base", "state", "placement"),
    "sidecar": ("base", "state", "placement", "actors"),
    "doctor": ("base", "state", "placement", "actors"),
    "cli": ("base", "sdk", "doctor"),
}

# Composition roots that see a sibling besides.
ROOTS = {"placement/main.c": ("state",)}

# What app and sidecar say to each other: the part of sdk/ that is not only for apps.
CONTRACT = {"sdk/history.h", "sdk/request.h", "sdk/frames.h", "sdk/schedule.h", "sdk/change.h",
            "sdk/export.h", "sdk/export_json.h", "sdk/export_write.h"}

# Public headers that are words of every layer. The others belong to apps.
PUBLIC_FOR_ALL = {"pawl/err.h", "pawl/types.h"}

# Standard headers that touch nothing outside the program.
PURE_HEADERS = {
    "assert.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h",
    "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h",
    "strings.h",
}

# What those headers offer all the same, and what must not come in by another way.
BANNED = {
    "a clock": "time clock clock_gettime gettimeofday timespec_get localtime gmtime mktime",
    "randomness": r"rand random srand srandom rand_r getrandom arc4random randombytes_\w+",
    "waiting": "sleep usleep nanosleep",
    "the environment": "getenv setenv putenv system popen",
    "files": "fopen freopen fdopen tmpfile remove rename",
    "the terminal": "printf fprintf puts fputs putchar perror vprintf vfprintf",
    "the end of the process": "exit _exit _Exit quick_exit abort atexit",
    "memory": "malloc calloc realloc reallocarray free aligned_alloc posix_memalign strdup strndup"
              " asprintf vasprintf mmap",
    "threads": r"pthread_\w+ thrd_\w+ mtx_\w+ cnd_\w+ atomic_\w+",
    "hidden state or locale": "setlocale strtok strerror",
}
CALLS = [(why, re.compile(r"(?<![\w.>])(" + "|".join(names.split()) + r")\s*\("))
         for why, names in BANNED.items()]

# file -> (what it may include or call besides, why). A name ending in * is a prefix.
EXCEPTIONS = {
    "base/assert.c": ("abort fprintf", "stops the program"),
    "base/mem.c": ("calloc realloc free fprintf _Exit", "is where memory comes from"),
    "base/buf.c": ("malloc realloc free",
                   "runs inside apps too, where short memory is an error and not the end"),
    "base/codec.c": ("msgpack.h", "the only place that knows the format"),
    "base/hash.c": ("sodium.h", "the hashes are libsodium's"),
    "sidecar/protobuf.h": ("protobuf*", "wraps protobuf-c, which only computes"),
    "cli/options.c": ("getopt.h", "reads the arguments it is given"),
    "sidecar/grpc_session.c": ("nghttp2/nghttp2.h", "HTTP/2 without sockets: bytes in, bytes out"),
    "sdk/export_json.c": ("jansson.h", "reads JSON: bytes in, values out"),
    "sdk/coro.c": ("ucontext.h sanitizer/*",
                   "switches stacks, and tells the sanitizers; io/stack.c owns the memory"),
    "sdk/instance.c": ("abort", "after a stack overflow no memory can be trusted"),
}


def covers(allowed, what):
    return what == allowed or (allowed.endswith("*") and what.startswith(allowed[:-1]))


def excepted(name, what):
    return any(covers(a, what) for a in EXCEPTIONS.get(name, ("", ""))[0].split())


def is_pure(name):
    return "/io/" not in name and not re.fullmatch(r"main\.c|loop(_\w+)?\.[ch]",
                                                   name.rsplit("/", 1)[-1])


def quoted_problem(name, layer, header):
    """Why this file may not include this header of ours, or None."""
    if header.endswith(".inc"):  # made by the build beside the object files
        return None
    if "/" not in header:
        return "is not a path from the project root"
    top = header.split("/")[0]
    if top == "pawl":
        if layer in ("sdk", "cli") or header in PUBLIC_FOR_ALL:
            return None
        return "belongs to apps"
    if is_pure(name) and "/io/" in header:
        return "is an adapter: only io/ folders, main.c and the loop name one"
    if top == layer or top in BELOW[layer] or top in ROOTS.get(name, ()):
        return None
    if header in CONTRACT and layer in ("actors", "sidecar", "doctor"):
        return None
    return f"is not below {layer}/"


def file_problems(name, text):
    layer = name.split("/")[0]
    if name.startswith("sdk/examples/"):  # programs of users
        for number, line in code_lines(text):
            quoted = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if quoted and "/" in quoted[1] and not quoted[1].startswith("pawl/"):
                yield f"{name}:{number}: an example includes public headers only: {quoted[1]}"
        return
    for number, line in code_lines(text):
        where = f"{name}:{number}"
        include = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
        if include and include[1] == '"':
            if why := quoted_problem(name, layer, include[2]):
                yield f"{where}: {include[2]} {why}"
            elif name.startswith("sdk/include/") and not include[2].startswith("pawl/"):
                yield f"{where}: a public header includes public headers only: {include[2]}"
            continue
        if not is_pure(name):
            continue
        if include:
            if include[2] not in PURE_HEADERS and not excepted(name, include[2]):
                yield f"{where}: <{include[2]}> belongs in an io/ folder"
            continue
        for why, pattern in CALLS:
            for call in pattern.finditer(line):
                if not excepted(name, call[1]):
                    yield f"{where}: {call[1]}() is not for pure code ({why})"


def problems(root):
    for path in files(root, LAYERS, "*.c", "*.h"):
        yield from file_problems(name_of(root, path), path.read_text())


if __name__ == "__main__":
    found = list(problems(pathlib.Path(sys.argv[1])))
    print("\n".join(found) or "layers: every include and call is where it belongs")
    sys.exit(bool(found))
