"""The signature is the contract: what a job accepts, in which words it refuses, what its function is called with."""

from __future__ import annotations

import json
import math
import pickle
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.annotations import rule_for
from tasks.params import LARGEST, MASK, File, ParamError, Ref, Secret, Signature, Url
from tasks.rules import LONGEST

if TYPE_CHECKING:
    from nowhere import Report

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
    (dict, {1: "a"}, 'Give a JSON object, such as {"name": "value"}.'),
    (Any, object(), "Give something that JSON can hold."),
    (Any, {"a": date(2026, 1, 1)}, "Give something that JSON can hold."),
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


def sample(report, feed: Annotated[str, Url], token: Annotated[str, Secret], retries: int = 3, *, full: bool = False):
    """Fetch one feed.

    And more that the help leaves out.
    """


def test_every_wrong_field_is_told_at_once():
    errors = errors_of(Signature.of(sample), {"feed": "x", "retries": "y", "colour": 1, 5: 6})
    assert errors == {
        "feed": ["Give a web address that begins with http:// or https://."],
        "token": ["Give a value."],
        "retries": ["Give a whole number."],
        "colour": ["This job has no such parameter."],
        "5": ["This job has no such parameter."],
    }


def test_an_error_reads_well_survives_pickle_and_never_repeats_a_value():
    with pytest.raises(ParamError) as caught:
        Signature.of(sample).clean({"feed": "http://me:hunter2@a.example", "token": ["hunter3"]})
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.errors == caught.value.errors
    assert str(copy) == ("feed: Leave user name and password out of the address: others see it. token: Give text.")


@pytest.mark.parametrize("raw", [None, [], "feed", 3])
def test_parameters_are_an_object(raw):
    assert errors_of(Signature.of(sample), raw) == {"": ["Give the parameters as an object of names and values."]}


def test_parameters_take_at_most_64_kib_of_json():
    signature = signature_of(list[str])
    entries = ["é" * 1000] * 32  # 2 bytes each
    assert signature.clean({"value": entries})
    assert errors_of(signature, {"value": [*entries, "a" * 2000]}) == {
        "": [f"Give at most {LARGEST // 1024} KiB of parameters: these are 64.6 KiB."]
    }


def test_fields_tell_a_form_all_it_needs():
    signature = Signature.of(sample)
    assert signature.takes_report
    assert signature.help == "Fetch one feed."
    assert signature.secrets == {"token"}
    assert [(f.name, f.type, f.required, f.default, f.label) for f in signature.fields] == [
        ("feed", "url", True, None, "Feed"),
        ("token", "secret", True, None, "Token"),
        ("retries", "integer", False, 3, "Retries"),
        ("full", "boolean", False, False, "Full"),
    ]


def test_fields_tell_choices_items_models_and_help():
    class Feed:
        class _meta:
            label = "feeds.Feed"

    def field(annotation):
        return signature_of(annotation).fields[0]

    assert field(Colour).choices == (("red", "Red"), ("blue", "Dark blue"))
    assert field(Literal[1, 2]).choices == ((1, "1"), (2, "2"))
    assert (field(list[int]).type, field(list[int]).item.type) == ("list", "integer")
    assert field(list[Colour]).item.choices == field(Colour).choices
    assert field(Annotated[str, Ref(Feed)]).model == field(Annotated[str, Ref("feeds.Feed")]).model == "feeds.Feed"
    assert field(Annotated[int | None, "How often."]).help == "How often."
    assert field(Annotated[int | None, "How often."]).nullable


def test_schema_is_valid_and_closed_and_says_nothing_of_a_secret():
    def kind(
        name: str,
        mode: Literal["fast", "slow"] | None,
        key: Annotated[str, Secret, "From the provider."] = "unsafe",
        when: datetime | None = None,
        sizes: list[int] = (1, 2),
        colour: Colour = Colour.RED,
    ):
        """Do it."""

    schema = Signature.of(kind).schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kind",
        "description": "Do it.",
        "type": "object",
        "properties": {
            "name": {"title": "Name", "type": "string", "maxLength": LONGEST},
            "mode": {"title": "Mode", "enum": ["fast", "slow", None], "default": None},
            "key": {
                "title": "Key",
                "description": "From the provider.",
                "type": "string",
                "format": "password",
                "writeOnly": True,
            },
            "when": {"title": "When", "type": ["string", "null"], "format": "date-time", "default": None},
            "sizes": {
                "title": "Sizes",
                "type": "array",
                "items": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
                "default": [1, 2],
            },
            "colour": {"title": "Colour", "enum": ["red", "blue"], "default": "red"},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("annotation", "default", "clean"),
    [
        (int, 3, 3),
        (int | None, 3, 3),
        (int, None, None),
        (str | None, "", ""),
        (Annotated[str, Secret], "", ""),
        (date, date(2026, 1, 1), "2026-01-01"),
        (Colour, Colour.RED, "red"),
        (list[str], ("a",), ["a"]),
        (dict, {"a": 1}, {"a": 1}),
        (Decimal, Decimal("1.50"), "1.50"),
    ],
)
def test_a_default_is_filled_in_and_stays(annotation, default, clean):
    signature = signature_of(annotation, default)
    assert signature.clean({}) == {"value": clean} == signature.clean(signature.clean({}))
    assert signature.fields[0].default == clean
    assert not signature.fields[0].required


def test_a_mutable_default_is_new_for_each_job():
    signature = signature_of(dict, {"seen": []})
    signature.clean({})["value"]["seen"].append(1)
    assert signature.clean({}) == {"value": {"seen": []}}


