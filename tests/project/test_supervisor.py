"""The supervisor with parts of three lines: what it says, when it gives up, and that it ends the stubborn."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from project.supervisor import GaveUp, Part, Supervisor, describe_exit
from tests.support.processes import is_alive, wait_until

FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    print(f"child {child}", flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    before = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
    }
    made = Supervisor(out=io.StringIO())
    yield made
    made.stop(0.2)
    for number, handler in before.items():
        signal.signal(number, handler)


def said(supervisor: Supervisor) -> str:
    return supervisor.out.getvalue()


def until(supervisor: Supervisor, text: str, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while text not in said(supervisor):
        assert time.monotonic() < end, said(supervisor)
        supervisor.step(0.05)


def part(code: str, **options) -> Part:
    return Part("part", [sys.executable, "-c", code], **options)


@pytest.mark.long
def test_a_part_that_never_gets_ready_ends_the_trying(supervisor: Supervisor) -> None:
    supervisor.start(part("raise SystemExit(3)", ready=lambda part: False))
    with pytest.raises(GaveUp, match=r"part ended 5 times before it was ready \(exit 3\)"):
        supervisor.wait_ready()


def test_a_part_that_was_ready_is_started_again_for_ever(supervisor: Supervisor, monkeypatch) -> None:
    monkeypatch.setattr("project.supervisor.BACKOFF_S", (0.01,))
    supervisor.start(part("print('here')"))
    end = time.monotonic() + 20
    while said(supervisor).count("part is back.") < 6:
        assert time.monotonic() < end
        supervisor.step(0.05)


def test_the_last_words_of_a_part_are_read_also_without_an_end_of_line(supervisor: Supervisor) -> None:
    supervisor.start(part("import sys; sys.stdout.write('a\\x1b[31m tail'); sys.exit(1)"))
    until(supervisor, r"part   | a\x1b[31m tail")


def test_words_for_the_supervisor_are_not_shown(supervisor: Supervisor) -> None:
    quiet = part(
        "print('signalbox:ready'); print('shown'); import time; time.sleep(60)",
        ready=lambda part: "ready" in part.words,
    )
    supervisor.start(quiet)
    assert supervisor.wait_ready()
    until(supervisor, "shown")
    assert "signalbox:" not in said(supervisor)


def test_what_a_dead_part_leaves_behind_is_ended(supervisor: Supervisor) -> None:
    supervisor.start(part(FAMILY))
    until(supervisor, "child ")
    child = int(said(supervisor).split("child ")[1].split()[0])
    os.kill(supervisor.parts[0].pid, signal.SIGKILL)
    until(supervisor, "killed by SIGKILL")
    wait_until(lambda: not is_alive(child), 5, "the end of the child")


def test_the_stubborn_are_killed_in_the_end(supervisor: Supervisor) -> None:
    supervisor.start(part(FAMILY))
    until(supervisor, "child ")
    pids = [supervisor.parts[0].pid, int(said(supervisor).split("child ")[1].split()[0])]
    supervisor.stop(0.3)
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 5, "the end of the family")


def test_nobody_reading_any_more_is_a_reason_to_stop(supervisor: Supervisor) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    supervisor.out = Closed()
    supervisor.say("is anybody there?")
    assert supervisor.stopping


def test_the_watchdog_comes_back_and_still_knows_its_groups(supervisor: Supervisor) -> None:
    supervisor.start(part("import time; time.sleep(600)"))
    first = supervisor._watchdog.process
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    supervisor.step(0.05)
    second = supervisor._watchdog.process
    assert second.pid != first.pid
    pid = supervisor.parts[0].pid
    second.stdin.close()  # as when the supervisor is gone
    supervisor.parts[0].process.wait(5)
    second.wait(5)
    assert not is_alive(pid)


def test_an_end_is_described_in_words() -> None:
    assert [describe_exit(code) for code in (0, 3, -9, -200)] == [
        "exit 0",
        "exit 3",
        "killed by SIGKILL",
        "killed by signal 200",
    ]


def test_a_terminal_gets_colours_and_a_file_does_not(monkeypatch) -> None:
    code = (
        "import sys; sys.stdout.isatty = lambda: True\n"
        "from project.supervisor import Supervisor\n"
        "s = Supervisor(); s.say('hello'); s.stop(0)"
    )
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}

    def shown(environment: dict[str, str]) -> str:
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert shown(plain) == "\x1b[1mup     |\x1b[0m hello\n"
    assert shown(plain | {"NO_COLOR": "1"}) == "up     | hello\n"
