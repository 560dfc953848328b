"""Python's gRPC client for the tests: installed from PyPI into a folder of the build tree.

    import grpc_python
    grpc = grpc_python.load()      # ends the test as skipped, with a line, where it cannot
"""

import os
import pathlib
import subprocess
import sys

SKIPPED = 77
PACKAGE = "grpcio"


def _folder():
    build = pathlib.Path(os.environ.get("PAWL_BUILD_DIR", "build/dev"))
    return build / "python" / f"{PACKAGE}-{sys.version_info.major}.{sys.version_info.minor}"


def _install(folder):
    folder.parent.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-input", "--target", str(folder), PACKAGE],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(SKIPPED)


def load():
    folder = _folder()
    if not (folder / "grpc").is_dir():
        try:
            done = _install(folder)
        except (OSError, subprocess.TimeoutExpired) as error:
            skip(f"{PACKAGE} could not be installed from PyPI: {error}")
        if done.returncode != 0:
            last = (done.stdout.strip().splitlines() or ["pip failed"])[-1]
            skip(f"{PACKAGE} could not be installed from PyPI: {last}")
    sys.path.insert(0, str(folder))
    try:
        import grpc
    except ImportError as error:
        skip(f"{PACKAGE} is installed and cannot be used: {error}")
    return grpc