def test_an_existing_task_without_annotations_takes_what_it_took():
    def task(self, x, times=2, rate=0.5, name="you", loud=False, nothing=None, wait=timedelta(5), bad="\0", **more):
        pass

    signature = Signature.of(task, bound=True)
    types = {field.name: field.type for field in signature.fields}
    assert types == {
        "x": "json", "times": "integer", "rate": "number", "name": "text", "loud": "boolean", "nothing": "json",
        "wait": "json", "bad": "text",
    }  # fmt: skip
    assert not signature.takes_report
    clean = signature.clean({"x": [1], "other": {"a": 1}})
    assert clean == {
        "x": [1], "times": 2, "rate": 0.5, "name": "you", "loud": False, "nothing": None, "other": {"a": 1},
    }, "a default that JSON cannot hold is left to Python"  # fmt: skip
    assert signature.load(clean) == clean
    assert signature.clean({"x": 1, "wait": 3})["wait"] == 3
    assert "wait" not in signature.clean({"x": "1", "wait": ""}, text=True), "a form shows it empty"
    assert signature.schema()["additionalProperties"] == {}
    assert "default" not in signature.schema()["properties"]["wait"]


def test_further_names_have_the_type_of_their_annotation_and_can_be_names():
    def kind(self, report, **more: int):
        pass

    signature = Signature.of(kind, bound=True)
    assert signature.clean({"a": "1"}) == {"a": 1}
    assert signature.schema()["additionalProperties"]["type"] == "integer"
    assert errors_of(signature, {"a": "x", "a b": 1, "": 1, "self": 1, "report": 1}) == {
        "a": ["Give a whole number."],
        "a b": ["Give a name of at most 100 letters, digits and underscores."],
        "": ["Give a name of at most 100 letters, digits and underscores."],
        "self": ["This job has no such parameter."],
        "report": ["This job has no such parameter."],
    }


@pytest.mark.parametrize(
    ("bound", "args", "kwargs", "named"),
    [
        (False, ("f",), {"token": "t"}, {"feed": "f", "token": "t"}),
        (False, ("f", "t", 4), {"full": True}, {"feed": "f", "token": "t", "retries": 4, "full": True}),
    ],
)
def test_positions_become_names(bound, args, kwargs, named):
    assert Signature.of(sample, bound=bound).bind(args, kwargs) == named


def test_further_names_are_bound_beside_the_others():
    def kind(a, **more):
        pass

    assert Signature.of(kind).bind((1,), {"b": 2, "more": 3}) == {"a": 1, "b": 2, "more": 3}


@pytest.mark.parametrize(
    ("args", "kwargs", "says"),
    [
        ((), {"token": "t"}, r"sample\(\) missing a required argument: 'feed'"),
        (("f", "t", 1, True), {}, r"sample\(\) too many positional arguments"),
        (("f",), {"feed": "f", "token": "t"}, r"sample\(\) multiple values for argument 'feed'"),
        (("f", "t"), {"colour": 1}, r"sample\(\) got an unexpected keyword argument 'colour'"),
    ],
)
def test_a_wrong_call_is_a_type_error_as_in_python(args, kwargs, says):
    with pytest.raises(TypeError, match=says):
        Signature.of(sample).bind(args, kwargs)


def test_self_and_report_are_not_parameters_and_their_types_are_not_looked_at():
    def kind(self: Unknown, report: Report, x: int) -> Unknown:  # noqa: F821
        pass

    signature = Signature.of(kind, bound=True)
    assert (signature.takes_report, [field.name for field in signature.fields]) == (True, ["x"])

    def other(x, report):
        pass

    assert [field.name for field in Signature.of(other).fields] == ["x", "report"]
    assert not Signature.of(other).takes_report


@pytest.mark.parametrize(
    "annotation",
    [
        set[int], tuple, bytes, object, UUID, list, list[dict], list[list[int]], list[int | None], int | str, None,
        dict[str, int], Literal[None], Literal[Colour.RED], Enum, Annotated[int, Secret], Annotated[list[str], Url],
        list[Annotated[str, Secret]], Annotated[str, range(3)], Annotated[int, range(0)],
        Annotated[int, range(0, 9, 2)], "Missing",
    ],
    ids=named,
)  # fmt: skip
def test_any_other_type_is_an_error_when_the_job_is_declared(annotation):
    with pytest.raises(
        TypeError, match=r"test_params\.signature_of.*kind: the parameter `value: .*` cannot be one of a job: "
    ):
        signature_of(annotation)


@pytest.mark.parametrize(("annotation", "default"), [(int, "x"), (Annotated[str, Url], ""), (Colour, "green")])
def test_a_default_of_another_type_is_an_error_too(annotation, default):
    with pytest.raises(TypeError, match="its default is refused"):
        signature_of(annotation, default)


def test_every_parameter_needs_a_name():
    def stars(*args): ...
    def slash(a, /): ...
    def secret(**more: Annotated[str, Secret]): ...

    for function in (stars, slash, secret):
        with pytest.raises(
            TypeError, match=f"{function.__name__}: the parameter `.*` cannot be one of a job: .* of its own"
        ):
            Signature.of(function)


def test_a_stored_value_that_no_longer_fits_fails_by_name():
    with pytest.raises(ParamError, match=r"value: Choose one of: red, blue\."):
        signature_of(Colour).load({"value": "green"})
    assert signature_of(Colour).load({"gone": 1}) == {"gone": 1}, "Python itself says what is wrong with the call"


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
