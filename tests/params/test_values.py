"""A value of each type: what is accepted, how it is stored and handed over, and in which words it is refused."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.params.annotations import rule_for
from tasks.params.signature import MASK, File, ParamError, Ref, Secret, Url
from tasks.params.types import LONGEST
from tests.support.signatures import UID, Colour, Shape, Size, errors_of, named, signature_of

# (annotation, what is given, JSON that is stored, Python value that the function gets)
ACCEPTED = [
    (str, "é\n •", "é\n •", "é\n •"),
    (str, "", "", ""),
    (str, Colour.RED, "red", "red"),
    (int, 10, 10, 10),
    (int, " 10 ", 10, 10),
    (int, "-7", -7, -7),
    (int, 10.0, 10, 10),
    (int, Size.LARGE, 2, 2),
    (int, 2**63 - 1, 2**63 - 1, 2**63 - 1),
    (Annotated[int, range(1, 61)], "60", 60, 60),
    (float, 1, 1.0, 1.0),
    (float, "1.5e3", 1500.0, 1500.0),
    (float, ".5", 0.5, 0.5),
    (bool, True, True, True),
    (bool, "on", True, True),
    (bool, "True", True, True),
    (bool, "false", False, False),
    (bool, "0", False, False),
    (Decimal, "9.90", "9.90", Decimal("9.90")),
    (Decimal, 3, "3", Decimal(3)),
    (Decimal, Decimal("1E+3"), "1000", Decimal(1000)),
    (date, "2026-11-23", "2026-11-23", date(2026, 11, 23)),
    (date, date(2026, 2, 28), "2026-02-28", date(2026, 2, 28)),
    (datetime, "2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", datetime(2026, 11, 23, 10, tzinfo=UTC)),
    (datetime, "2026-11-23 10:00+02:00", "2026-11-23T08:00:00Z", datetime(2026, 11, 23, 8, tzinfo=UTC)),
    (
        datetime,
        datetime(2026, 11, 23, 1, 0, 0, 5, tzinfo=timezone(timedelta(hours=2))),
        "2026-11-22T23:00:00.000005Z",
        datetime(2026, 11, 22, 23, 0, 0, 5, tzinfo=UTC),
    ),
    (Literal["fast", "slow"], "slow", "slow", "slow"),
    (Literal[1, 2], "2", 2, 2),
    (Literal["1", 1], 1, 1, 1),
    (Literal["1", 1], "1", "1", "1"),
    (Colour, "blue", "blue", Colour.DARK_BLUE),
    (Colour, Colour.RED, "red", Colour.RED),
    (Size, "1", 1, Size.SMALL),
    (Size, Size.LARGE, 2, Size.LARGE),
    (Shape, "ROUND", "ROUND", Shape.ROUND),
    (Shape, Shape.FLAT, "FLAT", Shape.FLAT),
    (list[str], ["a\nb", ""], ["a\nb", ""], ["a\nb", ""]),
    (list[str], "a\r\n\n  b  \n", ["a", "b"], ["a", "b"]),
    (list[str], "", [], []),
    (list[int], "1\n2", [1, 2], [1, 2]),
    (list[int], (1, "2"), [1, 2], [1, 2]),
    (list[date], "2026-11-23", ["2026-11-23"], [date(2026, 11, 23)]),
    (list[Annotated[str, Url]], ["http://a.example"], ["http://a.example"], ["http://a.example"]),
    (dict, {"a": [1, None, {"b": (True, 1.5)}]}, *[{"a": [1, None, {"b": [True, 1.5]}]}] * 2),
    (dict, '{"a": 1}', {"a": 1}, {"a": 1}),
    (dict[str, Any], {}, {}, {}),
    (Any, "10", "10", "10"),
    (Any, None, None, None),
    (str | None, "", None, None),
    (int | None, "", None, None),
    (Optional[int], None, None, None),  # noqa: UP045
    (None | int, 3, 3, 3),
    (Colour | None, "red", "red", Colour.RED),
    (dict | None, "", None, None),
    (Any | None, "", "", ""),
    (Annotated[str, Url], " https://example.com:8443/a?b=c#d ", *["https://example.com:8443/a?b=c#d"] * 2),
    (Annotated[str, Url], "http://[::1]/", "http://[::1]/", "http://[::1]/"),
    (Annotated[str, Url] | None, "", None, None),
    (Annotated[str | None, Url], "http://bücher.example", "http://bücher.example", "http://bücher.example"),
    (Annotated[str, Secret], " spaces stay ", " spaces stay ", " spaces stay "),
    (Annotated[str, Ref("feeds.Feed")], UID.upper(), UID, UID),
    (Annotated[str, Ref("feeds.Feed")], UUID(UID), UID, UID),
    (Annotated[str, File], UID, UID, UID),
]


@pytest.mark.parametrize(("annotation", "given", "stored", "loaded"), ACCEPTED, ids=named)
def test_a_value_is_stored_as_json_and_handed_over_as_python(annotation, given, stored, loaded):
    signature = signature_of(annotation)
    clean = signature.clean({"value": given})
    assert json.loads(json.dumps(clean, allow_nan=False)) == clean == {"value": stored}
    assert type(clean["value"]) is type(stored), "a subclass would not survive storing"
    assert signature.load(clean) == {"value": loaded}
    assert type(signature.load(clean)["value"]) is type(loaded)
    assert signature.clean(clean) == clean, "the digest of an idempotency key is taken from this"
    jsonschema.Draft202012Validator(signature.schema()).validate(clean)


WHOLE = "Give a whole number."
UNSTORABLE = "Leave out characters that cannot be stored (NUL, half of a surrogate pair)."
REFUSED = [
    (str, 10, "Give text."),
    (str, None, "Give text."),
    (str, "a\0b", UNSTORABLE),
    (str, "\ud800", UNSTORABLE),
    (str, "a" * (LONGEST + 1), "Give at most 50,000 characters."),
    (int, "1.5", WHOLE),
    (int, 1.5, WHOLE),
    (int, True, WHOLE),
    (int, None, WHOLE),
    (int, "", WHOLE),
    (int, "1_000", WHOLE),
    (int, "\N{ARABIC-INDIC DIGIT ONE}", WHOLE),
    (int, "0x10", WHOLE),
    (int, [1], WHOLE),
    (int, b"1", WHOLE),
    (int, math.nan, WHOLE),
    (int, math.inf, WHOLE),
    (int, "9" * 5000, "Give at most 100 characters."),
    (int, 2**63, "Give a whole number from -9223372036854775808 to 9223372036854775807."),
    (int, str(-(2**63) - 1), "Give a whole number from -9223372036854775808 to 9223372036854775807."),
    (int, 1e300, "Give a whole number from -9223372036854775808 to 9223372036854775807."),
    (Annotated[int, range(1, 61)], 61, "Give a whole number from 1 to 60."),
    (float, "nan", "Give a number."),
    (float, math.nan, "Give a finite number."),
    (float, -math.inf, "Give a finite number."),
    (float, "1e999", "Give a finite number."),
    (float, 10**400, "Give a number."),
    (float, True, "Give a number."),
    (float, "1,5", "Give a number."),
    (bool, 1, "Give true or false."),
    (bool, "maybe", "Give true or false."),
    (bool, None, "Give true or false."),
    (Decimal, 9.9, 'Give a decimal number (in JSON as text, such as "9.90").'),
    (Decimal, "NaN", 'Give a decimal number (in JSON as text, such as "9.90").'),
    (Decimal, Decimal("Infinity"), "Give at most 30 digits before the point and 30 after it."),
    (Decimal, "1e999999", "Give at most 30 digits before the point and 30 after it."),
    (Decimal, "1e-31", "Give at most 30 digits before the point and 30 after it."),
    (date, "2026-02-30", "Give a date, such as 2026-11-23."),
    (date, "2026-W05-1", "Give a date, such as 2026-11-23."),
    (date, datetime(2026, 1, 1, tzinfo=UTC), "Give a date, such as 2026-11-23."),
    (date, 20261123, "Give a date, such as 2026-11-23."),
    (datetime, "2026-11-23T10:00", "Give a date and time with its offset from UTC, such as 2026-11-23T10:00:00Z."),
    (
        datetime,
        datetime(2026, 11, 23),
        "Give a date and time with its offset from UTC, such as 2026-11-23T10:00:00Z.",
    ),
    (
        datetime,
        "0001-01-01T00:00+10:00",
        "Give a date and time with its offset from UTC, such as 2026-11-23T10:00:00Z.",
    ),
    (Literal["fast", "slow"], "medium", "Choose one of: fast, slow."),
    (Literal["fast", "slow"], ["fast"], "Choose one of: fast, slow."),
    (Literal[1, 2], True, "Choose one of: 1, 2."),
    (Colour, "DARK_BLUE", "Choose one of: red, blue."),
    (Colour, "", "Choose one of: red, blue."),
    (Shape, (1, 2, 3), "Choose one of: ROUND, FLAT."),
    (list[int], "1\n\ntwo", "Entry 2: Give a whole number."),
    (list[int], [1, None], "Entry 2: Give a whole number."),
    (list[str], ["ok", 1], "Entry 2: Give text."),
    (list[str], {"a": 1}, "Give a list, one entry a line."),
    (list[str], {"a"}, "Give a list, one entry a line."),
    (dict, [1], 'Give a JSON object, such as {"name": "value"}.'),
    (dict, "[1]", 'Give a JSON object, such as {"name": "value"}.'),
    (dict, "{", 'Give a JSON object, such as {"name": "value"}.'),
    (dict, "[" * 100_000, 'Give a JSON object, such as {"name": "value"}.'),
    (dict, '{"a": NaN}', "Give a finite number."),
    (dict, {"a": {"b": "\0"}}, UNSTORABLE),
    (dict, {"a\0": 1}, UNSTORABLE),
    (dict, {"a": 2**63}, "Give a whole number from -9223372036854775808 to 9223372036854775807."),
    (dict, {(1, 2): "a"}, 'Give a JSON object, such as {"name": "value"}.'),
    (Any, object(), "Give something that JSON can hold."),
    (Any, {"a": timedelta(1)}, "Give something that JSON can hold."),
    (Annotated[str, Secret], MASK, "Give the secret again: what is shown in its place is not its value."),
    (Annotated[str, Secret], 1234, "Give text."),
    (Annotated[str, Ref("feeds.Feed")], "1", "Give the id of a row, such as 0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a."),
    (
        Annotated[str, Ref("feeds.Feed")],
        f"{{{UID}}}",
        "Give the id of a row, such as 0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a.",
    ),
    (Annotated[str, File], "../etc/passwd", "Give the id of an upload."),
]
BAD_URLS = [
    "", "example.com", "ftp://a.example", "javascript:alert(1)", "file:///etc/passwd", "http://", "http:///path",
    "http://.", "http://:80/", "http://a b.example", "http://a.example\\b/",
    "http://a.example:99999", "http://a.example:0", "http://[::1", "//a.example", "http://a.example/\x7f", 3, None,
]  # fmt: skip
REFUSED += [(Annotated[str, Url], url, "Give a web address that begins with http:// or https://.") for url in BAD_URLS]
REFUSED += [
    (Annotated[str, Url], "http://a:b@a.example", "Leave user name and password out of the address: others see it."),
    (Annotated[str, Url], "http://a.example/" + "a" * 2048, "Give at most 2,048 characters."),
]


@pytest.mark.parametrize(("annotation", "given", "sentence"), REFUSED, ids=named)
def test_a_wrong_value_is_refused_in_one_sentence_beside_its_field(annotation, given, sentence):
    assert errors_of(signature_of(annotation), {"value": given}) == {"value": [sentence]}


def nested(levels: int) -> Any:
    return [] if levels == 0 else [nested(levels - 1)]


def test_json_may_be_fifty_levels_deep():
    signature = signature_of(Any)
    assert signature.clean({"value": nested(50)}) == {"value": nested(50)}
    assert errors_of(signature, {"value": nested(51)}) == {"value": ["Nest at most 50 levels."]}


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("3", 3),
        ("[1, 2]", [1, 2]),
        ("true", True),
        ("null", None),
        ("", None),
        ("abc", "abc"),
        ('"a"', '"a"'),
        ("{", "{"),
    ],
)
def test_where_anything_goes_typed_text_is_read_as_json(typed, means):
    signature = signature_of(Any)
    clean = signature.clean({"value": typed}, text=True)
    assert clean == {"value": means} == signature.clean(clean)
    assert signature.clean({"value": typed}) == {"value": typed}, "a text that comes by the API stays as it is"


TEXTS = st.text(max_size=30)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.dates() | st.decimals() | st.datetimes()
NUMERALS = st.from_regex(r"[+-]?[0-9]{0,3}\.?[0-9]{0,3}(e[+-]?[0-9]{1,2})?", fullmatch=True)
ANYTHING = (
    NUMERALS
    | st.datetimes(timezones=st.timezones())
    | st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
    )
)
ANNOTATIONS = sorted({row[0] for row in ACCEPTED}, key=repr)


@given(st.sampled_from(ANNOTATIONS), ANYTHING)
def test_whatever_is_given_is_refused_in_words_or_stable(annotation, value):
    signature = signature_of(annotation)
    try:
        clean = signature.clean({"value": value})
    except ParamError as error:
        (sentence,) = error.errors["value"]
        assert sentence.endswith(".")
        return
    stored = json.loads(json.dumps(clean, allow_nan=False).encode())
    assert json.dumps(signature.clean(stored)) == json.dumps(clean), "to the byte: digests are taken from it"
    loaded = signature.load(stored)
    assert signature.clean(loaded) == clean, "what the function gets means what was stored"
    jsonschema.Draft202012Validator(signature.schema()).validate(clean)


# Zones with summer time have moments that Python never holds equal to those of another zone.
OFFSETS = st.builds(timezone, st.builds(timedelta, minutes=st.integers(-1439, 1439)))


@given(st.sampled_from(ANNOTATIONS), st.data())
def test_what_the_function_gets_is_what_was_meant(annotation, data):
    rule, nullable, _ = rule_for(annotation)
    values = {
        "text": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        "integer": st.integers(1, 60),
        "number": st.floats(allow_nan=False, allow_infinity=False),
        "boolean": st.booleans(),
        "decimal": st.decimals(-(10**9), 10**9, places=4),
        "date": st.dates(),
        "datetime": st.datetimes(
            datetime(2, 1, 1), datetime(9998, 1, 1), timezones=OFFSETS
        ),
    }  # fmt: skip
    value = data.draw(values.get(rule.type, st.none()))
    if value is None or (nullable and value == ""):
        return
    signature = signature_of(annotation)
    assert signature.load(signature.clean({"value": value})) == {"value": value}
