"""How tests of kinds run a job here as a worker does, and hostile input in a process of its own."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.engine import lifecycle
from tasks.engine.celery_app import app
from tasks.engine.models import Job

ROOT = Path(__file__).parents[2]
MOST_MB = 300  # that anything hostile may take of a process


def run(kind: str, /, owner: Any = None, **params: Any) -> Job:
    """Submit, claim and run one job here; its row as it is afterwards."""
    return perform(lifecycle.submit(kind, params, owner=owner)[0])


def perform(job: Job) -> Job:
    """Run a job that is queued. What a worker's Celery would get is swallowed: the row has it."""
    claimed = lifecycle.claim(job.uid, "w1@here", os.getpid())
    assert claimed is not None, "the job was not to be had"
    with suppress(SystemExit, KeyboardInterrupt):
        app.tasks[job.kind].perform(claimed)
    return Job.objects.get(pk=job.pk)


def again(job: Job) -> Job:
    """Run the same job once more, as after an attempt whose end was not recorded."""
    Job.objects.filter(pk=job.pk).update(state="queued", finished_at=None, due_at=None)
    return perform(job)


def alone(code: str, *words: str, seconds: float = 120, django: bool = False) -> tuple[list[str], int]:
    """Run Python code in a process of its own: the lines it printed, and the MB it took at most."""
    # Not getrusage: its peak begins with what the parent had when it forked.
    ending = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))\n"
    begin = "import sys\n" + "import django\ndjango.setup()\n" * django
    done = subprocess.run(
        [sys.executable, "-c", begin + code + ending, *words],
        cwd=ROOT, env=os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}, text=True, capture_output=True,
        timeout=seconds, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    *said, peak = done.stdout.splitlines()
    return said, int(peak) // 1024
