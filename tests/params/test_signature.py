"""The signature is the contract: what a job asks for, tells forms and schemas, and hands to its function."""

from __future__ import annotations

import pickle
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

import jsonschema
import pytest

from tasks.engine.models import Job
from tasks.params.signature import LARGEST, ParamError, Ref, Secret, Signature, Url
from tasks.params.types import LONGEST
from tests.support.signatures import Colour, errors_of, named, signature_of

if TYPE_CHECKING:
    from nowhere import Report


def sample(
    report: Report, feed: Annotated[str, Url], token: Annotated[str, Secret], retries: int = 3, *, full: bool = False
):
    """Fetch one feed.

    And more that the help leaves out.
    """


def test_every_wrong_field_is_named_at_once():
    errors = errors_of(Signature.of(sample), {"feed": "x", "retries": "y", "colour": 1, 5: 6})
    assert errors == {
        "feed": ["Give a web address that begins with http:// or https://."],
        "token": ["Required."],
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


def test_fields_have_all_that_a_form_needs():
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


def test_fields_have_choices_items_models_and_help():
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
        "x": "json", "times": "json", "rate": "json", "name": "json", "loud": "json", "nothing": "json",
        "wait": "json", "bad": "json",
    }, "no type is guessed from a default"  # fmt: skip
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
        Annotated[int, Secret], Annotated[list[str], Url], list[Annotated[str, Secret]],
        dict[str, Annotated[str, Secret]], Annotated[str, Secret] | int, list[Annotated[str, Ref("tasks.Job")]],
        Annotated[str, range(3)],
        Annotated[int, range(0)], Annotated[int, range(0, 9, 2)], "Annotated[Missing, Secret]",
    ],
    ids=named,
)  # fmt: skip
def test_a_mark_of_ours_where_it_would_do_nothing_is_an_error_when_the_job_is_declared(annotation):
    with pytest.raises(
        TypeError, match=r"signatures\.signature_of.*kind: the parameter `value: .*` cannot be one of a job: "
    ):
        signature_of(annotation)


@pytest.mark.parametrize(("annotation", "default"), [(Annotated[str, Url], ""), (Annotated[int, range(3)], 7)])
def test_a_default_that_our_own_type_refuses_is_an_error_too(annotation, default):
    with pytest.raises(TypeError, match="its default is refused"):
        signature_of(annotation, default)


@pytest.mark.parametrize(("annotation", "default"), [(int, "x"), (Colour, "green")])
def test_a_default_of_another_type_is_left_to_python(annotation, default):
    signature = signature_of(annotation, default)
    assert signature.clean({}) == {} == signature.take(signature.bind([], {}))


def test_a_secret_needs_a_name():
    def stars(*keys: Annotated[str, Secret]): ...
    def secret(**more: Annotated[str, Secret]): ...

    for function in (stars, secret):
        with pytest.raises(
            TypeError, match=f"{function.__name__}: the parameter `.*` cannot be one of a job: .* of its own"
        ):
            Signature.of(function)


def test_a_stored_value_that_no_longer_fits_fails_by_name():
    with pytest.raises(ParamError, match=r"value: Choose one of: red, blue\."):
        signature_of(Colour).load({"value": "green"})
    assert signature_of(Colour).load({"gone": 1}) == {"gone": 1}, "Python itself says what is wrong with the call"


@pytest.mark.parametrize("annotation", [int, str, Any, dict, list[int], Annotated[str, Ref("tasks.Job")], Colour])
def test_a_row_in_place_of_its_id_is_named(annotation):
    row = {dict: {"a": Job(pk=7)}, list[int]: [Job(pk=7)]}.get(annotation, Job(pk=7))
    said = errors_of(signature_of(annotation), {"value": row})["value"][0]
    assert said.endswith("Give the id of the row, not the row itself: jobs carry ids, never objects.")
