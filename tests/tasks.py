"""Kinds that only the tests know: each shows one property of @job."""

from typing import Annotated

from tasks.base import job
from tasks.params import Secret


@job(serial_key="{feed}", effects="none")
def serial(feed: str) -> None:
    """One at a time for each feed."""


@job(effects="none")
def keeps_a_secret(report, name: str, password: Annotated[str, Secret]) -> str:
    """Say the password aloud, wherever a job can say something."""
    report.log(f"the password is {password}")
    report.progress(1, 1, password)
    raise ValueError(f"wrong password {password}")
