"""The documents of the API do what they say: the quick start runs, and pages tell what problems mean."""

import os
import re
import resource
import subprocess
import sys
import time

import pytest

from tests.support.calls import call
from tests.support.processes import ROOT

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICKSTART = (ROOT / "docs/api/quickstart.md").read_text()


def commands() -> int:
    """The commands of the quick start: lines outside of what is fed to Python."""
    outside = re.sub(r"<<'END'\n.*?^END$", "", "\n".join(BLOCK.findall(QUICKSTART)), flags=re.MULTILINE | re.DOTALL)
    return len([line for line in outside.splitlines() if line.strip()])


@pytest.mark.process
@pytest.mark.pure
def test_the_quick_start_from_the_token_to_the_first_live_patch(product):
    assert commands() <= 8
    script = "set -e\n" + "echo\n".join(BLOCK.findall(QUICKSTART))
    script = script.replace("http://127.0.0.1:8000", product.base_url.rstrip("/")).replace(
        ".venv/bin/python", sys.executable
    )
    environment = product.environment | {"PATH": os.environ["PATH"]}
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run(
        ["sh", "-c", script], cwd=ROOT, env=environment, text=True, capture_output=True, timeout=120, check=False
    )
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[-1].split()[1] == "succeeded" and "'done': 4" in lines[-1]
    machine = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert machine < 10, f"the quick start took {machine:.1f} s of the machine and {took:.1f} s in all"


@pytest.mark.django_db
def test_the_type_of_a_problem_leads_to_what_it_means():
    kind = call("vera").post("jobs/", {"kind": "noop"}).json()["type"]
    page = call().get(kind)
    assert page.status_code == 200 and b"Not allowed" in page.content
    assert call().get("/problems/").status_code == 200
    assert call().get("/problems/no-such-thing").status_code == 404
