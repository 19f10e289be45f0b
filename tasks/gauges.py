"""Numbers that a page may ask to be kept up to date by its socket, beside what every frame of the board has."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from tasks import history

GAUGES: dict[str, Callable[[], Any]] = {
    "queues": history.queues,
    **{f"chart-{period}": partial(history.chart, period) for period in history.PERIODS},
}


def read(names: Iterable[str]) -> dict[str, Any]:
    """Name → value, of those that there are."""
    return {name: GAUGES[name]() for name in names if name in GAUGES}
