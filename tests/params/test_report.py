"""A first parameter named `report`: the Report of the job, or a value, and no call whose meaning differs in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.engine.report import Report
from tasks.params.report_use import Injection
from tasks.params.signature import Signature

if TYPE_CHECKING:
    from tasks import base


def uses(report, n=1):
    report.progress(1, n)


def annotated(report: Report, n=1): ...


def annotated_for_checkers(report: base.Report, n=1): ...


def passes_on(report, n=1):
    uses(report, n)


def unused(report, n=1): ...


def says_text(report: str, fmt="csv"): ...


def compares(report, fmt="csv"):
    return report == "pdf" or fmt


def returns(report, fmt="csv"):
    return report, fmt


def formats(report, fmt="csv"):
    return f"{report}.{fmt}"


def optional(report=None, fmt="csv"):
    passes_on(report)


@pytest.mark.parametrize("function", [uses, annotated, annotated_for_checkers])
def test_the_report_is_filled_in_where_the_function_says_so(function):
    signature = Signature.of(function)
    assert signature.report is Injection.YES
    assert signature.bind([5], {}) == {"n": 5}


@pytest.mark.parametrize("function", [says_text, compares, returns, formats, optional])
def test_a_report_that_is_used_as_a_value_is_one(function):
    signature = Signature.of(function)
    assert not signature.takes_report
    assert signature.bind(["pdf"], {}) == {"report": "pdf"}


@pytest.mark.parametrize("function", [passes_on, unused])
def test_where_nothing_says_it_the_report_is_filled_in_and_no_value_slips_into_the_next_parameter(function):
    signature = Signature.of(function)
    assert signature.takes_report and signature.bind([], {"n": 5}) == {"n": 5}
    with pytest.raises(
        TypeError, match=r"\(\) takes its first parameter `report` from Signalbox, unless .* annotate it"
    ):
        signature.bind(["pdf"], {})


def test_of_a_plain_celery_task_report_is_a_value():
    assert not Signature.of(unused, adopted=True).takes_report
    assert Signature.of(annotated, adopted=True).takes_report


def test_a_report_at_another_place_stops_the_start():
    def misplaced(n, report: Report): ...

    with pytest.raises(
        TypeError, match="misplaced: the Report is the first parameter and named `report`, and not `report`"
    ):
        Signature.of(misplaced)


def test_a_class_of_the_teams_with_that_name_is_a_class_of_the_teams():
    class Mine:
        pass

    Mine.__name__ = "Report"

    def task(report, n): ...

    task.__annotations__ = {"report": Mine}
    assert not Signature.of(task).takes_report
