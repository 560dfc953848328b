"""What tests install from the registries of others: once for a build tree, by one test at a
time. Where that cannot be done, or not in time, the test ends as skipped, with a line.

    with installed.one_at_a_time(folder.with_suffix(".lock")) as install:
        if not folder.exists():
            install.run(["pip", "install", …], "PyPI did not give what is needed")
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time

from harness import _die_with_parent

SKIPPED = 77
ALL_S = 400  # for everything, waiting for other tests included; well below a test's TIMEOUT
AGAIN_S = 60  # what has failed sooner than that is tried once more
LOOK_S = 0.1


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(SKIPPED)


def _last_line(text):
    return (text.strip().splitlines() or ["it failed"])[-1]


def _run_once(argv, deadline, settings):
    """(exit status, output). The children of an installer that takes too long end with it."""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace",
                          start_new_session=True, preexec_fn=_die_with_parent,
                          **settings) as installer:
        try:
            output, _ = installer.communicate(timeout=max(1.0, deadline - time.monotonic()))
        except BaseException:
            os.killpg(installer.pid, signal.SIGKILL)
            raise
    return installer.returncode, output


class Install:
    def __init__(self, deadline):
        self.deadline = deadline

    def run(self, argv, what, **settings):
        """Run an installer; its last line tells why there is nothing to test with."""
        argv = [str(arg) for arg in argv]
        for is_last in (False, True):
            began = time.monotonic()
            try:
                status, output = _run_once(argv, self.deadline, settings)
            except subprocess.TimeoutExpired:
                skip(f"{what}: not within {ALL_S} s")
            except OSError as error:
                skip(f"{what}: {error}")
            if status == 0:
                return
            if is_last or time.monotonic() - began > AGAIN_S:
                skip(f"{what}: {_last_line(output)}")


@contextlib.contextmanager
def one_at_a_time(*locks):
    """Hold all of these files; an Install that knows how much time is left."""
    deadline = time.monotonic() + ALL_S
    with contextlib.ExitStack() as held:
        for path in locks:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = held.enter_context(open(path, "w"))
            while not _is_taken(lock):
                if time.monotonic() > deadline:
                    skip(f"another test holds {path} and has not installed for {ALL_S} s")
                time.sleep(LOOK_S)
        yield Install(deadline)


def _is_taken(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
