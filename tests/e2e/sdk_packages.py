"""The workflow SDKs of others for the tests: installed from their registries into a folder of
the build tree, once. Where that cannot be done the test ends as skipped, with a line
(installed.py).

    command, env = sdk_packages.program("durabletask-python")
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import installed
from installed import skip

HERE = pathlib.Path(__file__).resolve().parent / "sdks"

# What is tested: docs/COMPATIBILITY.md has the same versions.
SDKS = {
    "durabletask-python": ("python", "durabletask_app.py", ["durabletask==1.12.0"]),
    "scheduler-python": ("python", "durabletask_app.py",
                         ["durabletask==1.12.0", "durabletask.azuremanaged==1.12.0"]),
    "dapr-python": ("python", "dapr_app.py", ["dapr==1.19.0"]),
    "durabletask-js": ("node", "durabletask_app.mjs", ["@microsoft/durabletask-js@0.4.0"]),
    "dapr-js": ("node", "dapr_app.mjs", ["@dapr/dapr@3.18.0"]),
    "durabletask-go": ("go", "durabletask_go", []),
    "dapr-go": ("go", "dapr_go", []),
    "dapr-go-1.11": ("go", "dapr_go_1_11", []),
    "durabletask-java": ("java", "durabletask_java", []),
    "dapr-java": ("java", "dapr_java", []),
}


def need(tool, package=None):
    if not shutil.which(tool):
        skip(f"{tool} is not installed" + (f" (Debian: {package})" if package else ""))


def install_python(install, folder, packages):
    install.run([sys.executable, "-m", "venv", folder], "a Python environment cannot be made")
    install.run([folder / "bin/python", "-m", "pip", "install", "--quiet", "--no-input",
                 "--disable-pip-version-check", *packages],
                f"PyPI did not give {' '.join(packages)}")


def install_node(install, folder, packages):
    need("npm")
    install.run(["npm", "install", "--prefix", folder, "--ignore-scripts", "--no-audit",
                 "--no-fund", "--loglevel=error", *packages],
                f"npm did not give {' '.join(packages)}")


def install_go(install, folder, source):
    need("go")
    shutil.copytree(source, folder, dirs_exist_ok=True)
    install.run(["go", "build", "-o", "app", "."],
                "the Go module proxy did not give what go.mod names", cwd=folder)


def install_java(install, folder, source):
    need("javac", "openjdk-17-jdk-headless")
    need("mvn", "maven")
    install.run(["mvn", "-q", "-B", "-f", source / "pom.xml", "dependency:copy-dependencies",
                 f"-DoutputDirectory={folder.resolve() / 'lib'}", "-DincludeScope=runtime"],
                "Maven Central did not give what pom.xml names")
    done = subprocess.run(["javac", "-cp", f"{folder}/lib/*", "-d", str(folder),
                           str(source / "App.java")])
    if done.returncode != 0:  # the app is ours
        sys.exit("the Java app cannot be compiled")


INSTALL = {"python": install_python, "node": install_node, "go": install_go, "java": install_java}


def locks(kind, folder):
    """Maven's folder of the user, unlike the others' caches, is not made for two at once."""
    yield folder.with_suffix(".lock")
    if kind == "java":
        yield pathlib.Path(tempfile.gettempdir()) / f"pawl-maven-{os.getuid()}.lock"


def java(folder):
    """Java with little to warm up: each run of an app is a short one."""
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx256m",
            "-cp", f"{folder}:{folder}/lib/*", "App"]


def program(name):
    """The command of the SDK's test app, and variables it needs."""
    kind, script, packages = SDKS[name]
    source = HERE / script
    stamp = hashlib.sha256(" ".join([sys.version, *packages]).encode())
    if kind in ("go", "java"):
        for path in sorted(source.iterdir()):
            stamp.update(path.read_bytes())
    build = pathlib.Path(os.environ.get("PAWL_BUILD_DIR", "build/dev"))
    folder = build / "sdks" / f"{name}-{stamp.hexdigest()[:12]}"
    with installed.one_at_a_time(*locks(kind, folder)) as install:
        if not (folder / "done").exists():
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(folder)  # of a test that was ended half way
            folder.mkdir(parents=True)
            INSTALL[kind](install, folder, packages or source)
            (folder / "done").touch()
    if kind == "python":
        return [folder / "bin/python", "-W", "ignore", source], {}
    if kind == "node":
        return ["node", source], {"SDK_FOLDER": str(folder)}
    if kind == "java":
        return java(folder), {}
    return [folder / "app"], {}
