"""Python's gRPC client for the tests: installed from PyPI into a folder of the build tree.

    import grpc_python
    grpc = grpc_python.load()      # ends the test as skipped, with a line, where it cannot
"""

import os
import pathlib
import shutil
import sys

import installed

PACKAGE = "grpcio"


def _folder():
    build = pathlib.Path(os.environ.get("PAWL_BUILD_DIR", "build/dev"))
    return build / "python" / f"{PACKAGE}-{sys.version_info.major}.{sys.version_info.minor}"


def _install(folder, install):
    """Whole or not at all: nobody finds half a package, whatever ends this test."""
    new = folder.with_name(f"{folder.name}.new")
    for old in (new, folder):
        shutil.rmtree(old, ignore_errors=True)
    install.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                 "--no-input", "--target", new, PACKAGE],
                f"{PACKAGE} could not be installed from PyPI")
    new.rename(folder)


def load():
    folder = _folder()
    with installed.one_at_a_time(folder.with_name(f"{folder.name}.lock")) as install:
        if not (folder / "grpc" / "__init__.py").exists():
            _install(folder, install)
    sys.path.insert(0, str(folder))
    try:
        import grpc
    except ImportError as error:
        installed.skip(f"{PACKAGE} is installed and cannot be used: {error}")
    return grpc
