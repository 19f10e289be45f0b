"""Keeps the parts of `manage.py up` running: starts them, marks their output, starts again what dies, stops them all.

It knows processes only, nothing of Django or jobs. One thread, one loop over pipes, signals and children; every part is
a process group of its own, so that what a killed part leaves behind can be ended too. Why none of the kept supervisors:
docs/decisions/supervisor.md.
"""

import io
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.engine.visible import in_one_line
from tasks.engine.words import number_of

BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 4.0, 5.0)
STEADY_S = 10.0  # a part that ran this long starts with the shortest pause again
FIRST_TRIES = 5  # a part that ends this often before it was ever ready will not get ready by trying
COLOURS = (36, 32, 33, 35, 34, 31)


class GaveUp(Exception):
    """A part ended again and again before it was ready; the text is a sentence for people."""


@dataclass
class Part:
    """One process to keep: ``ready`` is asked (often, so it must be quick) until it says yes; None means at once."""

    name: str
    command: list[str]
    ready: Callable[["Part"], bool] | None = None
    env: dict[str, str] = field(default_factory=dict)
    stop_first: bool = True  # False for what the others need until their end
    mute: re.Pattern | None = None  # lines that tell people nothing
    process: subprocess.Popen | None = None
    words: set[str] = field(default_factory=set)
    is_ready: bool = False
    was_ready: bool = False
    ended: int = 0
    started_at: float = 0.0
    start_at: float | None = None
    rest: bytes = b""

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None


