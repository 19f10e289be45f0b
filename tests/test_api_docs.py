"""The documents of the API do what they say: the quick start runs, and pages tell what problems mean."""

import os
import re
import subprocess
import sys
import time

import pytest

from tests.calls import call
from tests.processes import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICKSTART = (ROOT / "docs/api/quickstart.md").read_text()


def commands() -> int:
    """The commands of the quick start: lines outside of what is fed to Python."""
    outside = re.sub(r"<<'END'\n.*?^END$", "", "\n".join(BLOCK.findall(QUICKSTART)), flags=re.MULTILINE | re.DOTALL)
    return len([line for line in outside.splitlines() if line.strip()])


@pytest.mark.process
def test_the_quick_start_from_the_token_to_the_first_live_patch(product):
    assert commands() <= 8
    script = "set -e\n" + "echo\n".join(BLOCK.findall(QUICKSTART))
    script = script.replace("http://127.0.0.1:8000", product.base_url.rstrip("/")).replace(
        ".venv/bin/python", sys.executable
    )
    environment = product.environment | {"PATH": os.environ["PATH"]}
    began = time.monotonic()
    ended = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=120, check=False
    )
    took = time.monotonic() - began
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[-1].split()[1] == "succeeded" and "'done': 4" in lines[-1]
    print(f"the quick start took {took:.1f} s")


@pytest.mark.django_db
def test_the_type_of_a_problem_leads_to_what_it_means():
    kind = call("vera").post("jobs/", {"kind": "noop"}).json()["type"]
    page = call().get(kind)
    assert page.status_code == 200 and b"Not allowed" in page.content
    assert call().get("/problems/").status_code == 200
    assert call().get("/problems/no-such-thing").status_code == 404
