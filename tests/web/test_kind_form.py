"""The form of a kind is made from its signature: fields, help, first values; and it loses nothing that was typed."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import pytest
from django.http import QueryDict
from django.utils import timezone

from tasks.engine.registry import Kind
from tasks.params.signature import Ref, Secret, Signature, Url
from tasks.web.kind_form import KindForm


class Depth(Enum):
    SHALLOW = "shallow"
    VERY_DEEP = "very-deep"


def everything(
    name: str,
    count: int,
    ratio: float = 0.5,
    price: Decimal = Decimal("9.90"),
    fast: bool = True,
    maybe: bool | None = None,
    day: date | None = None,
    moment: datetime | None = None,
    colour: Literal["red", "green"] = "green",
    depth: Depth = Depth.SHALLOW,
    names: list[str] = [],  # noqa: B006 - read, never written
    extra: dict | None = None,
    home: Annotated[str, Url, "Where it lives."] = "https://example.org/",
    token: Annotated[str, Secret] = "",
    feed: Annotated[str, Ref("feeds.Feed")] | None = None,
) -> None:
    """Take one of each."""


KIND = Kind("everything", Signature.of(everything), priority=3)
GIVEN = {"p-name": "n", "p-count": "7", "p-ratio": "0.5", "p-price": "9.90", "p-fast": "on", "p-colour": "green"}
GIVEN |= {"p-depth": "shallow", "p-home": "https://example.org/"}


def sent(**typed: str) -> QueryDict:
    data = QueryDict(mutable=True)
    data.update(GIVEN | {f"p-{name}" if name in KIND.signature._known else name: text for name, text in typed.items()})
    return data


def clean(**typed: str) -> dict[str, Any]:
    form = KindForm(KIND, sent(**typed))
    assert form.is_valid(), form.errors
    return form.params


def refused(**typed: str) -> dict[str, list[str]]:
    form = KindForm(KIND, sent(**typed))
    assert not form.is_valid()
    return {name.removeprefix("p-"): list(sentences) for name, sentences in form.errors.items()}


def test_each_type_has_its_control() -> None:
    form = KindForm(KIND)
    controls = {name.removeprefix("p-"): field.widget_type for name, field in ((f.name, f) for f in form)}
    assert controls == {
        "name": "text", "count": "text", "ratio": "text", "price": "text", "fast": "checkbox", "maybe": "select",
        "day": "date", "moment": "datetime", "colour": "select", "depth": "select", "names": "textarea",
        "extra": "textarea", "home": "url", "token": "password", "feed": "text",
    }  # fmt: skip
    assert "Where it lives." in form["p-home"].help_text
    assert form["p-names"].help_text == "One per line."


def test_defaults_are_there_to_begin_with_and_mean_what_the_function_says() -> None:
    form = KindForm(KIND)
    assert (form["p-ratio"].value(), form["p-fast"].value(), form["p-colour"].value()) == (0.5, True, "green")
    assert clean() == KIND.signature.clean({"name": "n", "count": 7})


def test_what_is_typed_is_read_by_type() -> None:
    params = clean(
        maybe="false", day="2026-11-23", depth="very-deep", names="a\n\n b \n", extra='{"x": [1]}', price="10.00"
    )
    assert params["maybe"] is False
    assert params["day"] == "2026-11-23"
    assert params["depth"] == "very-deep"
    assert params["names"] == ["a", "b"]
    assert params["extra"] == {"x": [1]}
    assert params["price"] == "10.00"


def test_an_empty_field_is_the_default_or_none_and_never_a_guess() -> None:
    assert clean(ratio="")["ratio"] == 0.5
    assert clean(moment="", extra="", maybe="")["moment"] is None
    assert refused(count="") == {"count": ["Required."]}


def test_a_box_that_is_not_ticked_is_no() -> None:
    data = sent()
    del data["p-fast"]
    form = KindForm(KIND, data)
    assert form.is_valid()
    assert form.params["fast"] is False


def test_every_wrong_field_is_named_beside_itself_and_keeps_what_was_typed() -> None:
    typed = {"count": "ten", "price": "cheap", "home": "ftp://x", "extra": "{", "names": "fine", "day": "yesterday"}
    form = KindForm(KIND, sent(**typed))
    assert set(form.errors) == {"p-count", "p-price", "p-home", "p-extra", "p-day"}
    assert all(form[f"p-{name}"].value() == text for name, text in typed.items())
    assert 'value="ten"' in str(form["p-count"])
    assert 'aria-invalid="true"' in str(form["p-count"])
    assert form.first_wrong == "p-count"


def test_a_secret_is_never_painted_again() -> None:
    form = KindForm(KIND, sent(count="x", token="hush hush"))
    assert not form.is_valid()
    assert "hush" not in str(form)
    copied = KindForm(KIND, copied={"token": "•••", "name": "n"})
    assert "•••" not in str(copied)


def test_a_moment_is_meant_in_the_readers_zone() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        assert clean(moment="2026-11-23T09:00:00")["moment"] == "2026-11-23T00:00:00Z"
        again = KindForm(KIND, copied={"moment": "2026-11-23T00:00:00Z"})
        assert "2026-11-23T09:00:00" in str(again["p-moment"])
        assert "Asia/Tokyo" in again["p-moment"].help_text
        assert refused(moment="soon")["moment"]


def test_a_copy_begins_with_the_old_values_as_they_are_typed() -> None:
    old = clean(names="a\nb", extra='{"x": 1}', maybe="true", fast="on")
    form = KindForm(KIND, copied=old)
    again = {name: form[name].value() for name in form.fields}
    assert again["p-names"] == "a\nb"
    assert KindForm(KIND, sent(**{name[2:]: str(text) for name, text in again.items() if text is not None})).is_valid()


def test_priority_and_due_time_are_there_only_for_those_who_may_order() -> None:
    assert {"priority", "due_at"}.isdisjoint(KindForm(KIND).fields)
    form = KindForm(KIND, may_order=True)
    assert form["priority"].value() == 3
    sly = KindForm(KIND, sent(priority="9"))
    assert sly.is_valid()
    assert "priority" not in sly.cleaned_data


@pytest.mark.parametrize("wrong", ["10", "-1", "high"])
def test_a_wrong_priority_is_refused_with_all_the_rest(wrong: str) -> None:
    form = KindForm(KIND, sent(priority=wrong, count="x"), may_order=True)
    assert set(form.errors) == {"priority", "p-count"}
