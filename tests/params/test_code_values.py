"""Values as code gives them: each arrives as in Celery, whatever the annotation says, and pages show its text."""

from __future__ import annotations

import functools
import json
import pickle
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, NotRequired, TypedDict
from uuid import UUID

import jsonschema
import pytest
from django.utils.translation import gettext_lazy
from hypothesis import given
from hypothesis import strategies as st
from kombu.utils.json import dumps, loads, register_type

from tasks.params.signature import ParamError, Ref, Secret, Signature, Url
from tasks.params.typed import Params, Typed, pack, restored, unpack
from tests.support.signatures import UID, Colour, Shape, errors_of, named, signature_of

MOMENT = datetime(2026, 11, 23, 10, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))


class Order(TypedDict):
    number: int
    note: NotRequired[str | None]


@dataclass
class Parcel:
    grams: int
    to: str = "nobody"


def through_a_column(params: Any) -> Any:
    """What comes back from a database that keeps JSON, and from a process that was handed a pickle."""
    return unpack(json.loads(json.dumps(pack(pickle.loads(pickle.dumps(params))))))


def arrives(signature: Signature, *args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    return signature.arguments(through_a_column(signature.take(signature.bind(args, kwargs))))


def untyped(value, other=None): ...


CARRIED = [
    UUID(UID), MOMENT, datetime(2026, 1, 1), date(2026, 1, 1), time(10, 30), Decimal("1.50"), Decimal("NaN"), b"bytes",
    b"\xff\x00", {"a": [UUID(UID), {"b": Decimal(1)}]}, (1, date(2026, 1, 1)), {2: "a", None: "b", True: "c", 1.5: "d"},
    gettext_lazy("Yes"), {"~/a": {"b/": MOMENT}}, "text", 7, 1.5, True, None, [], {}, [[["deep"]]],
    {"⋮types": 1, "⋮call": [UUID(UID)]}, Colour.RED,
]  # fmt: skip


@pytest.mark.parametrize("value", CARRIED, ids=named)
def test_what_celerys_json_carries_arrives_as_in_celery(value):
    (as_celery,) = loads(dumps([value]))
    signature = Signature.of(untyped)
    for args, kwargs in (arrives(signature, value), arrives(signature, value=value)):
        (found,) = (*args, *kwargs.values())
        assert dumps(found) == dumps(as_celery) and type(found) is type(as_celery)


@pytest.mark.parametrize(
    "annotation",
    [int, str, int | None, list[int], dict[str, str], datetime, date, Decimal, UUID, Shape, Parcel, Order, bool],
    ids=named,
)
@pytest.mark.parametrize("value", CARRIED, ids=named)
def test_an_annotation_that_lies_changes_no_value_that_code_gives(annotation, value):
    """Run in plain Celery: no annotation is looked at, so each value arrives as its JSON says."""
    (as_celery,) = loads(dumps([value]))
    ((found,), _) = arrives(signature_of(annotation), value)
    assert dumps(found) == dumps(as_celery)
    assert type(found) is type(as_celery) or isinstance(found, Colour)


@pytest.mark.parametrize(
    ("annotation", "value", "stored"),
    [
        (datetime, datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00Z"),
        (Shape, Shape.ROUND, "ROUND"),
        (Colour, Colour.RED, "red"),
        (UUID, UUID(UID), UID),
        (Parcel, Parcel(3, "Ann"), {"grams": 3, "to": "Ann"}),
        (set[int], {3}, [3]),
    ],
    ids=named,
)
def test_a_value_of_its_annotation_is_stored_as_forms_store_it(annotation, value, stored):
    signature = signature_of(annotation)
    assert signature.take(signature.bind([value], {})) == {"value": stored} == signature.clean({"value": stored})
    assert arrives(signature, value) == ([value], {})
    assert signature.load({"value": stored}) == {"value": value}, "as the API gives it, and as older rows have it"


@pytest.mark.parametrize(
    ("annotation", "value", "sentence"),
    [
        (Annotated[str, Url], "javascript:alert(1)", "Give a web address that begins with http:// or https://."),
        (Annotated[str, Ref("feeds.Feed")], 3, "Give the id of a row, such as 0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a."),
        (Annotated[str, Secret], 1234, "Give text."),
        (Annotated[int, range(1, 5)], 9, "Give a whole number from 1 to 4."),
        (Any, object(), "Give something that JSON can hold."),
        (int, object(), "Give a whole number."),
        (str, "a\0b", "Leave out characters that cannot be stored (NUL, half of a surrogate pair)."),
    ],
)
def test_our_own_types_and_what_no_job_can_carry_are_refused_in_code_too(annotation, value, sentence):
    signature = signature_of(annotation)
    with pytest.raises(ParamError) as refused:
        signature.take(signature.bind([value], {}))
    assert refused.value.errors == {"value": [sentence]}


def test_a_type_that_the_team_has_registered_with_kombu_comes_from_code_only():
    register_type(complex, "complex", lambda it: [it.real, it.imag], lambda parts: complex(*parts))
    signature = Signature.of(untyped)
    assert arrives(signature, {"a": 2 + 1j}) == ([{"a": 2 + 1j}], {})
    form = {"__type__": "complex", "__value__": [2, 1]}
    assert errors_of(signature, {"value": form}) == {"value": ["Values of a type of your own come from code only."]}


def test_the_api_gives_typed_values_in_kombus_form():
    signature = Signature.of(untyped)
    asked = {"value": [{"__type__": "uuid", "__value__": {"hex": UUID(UID).hex}}]}
    clean = signature.clean(asked)
    assert clean == {"value": [UID], "other": None} and signature.load(clean)["value"] == [UUID(UID)]
    bad = {"value": {"__type__": "uuid", "__value__": "x"}}
    said = ["Give a value that can be read as the type that stands with it."]
    assert errors_of(signature, bad) == {"value": said}


SCALARS = st.none() | st.text() | st.uuids() | st.dates() | st.integers()
NESTED = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def with_types(part: dict[str, Any]) -> Any:
    is_marker = part.keys() == {"__type__", "__value__"}
    return Typed(str(loads(json.dumps(part))), part["__type__"]) if is_marker else part


@pytest.mark.long
@given(NESTED)
def test_a_column_keeps_what_it_is_given(value):
    tree = json.loads(dumps(value), object_hook=with_types)
    found = unpack(json.loads(json.dumps(pack(tree))))
    assert found == tree and dumps(restored(found)) == dumps(value)


def test_a_copy_keeps_types():
    signature = Signature.of(untyped)
    params = through_a_column(signature.take(signature.bind([UUID(UID)], {})))
    assert json.dumps(params) == json.dumps({"value": UID, "other": None}), "pages and answers show texts"
    assert signature.load(signature.clean(dict(params)))["value"] == UUID(UID)


# --- positions, names and defaults -------------------------------------------------------------------------------


def test_what_is_given_by_position_goes_by_position_and_defaults_are_left_to_python():
    def task(a, b=(1, 2), *, c=3, d=4): ...

    signature = Signature.of(task)
    assert arrives(signature, 1) == ([1], {})
    assert arrives(signature, 1, d=5) == ([1], {"d": 5})
    assert arrives(signature, 1, 2, c=3) == ([1, 2], {"c": 3})
    assert arrives(signature, a=1) == ([], {"a": 1})
    assert signature.take(signature.bind([1], {})) == {"a": 1, "b": [1, 2], "c": 3, "d": 4}, "the row shows them"


def test_a_default_that_has_changed_since_is_that_of_the_call():
    def task(a=1): ...

    before = through_a_column(Signature.of(task).take(Signature.of(task).bind([], {})))
    task.__defaults__ = (2,)
    assert Signature.of(task).arguments(before) == ([], {"a": 1})


def test_further_positional_arguments_are_a_list():
    def task(a, *more: int, b=1, **rest): ...

    signature = Signature.of(task)
    assert [(each.name, each.type, each.required, each.default) for each in signature.fields] == [
        ("a", "json", True, None), ("more", "list", False, []), ("b", "json", False, 1),
    ]  # fmt: skip
    assert arrives(signature, 1, UUID(UID), "x", c=2) == ([1, UUID(UID), "x"], {"c": 2})
    assert signature.arguments(signature.clean({"a": 1, "more": ["2", 3]})) == ([1, 2, 3], {"b": 1})
    assert signature.arguments(signature.clean({"a": 1})) == ([], {"a": 1, "b": 1})
    with pytest.raises(TypeError, match=r"task\(\) has the name 'more' for its further positional arguments"):
        signature.bind([1], {"more": 2})


def test_parameters_without_names_go_by_position():
    def task(a, b=2, /, c=3): ...

    signature = Signature.of(task)
    assert signature.arguments(signature.clean({"b": 5, "a": 1})) == ([1, 5], {"c": 3})
    assert arrives(signature, 1, c=4) == ([1], {"c": 4})


def under(wrapper):
    return lambda function: functools.wraps(function)(wrapper(function))


def test_a_wrapper_is_called_as_it_was_called():
    @under(lambda function: lambda order_id, *rest: function(order_id, *rest))
    def task(pk, full=False):
        return pk, full

    signature = Signature.of(task)
    args, kwargs = arrives(signature, 7)
    assert task(*args, **kwargs) == (7, False)
    args, kwargs = signature.arguments(signature.clean({"pk": 7}))
    assert task(*args, **kwargs) == (7, False), "the API gives names"
    args, kwargs = signature.arguments(signature.clean({"pk": 7, "full": True}))
    assert task(*args, **kwargs) == (7, True)


def test_secrets_are_put_in_the_place_of_their_masks():
    def task(a, key: Annotated[str, Secret], b="•••"): ...

    signature = Signature.of(task)
    assert signature.put_secrets([1, "•••"], {"b": "•••"}, {"key": "k"}) == ([1, "k"], {"b": "•••"})
    assert signature.put_secrets([1], {"key": "•••"}, {"key": "k"}) == ([1], {"key": "k"})
    assert signature.arguments(Params.of({"a": 1, "key": "•••"}, by_position=2)) == ([1, "•••"], {})


# --- annotations ----------------------------------------------------------------------------------------------------


SHAPES = [
    (list, [1, {"a": 2}], [1, {"a": 2}]),
    (list[dict], [{"a": 1}], [{"a": 1}]),
    (list[list[int]], [["1"], [2]], [[1], [2]]),
    (list[int | None], [None, "1"], [None, 1]),
    (dict[str, str], {"a": "b"}, {"a": "b"}),
    (dict[str, list[int]], {"a": ["1"]}, {"a": [1]}),
    (int | list[int], "7", 7),
    (int | list[int], [7, "8"], [7, 8]),
    (int | str, "7", "7"),
    (int | str | None, None, None),
    (tuple[int, ...], [1, "2"], [1, 2]),
    (tuple, [1, "2"], [1, "2"]),
    (set[int], [2, 1], {1, 2}),
    (UUID, UID, UUID(UID)),
    (list[UUID], [UID], [UUID(UID)]),
    (Order, {"number": "1"}, {"number": 1}),
    (list[Order], [{"number": 1, "note": None}], [{"number": 1, "note": None}]),
    (Parcel, {"grams": "3"}, Parcel(3)),
]


@pytest.mark.parametrize(("annotation", "given", "loaded"), SHAPES, ids=named)
def test_forms_and_the_api_take_types_that_are_made_of_others(annotation, given, loaded):
    signature = signature_of(annotation)
    clean = signature.clean({"value": given})
    assert json.loads(json.dumps(clean)) == clean == signature.clean(clean)
    found = signature.load(through_a_column(clean))["value"]
    assert found == loaded and type(found) is type(loaded)
    if signature.fields[0].type == "json" and not isinstance(given, str):
        assert signature.clean({"value": json.dumps(given)}, text=True) == clean, "as a form gives it"
    schema = signature.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(clean)


@pytest.mark.parametrize(
    ("annotation", "given", "sentence"),
    [
        (list[dict], [1], 'Entry 1: Give a JSON object, such as {"name": "value"}.'),
        (dict[str, int], {"a": "x"}, "a: Give a whole number."),
        (dict[str, int], [1], 'Give a JSON object, such as {"name": "value"}.'),
        (int | list[int], "x", "Give a whole number. Or: Give a list, one entry a line."),
        (Order, {}, "number: Required."),
        (Order, {"number": 1, "colour": 2}, "colour: There is no such name."),
        (Parcel, {"grams": "x"}, "grams: Give a whole number."),
        (UUID, "1", "Give a UUID, such as 0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a."),
        (list, {"a": 1}, "Give a JSON list, such as [1, 2]."),
    ],
    ids=named,
)
def test_forms_and_the_api_are_held_to_the_annotation(annotation, given, sentence):
    assert errors_of(signature_of(annotation), {"value": given}) == {"value": [sentence]}


def test_a_pydantic_model_reads_and_writes_itself():
    pydantic = pytest.importorskip("pydantic")

    class Address(pydantic.BaseModel):
        street: str
        number: int = 1

    signature = signature_of(Address)
    assert arrives(signature, Address(street="A", number=2)) == ([Address(street="A", number=2)], {})
    assert arrives(signature, {"street": "A"}) == ([{"street": "A"}], {}), "as Celery hands a dict over"
    clean = signature.clean({"value": {"street": "A"}})
    assert clean == {"value": {"street": "A", "number": 1}}
    assert signature.load(clean) == {"value": Address(street="A")}
    (said,) = errors_of(signature, {"value": {"number": "secret"}})["value"]
    assert "street: Field required." in said and "secret" not in said
    jsonschema.Draft202012Validator(signature.schema()).validate(clean)


def test_a_type_that_no_form_knows_is_any_json_and_says_so():
    class Invoice:
        pass

    for annotation in (Invoice, "Missing", bytes, object, Any | None):
        (field,) = signature_of(annotation).fields
        assert field.type == "json"
    assert signature_of("Missing").fields[0].help == "Any JSON: it is annotated as 'Missing'."
