"""A database that the first version made is opened by this one: its tables keep their names, its rows are read."""

import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.support.processes import ROOT

pytestmark = pytest.mark.process

DUMP = (Path(__file__).parent / "data/first_version.sql").read_text()
READ = """
from collections import Counter
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.queries.details import detail
from tasks.schedules.models import Schedule
details = [detail(job) for job in Job.objects.all()]
print(sorted(Counter(found["state"] for found in details).items()))
print(sum(len(found["attempts"]) for found in details), sum(len(found["log"]) for found in details))
print([schedule.to_dict()["kind"] for schedule in Schedule.objects.order_by("id")])
print(lifecycle.submit("noop", {})[0].state)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "signalbox.sqlite3").touch(mode=0o600)
    with sqlite3.connect(folder / "signalbox.sqlite3") as database:
        database.executescript(DUMP)
    database.close()
    return folder


def manage(home: Path, *words: str) -> str:
    environment = {"SIGNALBOX_HOME": str(home), "PATH": "/usr/bin:/bin", "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words], env=environment, cwd="/", capture_output=True, text=True,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(home: Path, sql: str) -> list[tuple]:
    with sqlite3.connect(home / "signalbox.sqlite3") as database:
        found = database.execute(sql).fetchall()
    database.close()
    return found


def test_a_database_of_the_first_version_is_migrated_and_its_rows_are_read(home):
    states = Counter(state for (state,) in rows(home, "SELECT state FROM tasks_job"))
    ((attempts,),) = rows(home, "SELECT sum(attempt) FROM tasks_job")
    ((lines,),) = rows(home, "SELECT count(*) FROM tasks_logline")
    manage(home, "migrate", "--verbosity", "0")
    reported = manage(home, "shell", "--no-imports", "-c", READ).splitlines()
    assert reported[-4] == str(sorted(states.items()))
    assert reported[-3] == f"{attempts} {lines}"
    assert reported[-2] == "['roll_up', 'prune']"
    assert reported[-1] == "queued"
