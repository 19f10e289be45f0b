"""Ends the process groups that its starter named, as soon as the starter is gone, however that went (even kill -9).

It reads `+<group>` and `-<group>` lines from its standard input; the end of that input is the end of the starter.
Run as a script without site-packages; it must import nothing of the project. One pipe does what PR_SET_PDEATHSIG does
on Linux, also on other systems and for the children of children.
"""

import os
import signal
import sys


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        (groups.add if line[0] == "+" else groups.discard)(group)
    for group in groups:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


if __name__ == "__main__":
    main()
