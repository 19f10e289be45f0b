"""What a job's code logs and prints: every line arrives, and none fails the job."""

import io
import logging
import sys

import pytest

from project.logs import JobLogHandler, Printed
from tasks.engine.report import Report


@pytest.fixture
def printed(caplog: pytest.LogCaptureFixture) -> Printed:
    caplog.set_level(logging.INFO, "signalbox.printed")
    return Printed(io.StringIO())


def test_bytes_and_texts_are_lines_alike(printed: Printed, caplog: pytest.LogCaptureFixture) -> None:
    printed.buffer.write("zür".encode()[:2])
    printed.buffer.write("zür".encode()[2:] + b"ich\n\xff\n")
    printed.buffer.write(memoryview(b"half a"))
    printed.write(" line\n")
    print("one\ntwo", file=printed, flush=True)
    assert [record.getMessage() for record in caplog.records] == ["zürich", "\\xff", "half a line", "one", "two"]


def test_it_answers_what_programs_ask_of_a_standard_stream(printed: Printed) -> None:
    printed.reconfigure(encoding="latin-1", line_buffering=True)
    assert (printed.encoding, printed.isatty(), printed.writable(), printed.closed) == ("utf-8", False, True, False)
    printed.close()
    printed.buffer.close()
    print("still there", file=printed)
    assert (printed.closed, printed.buffer.closed) == (False, False)


def test_a_line_that_cannot_be_formatted_is_a_complaint_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints = io.StringIO()
    monkeypatch.setattr(sys, "stderr", complaints)
    log = logging.getLogger("shop.printed")
    monkeypatch.setattr(log, "propagate", False)
    log.addHandler(JobLogHandler())
    with Report("id") as report:
        log.warning("%d apples", "ten")
        log.warning("%d apples", 10)
    assert [line.text for line in report.take().lines] == ["10 apples"]
    assert "Logging error" in complaints.getvalue()


def test_a_line_that_never_ends_is_many_and_a_bar_is_what_it_shows_at_last(
    printed: Printed, caplog: pytest.LogCaptureFixture
) -> None:
    """Or each piece would cost as much as all before it: a bar of an hour would cost minutes."""
    for _ in range(20_000):
        printed.write(".")
    printed.write("\n")
    lines = [record.getMessage() for record in caplog.records]
    assert "".join(lines) == "." * 20_000 and max(map(len, lines)) < 9_000
    caplog.clear()
    for n in range(20_000):
        printed.write(f"\r{n} of 20000")
    printed.flush()
    (bar,) = [record.getMessage() for record in caplog.records]
    assert bar.endswith("19999 of 20000") and len(bar) < 9_000
