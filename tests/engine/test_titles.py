"""A title says what a job is about: safely formatted, masked, bounded, made with the row, and shown wherever it is."""

from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.engine import lifecycle, registry, titles
from tasks.engine.models import Job
from tasks.engine.visible import in_one_line
from tasks.params.signature import MASK, Secret, Signature
from tests.project.test_settings import manage


def charge(order_id: int, customer: str = "", card: Annotated[str, Secret] = "", lines: list[str] = (), n: int = 0):
    """A kind with everything a title may meet."""


def anything(**names: Any):
    """A kind that takes every name."""


SIGNATURE = Signature.of(charge)


@pytest.mark.parametrize(
    ("title", "params", "shown"),
    [
        ("order {order_id}", {"order_id": 8812}, "order 8812"),
        ("{customer}: {lines}", {"customer": "Ann", "lines": ["a", "ü"]}, 'Ann: ["a", "ü"]'),
        ("card {card}", {"card": "4111 1111"}, f"card {MASK}"),
        ("{{{order_id}}} 100 %", {"order_id": 1}, "{1} 100 %"),
        ("order {order_id}", {}, "order"),
        ("order {order_id}", {"order_id": None}, "order"),
        ("for {customer}", {"customer": "a\nb\x1b[31m"}, r"for a\nb\x1b[31m"),
        (None, {"order_id": 8812, "customer": "Ann", "card": "4111", "n": 0}, "order_id=8812, customer=Ann, n=0"),
        (None, {"customer": "x" * 41, "lines": ["a"], "n": True}, "n=true"),
        (None, {}, ""),
    ],
)
def test_a_title_is_made_of_the_parameters(title, params, shown):
    assert titles.title_of(title, params, SIGNATURE.secrets) == shown


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("order {oder_id}", "title names 'oder_id', which is no parameter of the job"),
        ("{order_id.__class__}", "{order_id.__class__} is more than a name"),
        ("{order_id[0]}", "{order_id[0]} is more than a name"),
        ("{order_id:>999999999}", "{order_id:>999999999} is more than a name"),
        ("{order_id!r}", "{order_id!r} is more than a name"),
        ("{}", "{} is more than a name"),
        ("{0}", "{0} is more than a name"),
        ("{order_id", "cannot be read"),
        ("", "a text of 1 to 200 letters"),
        (7, "a text of 1 to 200 letters"),
        ("x" * 201, "a text of 1 to 200 letters"),
    ],
)
def test_a_format_that_is_more_than_names_is_refused(title, said):
    with pytest.raises(TypeError) as refused:
        registry.Kind("charge", SIGNATURE, where="shop.tasks.charge", title=title)
    assert str(refused.value).startswith("shop.tasks.charge: title ") and said in str(refused.value)


def test_a_kind_that_takes_every_name_may_have_every_name_in_its_title():
    kind = registry.Kind("anything", Signature.of(anything), title="{team} {city}")
    assert kind.title_of({"team": "red"}) == "red"


@pytest.mark.process
@pytest.mark.pure
def test_a_wrong_title_stops_the_start_in_one_sentence(tmp_path):
    (tmp_path / "titled").mkdir()
    (tmp_path / "titled" / "__init__.py").touch()
    code = 'from tasks.base import job\n\n@job(title="order {oder}")\ndef ship(order: int):\n    pass\n'
    (tmp_path / "titled" / "tasks.py").write_text(code)
    ended = manage("check", home=tmp_path, SIGNALBOX_APPS="titled", PYTHONPATH=str(tmp_path))
    assert ended.returncode == 2
    [said] = ended.stderr.splitlines()
    assert said.endswith("titled.tasks.ship: title names 'oder', which is no parameter of the job")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda each: st.lists(each, max_size=3)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["order_id", "customer", "lines", "card"]), VALUES), st.booleans())
def test_no_value_makes_a_title_long_wide_or_loud(params, plain):
    title = None if plain else "{order_id} for {customer} {lines} {card}"
    shown = titles.title_of(title, params | {"card": "TOPSECRET"}, {"card"})
    assert len(shown) <= 200 and shown == in_one_line(shown) and "TOPSECRET" not in shown


def test_a_number_of_many_digits_costs_nothing():
    assert titles.title_of("{n}", {"n": 10**50_000}) == "…"


@pytest.mark.django_db(transaction=True)
def test_a_row_is_made_with_its_title_and_keeps_it(django_user_model):
    job, _ = lifecycle.submit("keeps_a_secret", {"name": "till 4", "password": "opensesame"})
    assert job.summary()["title"] == Job.objects.get().title == "name=till 4"
    lifecycle.cancel(job.uid, django_user_model.objects.create(username="ada"), "")
    assert Job.objects.get().title == "name=till 4"
