"""Signatures of one parameter, and some types that it may have: what tests of parameters are made of."""

from __future__ import annotations

import re
from enum import Enum, IntEnum, StrEnum
from typing import Any

import pytest

from tasks.params.signature import ParamError, Signature

UID = "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"
MISSING = object()


class Colour(StrEnum):
    RED = "red"
    DARK_BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Shape(Enum):
    ROUND = (1, 2)
    FLAT = object()


def named(value: Any) -> str:
    """The same in every process, as tests that run side by side must be: an object's address is not."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))[:60]


def signature_of(annotation: Any, default: Any = MISSING) -> Signature:
    """The signature of a job with one parameter, `value`."""

    def kind(value):
        """Do one thing."""

    kind.__annotations__ = {"value": annotation}
    if default is not MISSING:
        kind.__defaults__ = (default,)
    return Signature.of(kind)


def errors_of(signature: Signature, raw: Any, **options: Any) -> dict[str, list[str]]:
    with pytest.raises(ParamError) as caught:
        signature.clean(raw, **options)
    return caught.value.errors
