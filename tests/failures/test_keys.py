"""What makes a group: the class, the line of one's own code, and the message without what differs each time."""

import json
import time

import pytest

from tasks.engine.errors import Failure, pattern


@pytest.mark.parametrize(
    ("error", "same"),
    [
        ("ApiError: request req_dad03d59 failed", "ApiError: request … failed"),
        ("GatewayError: 502 from 'bank a' for invoice 17", "GatewayError: … from … for invoice …"),
        ("OSError: [Errno 2] No such file: '/tmp/a'", "OSError: [Errno …] No such file: …"),
        ("no such file /var/lib/x/y.txt here", "no such file … here"),
        ("at 2026-11-28T10:00:03.123Z from 10.0.0.3:5432", "at … from …"),
        ("to https://a.example/x?y=1 by a.b@example.org", "to … by …"),
        ("id 0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a", "id …"),
        ("object at 0x7f3a12, commit deadbeef", "object at …, commit …"),
        ("it isn't what it wasn't", "it isn't what it wasn't"),
        ("either and/or neither", "either and/or neither"),
        ("", ""),
    ],
)
def test_what_differs_each_time_is_blanked(error, same):
    assert pattern(error) == same


@pytest.mark.parametrize(
    "piece", ["a", "1", "/", "'", "a@", "a.", "a-1", "…", "…. ", "http://", "/a", "a1:", "0x", '"']
)
def test_blanking_takes_no_longer_for_the_worst_letters(piece):
    began = time.process_time()
    pattern((piece * 60_000)[:60_000])
    assert time.process_time() - began < 0.5


def looks_up(table: dict, key: str) -> None:
    if key == "price":
        table[key]
    else:
        table[key] + 1


def of(action, *args) -> Failure:
    try:
        action(*args)
    except Exception as error:
        return Failure.of(error)
    raise AssertionError("it did not fail")


def test_the_same_class_in_two_lines_are_two_groups_and_in_one_line_one():
    price, name, other = (of(looks_up, {}, key) for key in ("price", "name", "other"))
    assert price.key != name.key == other.key
    assert price.error == "KeyError: 'price'"


def test_a_library_is_not_the_place():
    """Raised inside of json, by two lines of one's own."""

    def one() -> None:
        json.loads("{broken")

    def two() -> None:
        json.loads("[broken, too")

    assert of(one).key == of(one).key != of(two).key


def test_one_outage_is_one_group():
    class ApiError(Exception):
        pass

    def call(number: int) -> None:
        raise ApiError(f"502 for request req_{number:08x} at 10.0.{number}.1:443 after {number / 7:.3f} s")

    assert len({of(call, number).key for number in range(100)}) == 1
