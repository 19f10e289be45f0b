"""What a job may return: JSON as Django writes it, and one odd leaf does not cost the rest."""

from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

import pytest

from tasks.engine import storable


class Colour(Enum):
    RED = "red"


@dataclass
class Line:
    item: str
    price: Decimal


class Odd:
    def __repr__(self) -> str:
        return "<an odd one>"


class Shy:
    def __repr__(self) -> str:
        raise RuntimeError


UID = "0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a"


@pytest.mark.parametrize(
    ("leaf", "stored"),
    [
        (datetime(2026, 11, 23, 10, tzinfo=UTC), "2026-11-23T10:00:00Z"),
        (date(2026, 11, 23), "2026-11-23"),
        (timedelta(seconds=90), "P0DT00H01M30S"),
        (Decimal("9.90"), "9.90"),
        (UUID(UID), UID),
        ({7}, [7]),
        ((1, "a"), [1, "a"]),
        (namedtuple("Point", "x y")(1, 2), [1, 2]),
        (Line("tea", Decimal("2.50")), {"item": "tea", "price": "2.50"}),
        (Colour.RED, "red"),
        (float("nan"), "nan"),
        ({1: "a", None: "b", UUID(UID): "c", (1, 2): "d"}, {"1": "a", "null": "b", UID: "c", "[1, 2]": "d"}),
        (Odd(), "<an odd one>"),
        (Shy(), "(Shy, which cannot be shown)"),
        (b"\x00a", r"b'\x00a'"),
    ],
)
def test_a_leaf_without_json_is_written_as_django_does_and_costs_only_itself(leaf, stored):
    assert storable.result({"rows": [leaf], "count": 1}) == {"rows": [stored], "count": 1}
    assert storable.result(leaf) == stored


def test_a_result_that_holds_itself_is_shown_as_python_shows_it():
    loop: list = [1]
    loop.append(loop)
    assert storable.result(loop) == "[1, [...]]"


def test_secrets_leave_every_leaf():
    said = storable.result({"pin": [Line("pin 1234", Decimal(1))], 5: {"1234"}}, lambda text: text.replace("1234", "•"))
    assert said == {"pin": [{"item": "pin •", "price": "1"}], "5": ["•"]}
