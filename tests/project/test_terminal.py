"""What others wrote reaches no terminal and no line of a log as it is: it would move the cursor, or lie."""

import io
import logging
import os
import re
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from rich.console import Console

from live.client import Board, Problem
from project.logs import JsonFormatter, LineFormatter
from project.management.commands.watch import table
from project.management.terminal import ProgressBar
from tasks.access.models import Token
from tasks.engine import lifecycle
from tasks.engine.models import Job
from tasks.engine.visible import in_lines, in_one_line
from tests.conftest import database_url_of_the_test
from tests.support.live_parts import summary
from tests.support.people import person
from tests.support.processes import ROOT, wait_until

NASTY = "\x1b]0;owned\x07\x1b[2J\x9b31m\x90q\u202egnp\u2066\u200f\u2028\u2029\x85\r\x08\x00\ud800end"
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def test_nothing_of_it_is_left_and_all_of_it_can_be_read():
    shown = in_one_line(NASTY)
    assert not RAW.search(shown) and "\n" not in shown
    assert shown.startswith(r"\x1b]0;owned\x07\x1b[2J\x9b31m") and shown.endswith("end") and r"\u202egnp" in shown
    assert in_lines(f"one\n\ttwo {NASTY}").split("\n")[0] == "one"
    assert in_one_line("Grüße, 你好 👋 \\ '\"") == "Grüße, 你好 👋 \\ '\""


@pytest.mark.parametrize("formatter", [LineFormatter(), JsonFormatter()])
def test_a_line_of_a_log_and_its_traceback(formatter):
    try:
        raise ValueError(NASTY)
    except ValueError:
        record = logging.LogRecord(f"shop{NASTY}", logging.ERROR, __file__, 1, "%s", (NASTY,), sys.exc_info())
    record.request_id, record.job_id = NASTY, NASTY
    shown = formatter.format(record)
    assert not RAW.search(shown) and "owned" in shown
    assert all(line.startswith("    ") for line in shown.split("\n")[1:])


def test_the_bar_and_the_board_in_a_terminal():
    job = summary(state="running") | {
        **dict.fromkeys(("kind", "owner", "worker", "error"), NASTY),
        "progress": {"done": 1, "total": 2, "note": NASTY},
    }
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=300, highlight=False)
    with ProgressBar(console) as bar:
        bar.show(job)
        bar.end(job | {"state": "failed"})
    console.print(table(Board(jobs={job["id"]: job}, stats={"now": {NASTY: 1}})))
    own = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said.getvalue()).replace("\r", "")  # rich's own
    assert not RAW.search(own)
    assert said.getvalue().count(r"\x1b]0;owned") >= 4
    assert "\x1b]" not in said.getvalue() and "\x1b[2J" not in said.getvalue()


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.django_db(transaction=True)
def test_a_job_that_writes_it_everywhere(start_worker, servers):
    words = NASTY.replace("\x00", "").replace("\ud800", "")  # neither can be stored
    environment = os.environ | {"DATABASE_URL": database_url_of_the_test(servers)}

    def manage(*command: str) -> str:
        ran = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            check=False,
            timeout=120,
        )
        return (ran.stdout + ran.stderr).decode()

    worker = start_worker("w1")
    job = lifecycle.submit("speaks", {"words": words})[0]
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "failed", what="its end")
    seen = {
        "worker": worker.log(),
        "submit": manage("submit", "speaks", f"words={words}", "--wait"),
        "run": manage("run", "speaks", f"words={words}", "prints=no"),  # what a job prints is its own affair there
    }
    for name, text in seen.items():
        assert "owned" in text, (name, text)
        assert not RAW.search(text.replace("\r\n", "\n")), (name, RAW.search(text), text)


@pytest.mark.django_db
def test_watch_takes_its_token_from_a_file(tmp_path, monkeypatch):
    token, text = Token.objects.make(person("vera"), "read")
    seen = []

    def send(self, *asked):
        seen.append(self._token)
        raise Problem(401, {"detail": "no"})

    monkeypatch.setattr("project.management.commands.watch.Client.send", send)
    monkeypatch.delenv("SIGNALBOX_TOKEN", raising=False)
    (tmp_path / "token").write_text(f"{text}\n")
    monkeypatch.setenv("SIGNALBOX_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(CommandError, match="no"):
        call_command("watch")
    assert seen == [text] and list(Token.objects.all()) == [token], "it needs none of its own"
    monkeypatch.setenv("SIGNALBOX_TOKEN_FILE", str(tmp_path / "none"))
    with pytest.raises(CommandError, match=r"SIGNALBOX_TOKEN_FILE names .* cannot be read") as refused:
        call_command("watch")
    assert refused.value.returncode == 2
