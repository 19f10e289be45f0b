"""What running code holds: calls touch memory only, from any thread, and nothing that was said last is lost."""

import threading
import time

import pytest

from tasks.engine.report import MOST_CHARACTERS, MOST_LINES, Cancelled, Report, current_report


def test_twenty_threads_lose_nothing():
    report, taken = Report("id"), []
    stop = threading.Event()

    def speak(n: int) -> None:
        for i in range(500):
            report.log(f"{n}:{i}")
            report.progress(i, 500)

    def take() -> None:
        while not stop.is_set():
            taken.extend(report.take(most_lines=50).lines)

    taker = threading.Thread(target=take)
    threads = [threading.Thread(target=speak, args=(n,)) for n in range(20)]
    for thread in [taker, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    taker.join()
    taken.extend(report.take(most_lines=MOST_LINES).lines)
    assert [line.seq for line in taken] == list(range(1, 10_001))
    assert {line.text for line in taken} == {f"{n}:{i}" for n in range(20) for i in range(500)}


def test_what_could_not_be_written_comes_again():
    report = Report("id")
    report.log("one")
    report.progress(1, 2, "half")
    news = report.take()
    report.log("two")
    report.put_back(news)
    again = report.take()
    assert [line.text for line in again.lines] == ["one", "two"]
    assert (again.done, again.total, again.note, again.log_seq) == (1, 2, "half", 2)


def test_a_stopped_report_raises_what_a_broad_except_does_not_swallow():
    report = Report("id")
    report.stop(Cancelled)
    assert report.cancelled()
    with pytest.raises(Cancelled):
        try:
            report.progress(1)
        except Exception:
            pytest.fail("swallowed")


def test_lines_are_bounded_and_the_last_one_says_so():
    report = Report("id")
    for i in range(MOST_LINES + 100):
        report.log(i)
    lines = report.take(most_lines=2 * MOST_LINES).lines
    assert len(lines) == MOST_LINES + 1
    assert "not kept" in lines[-1].text


def test_long_lines_fill_a_log_as_well():
    """What reads it at once, a browser or a server's buffer, shall have room for it."""
    report = Report("id")
    for _ in range(3_000):
        report.log("x" * 7_000)
    lines = report.take(most_lines=2 * MOST_LINES).lines
    assert sum(len(line.text) for line in lines) <= MOST_CHARACTERS + 100
    assert "not kept" in lines[-1].text


@pytest.mark.parametrize("said", [-5, 2**80, "many", None, float("nan"), 3.9])
def test_strange_progress_is_stored_as_a_whole_number(said):
    report = Report("id")
    report.progress(said, said)
    assert 0 <= report.take().done < 2**63


def test_outside_a_job_nobody_listens():
    current_report().progress(1, 2)
    current_report().log("no")
    assert current_report().job_id is None


def test_a_thread_of_a_job_finds_its_report():
    found = []
    with Report("id") as report:
        thread = threading.Thread(target=lambda: found.append(current_report()))
        thread.start()
        thread.join()
    assert found == [report]


def test_a_call_costs_microseconds():
    report = Report("id")
    started = time.perf_counter()
    for i in range(100_000):
        report.progress(i, 100_000)
    assert time.perf_counter() - started < 2  # a hundred times the measured cost: it must not have become I/O
