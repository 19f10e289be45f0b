"""The version of the code that this process runs, as attempts, jobs and workers carry it."""

import subprocess
from functools import cache

from django.conf import settings

LONGEST = 100
GIT_S = 2.0


@cache
def current() -> str:
    """``SIGNALBOX_RELEASE``, else git's short id of the folder that we run from, else nothing."""
    return settings.SIGNALBOX_RELEASE or from_git(str(settings.BASE_DIR))


def from_git(folder: str) -> str:
    """The short id of what is checked out there; empty without git, or where git does not want to say."""
    asked = ["git", "-C", folder, "rev-parse", "--short", "HEAD"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()[:LONGEST] if done.returncode == 0 else ""
