"""The servers of a test run end with it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.processes import ROOT, is_alive, wait_until

SLEEPER = """
import os, sys, time
def test_sleeps():
    print("up", os.environ["REDIS_URL"], file=sys.__stdout__, flush=True)
    time.sleep(600)
"""


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_servers_do_not_outlive_an_interrupted_run(tmp_path: Path, number: int) -> None:
    (tmp_path / "test_sleeper.py").write_text(SLEEPER)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-s",
        "-c",
        str(ROOT / "pyproject.toml"),
        f"--rootdir={ROOT}",
        str(tmp_path),
    ]
    was = signal.signal(signal.SIGINT, signal.default_int_handler)  # a run in the background may be deaf to it
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    signal.signal(signal.SIGINT, was)
    for line in run.stdout:
        if "up redis://" in line:
            break
    servers = psutil.Process(run.pid).children(recursive=True)
    assert {"valkey-server"} <= {server.name() for server in servers}
    os.kill(run.pid, number)
    run.stdout.close()
    run.wait(30)
    wait_until(lambda: not any(is_alive(server.pid) for server in servers), 10, "the end of the servers")
