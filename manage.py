#!/usr/bin/env python
"""Signalbox's command line; `manage.py up` runs the whole product. What is wrong outside of it: one sentence."""

import sys

from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError, ProgrammingError

from project import startup

AWAY = 75  # EX_TEMPFAIL of sysexits.h: nothing was done, and later it may be


def why(error: Exception) -> tuple[str, int] | None:
    """What a database said as a sentence, and the exit code; None when it is our statement that was wrong."""
    reason = str(error).partition("\n")[0].rstrip(".")
    if "no such table" in reason or "no such column" in reason or 'relation "' in reason or 'column "' in reason:
        return f"The database is not prepared: run `manage.py migrate` ({reason}).", 1
    if isinstance(error, ProgrammingError):
        return None
    return f"The database cannot be used: {reason}.", AWAY


if __name__ == "__main__":
    startup.set_up(check=sys.argv[1:2] != ["check"])  # which says itself what is wrong, and all of it
    try:
        execute_from_command_line(sys.argv)
    except (OperationalError, InterfaceError, ProgrammingError) as error:
        said = why(error)
        if said is None or "--traceback" in sys.argv:
            raise
        print(said[0], file=sys.stderr)
        sys.exit(said[1])
