"""Each habit of a Celery user, run in plain Celery on a real worker and in the product, from the same source."""

import ast
from pathlib import Path

import pytest

pytestmark = pytest.mark.process
HELP = {"end_of", "lines", "settled", "indices", "_caught"}
DIFFER = {"received_of_five_calls", "retry_by_hand", "failure_of_a_hard_limit"}  # of test_differences
MODULES = ("cases", "apps", "requests", "calls", "others", "usual", "read")


def cases_of(module: str) -> list[str]:
    """Read, and not imported: the team's Celery app has no business in the process of the tests."""
    source = ast.parse(Path(__file__).with_name(f"{module}.py").read_text())
    return [node.name for node in source.body if isinstance(node, ast.FunctionDef) and node.name not in HELP | DIFFER]


@pytest.mark.parametrize("side", ["ours", pytest.param("adopted", marks=pytest.mark.pure)])
@pytest.mark.parametrize(("module", "case"), [(module, case) for module in MODULES for case in cases_of(module)])
def test_a_habit_works_as_in_plain_celery(sides, module, case, side):
    """State, value, number of runs and the log of the tasks are the same."""
    assert sides(side).run(module, case) == sides("plain").run(module, case)


@pytest.mark.parametrize("case", cases_of("registered"))
def test_a_task_of_the_teams_app_works_as_in_plain_celery_when_it_is_adopted(sides, case):
    assert sides("adopted").run("registered", case) == sides("plain").run("registered", case)
