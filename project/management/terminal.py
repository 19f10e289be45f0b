"""Jobs in a terminal: ``name=value`` words become parameters, a job a bar, the state it ends in an exit code."""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from django.core.management import CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tasks.access import actions
from tasks.access.permissions import Actor
from tasks.access.quotas import TooMany
from tasks.engine import registry
from tasks.engine.models import Job
from tasks.engine.visible import in_lines, in_one_line
from tasks.params.signature import ParamError

EXITS = {"succeeded": 0, "failed": 1, "cancelled": 2, "unknown": 1}
USAGE = 64  # as sysexits.h says it: what was asked for makes no sense. 1 and 2 tell how a job ended
LATER = 75  # nothing was done, and later it may be
LOOK_S = 0.25


def misuse(parser: ArgumentParser) -> None:
    """Let a parser, too, end with USAGE: its own 2 would say that the job was cancelled."""
    leave = parser.exit
    parser.exit = lambda status=0, message=None: leave(USAGE if status == 2 else status, message)  # type: ignore


def parameters(kind: str, words: Iterable[str]) -> dict[str, Any]:
    """``["seconds=3", "addresses=a", "addresses=b"]`` as the kind's parameters; a name twice is a list of lines."""
    typed: dict[str, str] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise CommandError(f"{word!r} is not of the form name=value.", returncode=USAGE)
        typed[name] = f"{typed[name]}\n{value}" if name in typed else value
    try:
        return registry.get(kind).signature.clean(typed, text=True)
    except registry.UnknownKind as error:
        known = ", ".join(each.name for each in registry.kinds())
        raise CommandError(f"{error.args[0]} There are: {known}.", returncode=USAGE) from None
    except ParamError as error:
        raise CommandError(in_words(kind, error), returncode=USAGE) from None


def submitted(actor: Actor, kind: str, given: dict[str, Any], **more: Any) -> Job:
    """The job that was asked for; what stands against it is a sentence and an exit code that says nothing of a job."""
    try:
        return actions.submit(actor, kind, given, **more)[0]
    except ParamError as error:
        raise CommandError(in_words(kind, error), returncode=USAGE) from None
    except actions.NotAllowed as error:
        raise CommandError(str(error), returncode=USAGE) from None
    except TooMany as many:
        raise CommandError(f"{many} Try again in {many.wait_s} s.", returncode=LATER) from None


def in_words(kind: str, error: ParamError) -> str:
    return "\n".join(f"{name or kind}: {' '.join(said)}" for name, said in error.errors.items())


class ProgressBar:
    """A job as a progress bar; on a stream that is no terminal, as a line for each change of state."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        columns = (
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[note]}", markup=False), TimeElapsedColumn(),
        )  # fmt: skip
        self._progress = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self._task = self._progress.add_task("…", total=None, note="")
        self._said = ""

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, job: Mapping[str, Any]) -> None:
        """Takes a summary."""
        done, total, note = job["progress"]["done"], job["progress"]["total"], job["progress"]["note"]
        if job["state"] == "succeeded" and not total:
            done = total = 1
        words, note = in_one_line(f"{job['kind']} {job['state']}"), in_one_line(note)
        self._progress.update(self._task, description=words, completed=done, total=total or None, note=note)
        if not self.console.is_terminal and words != self._said:
            self.console.print(words, markup=False)
        self._said = words

    def end(self, job: Mapping[str, Any]) -> None:
        if job["error"] and job["state"] != "succeeded":
            self.console.print(in_lines(job["error"]), markup=False, style="red")


def follow(uid: Any, show: Callable[[Mapping[str, Any]], None]) -> dict[str, Any]:
    """Look at a job's row until it has ended; for commands that sit beside the database."""
    while True:
        job = Job.objects.select_related("owner").get(uid=uid).summary()
        show(job)
        if job["state"] in EXITS:
            return job
        time.sleep(LOOK_S)
