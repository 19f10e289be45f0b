"""The decorator of kinds that only teach. With SIGNALBOX_SAMPLES=off they are plain functions."""

from collections.abc import Callable
from typing import Any

from django.conf import settings

from tasks.base import job


def sample(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Takes the options of ``job``."""
    return job(**options) if settings.SIGNALBOX_SAMPLES else lambda function: function
