"""Crontabs as texts: read as Celery reads them, refused by the field that is wrong, said in words that are true."""

import pytest
from celery.schedules import crontab_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.schedules import crontab
from tasks.schedules.crontab import FIELDS, WrongField

MINUTE, HOUR, DAY, MONTH, WEEKDAY = FIELDS


@pytest.mark.parametrize(
    ("field", "text", "numbers"),
    [
        (WEEKDAY, "7", {0}),
        (WEEKDAY, "5-7", {5, 6, 0}),
        (WEEKDAY, "0-7", set(range(7))),
        (WEEKDAY, "7-2", {0, 1, 2}),
        (WEEKDAY, "FRI-MON", {5, 6, 0, 1}),
        (WEEKDAY, "sunday", {0}),
        (WEEKDAY, "MON-FRI,0", {1, 2, 3, 4, 5, 0}),
        (HOUR, "22-2", {22, 23, 0, 1, 2}),
        (HOUR, "22-2/2", {22, 0, 2}),
        (MONTH, "nov-feb", {11, 12, 1, 2}),
        (DAY, "*/10", {1, 11, 21, 31}),
        (MINUTE, "*/2,*/3", {n for n in range(60) if n % 2 == 0 or n % 3 == 0}),
        (MINUTE, "1, 5 ,9", {1, 5, 9}),
    ],
)
def test_what_a_field_means(field, text, numbers):
    assert field.read(text) == numbers


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        (MINUTE, "61", "The minute '61' is wrong: 61 is out of range."),
        (HOUR, "24", "The hour '24' is wrong: 24 is out of range."),
        (DAY, "0", "The day of the month '0' is wrong: 0 is out of range."),
        (MONTH, "13", "The month '13' is wrong: 13 is out of range."),
        (WEEKDAY, "8", "The day of the week '8' is wrong: 8 is out of range."),
        (WEEKDAY, "mon-", "The day of the week 'mon-' is wrong: something is missing."),
        (MINUTE, "*/0", "The minute '*/0' is wrong: a step is a whole number from 1 on."),
        (MINUTE, "5/15", "The minute '5/15' is wrong: a step needs * or a range before it."),
        (MINUTE, "1,,2", "The minute '1,,2' is wrong: something is missing."),
        (MINUTE, "٣", "The minute '٣' is wrong: '٣' is no number."),
        (WEEKDAY, "jan", "The day of the week 'jan' is wrong: 'jan' is no number."),
        (MINUTE, "1" * 60_000, "The minute has more than 240 characters."),
    ],
)
def test_a_refusal_names_its_field(field, text, said):
    with pytest.raises(WrongField) as refused:
        field.read(text)
    assert str(refused.value).startswith(said)


@pytest.mark.long
@settings(deadline=None, max_examples=300)
@given(st.data())
def test_what_celery_takes_means_the_same_here(data):
    field = data.draw(st.sampled_from(FIELDS))
    number = st.integers(field.low, field.high)
    spans = st.one_of(st.just("*"), number.map(str), st.tuples(number, number).map(lambda ends: f"{ends[0]}-{ends[1]}"))
    steps = st.integers(1, 40).map(lambda n: f"/{n}")
    part = st.tuples(spans, st.one_of(st.just(""), steps)).map(
        lambda two: "".join(two) if "-" in two[0] or "*" in two[0] else two[0]
    )
    text = ",".join(data.draw(st.lists(part, min_size=1, max_size=3)))
    assert field.read(text) == crontab_parser(field.high - field.low + 1, field.low).parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("*/2,*/3 * * * *", "every 2 minutes; and every 3 minutes"),
        ("0 */2,9 * * *", "every 2 hours; and at 09:00"),
        ("0 4 * * FRI-MON", "at 04:00, Friday through Monday"),
        ("0 4 * * 7", "at 04:00, only on Sunday"),
        ("30 9 * * 1-5", "at 09:30, Monday through Friday"),
        ("61 * * * *", "61 * * * *"),
        ("nonsense", "nonsense"),
    ],
)
def test_in_words(text, said):
    assert crontab.in_words(text) == said
