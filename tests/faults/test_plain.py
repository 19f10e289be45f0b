"""The peer starts, works and is counted; what it loses is its own affair."""

import subprocess
import sys

import pytest

from tests.support.processes import ROOT

pytestmark = [pytest.mark.faults, pytest.mark.process]


def test_the_peer_runs(database: str) -> None:
    if database != "sqlite":
        pytest.skip("once is enough")
    command = [sys.executable, "-m", "tests.faults.plain", "--only", "delivered_thrice", "--patience", "60"]
    said = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=180, check=False)
    assert said.returncode == 0, said.stderr[-3000:]
    assert "0 refused, 0 not ended" in said.stdout
    assert "10 ran twice, 10 effects doubled" in said.stdout
