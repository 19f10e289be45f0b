"""Each habit of a Celery user, run in plain Celery on a real worker and in the product, from the same source."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
HELP = {"end_of", "lines", "settled"}
DIFFER = {"received_of_five_calls"}  # of test_differences
# Read, and not imported: the team's Celery app has no business in the process of the tests.
SOURCE = ast.parse(Path(__file__).with_name("cases.py").read_text())
CASES = [node.name for node in SOURCE.body if isinstance(node, ast.FunctionDef) and node.name not in HELP | DIFFER]


@pytest.mark.parametrize("side", ["ours", "adopted"])
@pytest.mark.parametrize("case", CASES)
def test_a_habit_works_as_in_plain_celery(sides, case, side):
    """State, value, number of runs and the log of the tasks are the same."""
    assert sides(side).run(case) == sides("plain").run(case)