class Watchdog:
    """The starter's side of project/watchdog.py: names the groups that must not outlive this process."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.process: subprocess.Popen | None = None
        self.ensure()

    def ensure(self) -> None:
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            self.close()
        script = Path(__file__).with_name("watchdog.py")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script)],
            env={name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ},
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        for group in self.groups:
            self._write("+", group)

    def _write(self, sign: str, group: int) -> None:
        try:
            self.process.stdin.write(f"{sign}{group}\n".encode())
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it is gone: the next ensure() starts another one with all groups

    def watch(self, group: int) -> None:
        self.groups.add(group)
        self._write("+", group)

    def forget(self, group: int) -> None:
        self.groups.discard(group)
        self._write("-", group)

    def close(self) -> None:
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass  # it was killed with a line of ours unread
        self.process.wait()


def kill_group(group: int, number: int = signal.SIGKILL) -> bool:
    """Sends a signal to a whole process group; False when nobody is left in it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def describe_exit(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


class Supervisor:
    """``start`` parts, ``run`` until a signal asks for the end; then every process is gone.

    ``changed`` is called after each start and end of a part.
    """

    def __init__(self, out=None, changed: Callable[["Supervisor"], None] | None = None) -> None:
        self.out = out or sys.stdout
        self.parts: list[Part] = []
        self.stopping = False
        self.hurry = False
        self._changed = changed or (lambda supervisor: None)
        self._colour = self.out.isatty() and "NO_COLOR" not in os.environ
        self._selector = selectors.DefaultSelector()
        self._watchdog = Watchdog()
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only so that it wakes the loop

    def _asked_to_stop(self, *_) -> None:
        self.hurry = self.stopping
        self.stopping = True

    # --- what people read --------------------------------------------------------------------------------------
    def say(self, text: str, name: str = "up") -> None:
        """One marked line of output; when nobody reads it any more the whole product stops."""
        width = max([6, *(len(part.name) for part in self.parts)])
        mark = f"{name:<{width}} |"
        if self._colour:
            names = [part.name for part in self.parts]
            colour = COLOURS[names.index(name) % len(COLOURS)] if name in names else 1
            mark = f"\x1b[{colour}m{mark}\x1b[0m"
        self.print(f"{mark} {text}")

    def print(self, text: str) -> None:
        try:
            print(text, file=self.out, flush=True)
        except (BrokenPipeError, OSError):
            self.stopping = True
            self.out = io.StringIO()

    # --- the life of a part ------------------------------------------------------------------------------------
    def start(self, part: Part) -> None:
        if part not in self.parts:
            self.parts.append(part)
        part.words.clear()
        part.is_ready, part.start_at, part.rest = False, None, b""
        part.started_at = time.monotonic()
        part.process = subprocess.Popen(
            part.command, env=os.environ | {"PYTHONUNBUFFERED": "1"} | part.env, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._watchdog.watch(part.process.pid)
        os.set_blocking(part.process.stdout.fileno(), False)
        self._selector.register(part.process.stdout, selectors.EVENT_READ, part)
        self._changed(self)

    def _read(self, part: Part) -> bool:
        """Takes what the part has said; False when there was nothing (yet, or ever again)."""
        try:
            data = os.read(part.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return False
        if not data:
            self._selector.unregister(part.process.stdout)
            return False
        *lines, part.rest = (part.rest + data).split(b"\n")
        if len(part.rest) > 65536:
            lines, part.rest = [*lines, part.rest], b""
        for line in lines:
            self._take_line(part, line)
        return True

    def _take_line(self, part: Part, line: bytes) -> None:
        text = in_one_line(line.decode(errors="replace").rstrip())
        if text.startswith("signalbox:"):  # a line from the part to us, such as "signalbox:ready"
            part.words.add(text.removeprefix("signalbox:"))
        elif text and not (part.mute and part.mute.search(text)):
            self.say(text, part.name)

    def _drain(self, part: Part) -> None:
        """What a dead part said last; without waiting for what it left behind to close the pipe."""
        pipe = part.process.stdout
        while pipe in self._selector.get_map() and self._read(part):
            pass
        if pipe in self._selector.get_map():
            self._selector.unregister(pipe)
        if part.rest:
            self._take_line(part, part.rest)
        pipe.close()

    def _clean_up(self, part: Part) -> int:
        """Ends what a dead part left behind (a worker's children), and takes its last output."""
        code = part.process.returncode
        kill_group(part.process.pid)
        self._watchdog.forget(part.process.pid)
        self._drain(part)
        part.process, part.is_ready = None, False
        return code

    def _died(self, part: Part) -> None:
        steady = time.monotonic() - part.started_at >= STEADY_S
        code = self._clean_up(part)
        part.ended = 1 if steady else part.ended + 1
        if part.ended >= FIRST_TRIES and not part.was_ready:
            raise GaveUp(
                f"{part.name} ended {number_of(part.ended, 'time')} before it was ready ({describe_exit(code)})."
            )
        pause = BACKOFF_S[min(part.ended, len(BACKOFF_S)) - 1]
        part.start_at = time.monotonic() + pause
        self.say(f"{part.name} ended ({describe_exit(code)}); it is started again in {pause:g} s.")
        self._changed(self)

    # --- the loop ----------------------------------------------------------------------------------------------
    def step(self, longest: float = 0.2) -> None:
        """Waits for something to happen, at most ``longest`` seconds, and deals with it."""
        for key, _ in self._selector.select(longest):
            if key.data is None:
                self._wake_read.recv(4096)
            else:
                self._read(key.data)
        for part in self.parts:
            if part.process is not None and part.process.poll() is not None and not self.stopping:
                self._died(part)
            elif part.start_at is not None and time.monotonic() >= part.start_at and not self.stopping:
                self.start(part)
            if part.process is not None and not part.is_ready and (part.ready is None or part.ready(part)):
                part.is_ready = True
                if part.was_ready:
                    self.say(f"{part.name} is back.")
                part.was_ready = True
        self._watchdog.ensure()

    def wait_ready(self) -> bool:
        """Until every part is ready; False when a signal asked for the end meanwhile."""
        while not self.stopping and not all(part.is_ready for part in self.parts):
            self.step(0.05)
        return not self.stopping

    def run(self) -> None:
        while not self.stopping:
            self.step()

    def stop(self, patience: float = 7.0) -> None:
        """Asks the parts to end, then what they need, and ends whatever stays; within 10 s in any case."""
        self.stopping = True
        if self._selector.get_map() is None:
            return  # done already
        self._stop([part for part in self.parts if part.stop_first], patience)
        self._stop([part for part in self.parts if not part.stop_first], min(patience, 2.0))
        self._watchdog.close()
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._wake_read.close()
        self._wake_write.close()

    def _stop(self, parts: Iterable[Part], patience: float) -> None:
        alive = [part for part in parts if part.process is not None]
        for part in alive:
            part.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + patience
        while alive and time.monotonic() < end and not self.hurry:
            self.step(0.05)
            for part in [part for part in alive if part.process.poll() is not None]:
                alive.remove(part)
                self._clean_up(part)
        for part in alive:
            kill_group(part.process.pid)
            part.process.wait()
            self._clean_up(part)
