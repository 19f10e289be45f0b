"""What a job may return: JSON as Django writes it, and one odd leaf does not cost the rest."""

import json
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
        (b"ab", "ab"),
        (b"\x00a", "AGE="),
    ],
)
def test_a_leaf_without_json_is_written_as_text_and_costs_only_itself(leaf, stored):
    assert storable.result({"rows": [leaf], "count": 1}) == {"rows": [stored], "count": 1}
    assert storable.result(leaf) == stored


def test_what_cannot_be_written_costs_one_leaf_only():
    assert storable.result([1, 10**5000, 2]) == [1, "(a whole number of about 5,001 digits, which is not kept)", 2]
    assert storable.result({"n": -(10**4000)}) == {"n": -(10**4000)}
    loop: list = [1]
    loop.append(loop)
    assert storable.result(loop) == [1, "[1, [...]]"]
    both: list = [3]
    assert storable.result([both, both]) == [[3], [3]], "twice is not within itself"

    class Broken(dict):
        def items(self):
            raise RuntimeError

    class Torn(list):
        def __iter__(self):
            yield 1
            raise OSError

    assert storable.result([Broken(a=1), Torn([5]), 2]) == ["{'a': 1}", "[5]", 2]
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    kept = storable.result({"deep": deep, "count": 1})
    assert kept["count"] == 1 and str(kept["deep"]).startswith("[[[[")
    assert json.loads(json.dumps(kept)) == kept


def test_a_result_that_grows_with_every_level_is_given_up_early():
    grown: list = [1] * 1_000
    for _ in range(40):
        grown = [grown, grown]
    assert storable.result(grown) == "(a result of more than 524,288 bytes was not kept)"
    assert storable.result(["x" * 300_000] * 3) == "(a result of more than 524,288 bytes was not kept)"
    assert storable.result("é" * 100_000) == "(a result of 600,002 bytes was not kept: at most 524,288 are)"


def test_keys_that_json_would_write_alike_are_both_kept():
    assert storable.result({1: "a", "1": "b", 2: "c"}) == {"1": "a", "1 (str)": "b", "2": "c"}
    assert storable.result({True: "a", "true": "b", None: "c", "null": "d"}) == {
        "true": "a", "true (str)": "b", "null": "c", "null (str)": "d",
    }  # fmt: skip


def test_numbers_are_what_they_were():
    numbers = [9007199254740993, 1.0, -0.0, 1e16, 1e300, 5e-324, 0.1, 2**64, True]
    assert [repr(each) for each in storable.result(numbers)] == [repr(each) for each in numbers]


def test_secrets_leave_every_leaf():
    said = storable.result({"pin": [Line("pin 1234", Decimal(1))], 5: {"1234"}}, lambda text: text.replace("1234", "•"))
    assert said == {"pin": [{"item": "pin •", "price": "1"}], "5": ["•"]}
