"""How a page writes the bounds of a histogram."""

import pytest

from tasks.queries.stats import EDGES
from tasks.web.templatetags.signalbox import bound


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.05, "50 ms"), (1, "1 s"), (30, "30 s"), (60, "1 min"), (1800, "30 min"), (86_400, "1 d")]
)
def test_a_bound_is_a_round_number_of_one_unit(seconds, words):
    assert bound(seconds) == words


def test_no_bound_of_a_chart_needs_two_units():
    assert all(len(bound(edge).split()) == 2 for edge in EDGES)
