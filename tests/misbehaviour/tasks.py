"""The kind that misbehaves in every way that the kit knows."""

from typing import Any

from tasks.base import job
from tests.misbehaviour import connections, errors, processes, values
from tests.misbehaviour.ordinary import ordinary

WAYS = {**connections.WAYS, **processes.WAYS, **values.WAYS, **{name: code for name, (_, code) in errors.WAYS.items()}}

__all__ = ["misbehaves", "ordinary"]


@job(effects="none", max_retries=0)
def misbehaves(how: str) -> Any:
    return WAYS[how]()
