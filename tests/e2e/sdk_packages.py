"""The workflow SDKs of others for the tests: installed from their registries into a folder of
the build tree, once. Where that cannot be done the test ends as skipped, with a line.

    command, env = sdk_packages.program("durabletask-python")
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

SKIPPED = 77
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
    "dapr-durabletask-go": ("go", "dapr_durabletask_go", []),
    "durabletask-java": ("java", "durabletask_java", []),
    "dapr-java": ("java", "dapr_java", []),
}


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(SKIPPED)


def run(argv, what, **settings):
    """Run an installer; its last line tells why there is nothing to test with."""
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=600, **settings)
    except (OSError, subprocess.TimeoutExpired) as error:
        skip(f"{what}: {error}")
    if done.returncode != 0:
        skip(f"{what}: {(done.stdout.strip().splitlines() or ['it failed'])[-1]}")


def install_python(folder, packages):
    run([sys.executable, "-m", "venv", str(folder)], "a Python environment cannot be made")
    run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--no-input",
         "--disable-pip-version-check", *packages], f"PyPI did not give {' '.join(packages)}")


def install_node(folder, packages):
    run(["npm", "install", "--prefix", str(folder), "--ignore-scripts", "--no-audit", "--no-fund",
         "--loglevel=error", *packages], f"npm did not give {' '.join(packages)}")


def install_go(folder, source):
    shutil.copytree(source, folder, dirs_exist_ok=True)
    run(["go", "build", "-o", "app", "."], "the Go module proxy did not give what go.mod names",
        cwd=folder)


def install_java(folder, source):
    for tool in ("javac", "mvn"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed (Debian: openjdk-17-jdk-headless and maven)")
    run(["mvn", "-q", "-B", "-f", str(source / "pom.xml"), "dependency:copy-dependencies",
         f"-DoutputDirectory={folder.resolve() / 'lib'}", "-DincludeScope=runtime"],
        "Maven Central did not give what pom.xml names")
    done = subprocess.run(["javac", "-cp", f"{folder}/lib/*", "-d", str(folder),
                           str(source / "App.java")])
    if done.returncode != 0:  # the app is ours
        sys.exit("the Java app cannot be compiled")


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
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            if kind == "python":
                install_python(folder, packages)
            elif kind == "node":
                if not shutil.which("npm"):
                    skip("npm is not installed")
                install_node(folder, packages)
            elif kind == "java":
                install_java(folder, source)
            else:
                if not shutil.which("go"):
                    skip("go is not installed")
                install_go(folder, source)
            (folder / "done").touch()
    if kind == "python":
        return [folder / "bin/python", "-W", "ignore", source], {}
    if kind == "node":
        return ["node", source], {"SDK_FOLDER": str(folder)}
    if kind == "java":
        return java(folder), {}
    return [folder / "app"], {}
