"""Whether a function's first parameter named `report` is the Report of its job, or a value that callers give.

An annotation says it. Without one the body does: `report.progress(…)` is the Report, `report == "pdf"` is a value. A
function of which neither is true gets the Report, as always, and calls from code give it nothing by position: what
Celery would hand over as `report` must not become the next parameter in silence.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Any

NAME = "report"
CLASS, HOME = "Report", ("tasks.engine.report", "tasks.base")
USES = {"progress", "log", "note", "cancelled", "job_id", "attempt", "stop", "hidden"}  # attributes of a Report
AS_A_VALUE = (
    ast.Attribute, ast.Subscript, ast.Compare, ast.FormattedValue, ast.BinOp, ast.Return, ast.For, ast.Tuple, ast.List,
    ast.Dict, ast.BoolOp, ast.If,
)  # fmt: skip


class Injection(Enum):
    NO = auto()  # there is none, or it is a value
    YES = auto()
    DOUBTFUL = auto()


def how_report_is_taken(
    function: Callable[..., Any], parameters: Sequence[inspect.Parameter], adopted: bool
) -> Injection:
    """TypeError where a Report is asked for at another place than the first."""
    for place, each in enumerate(parameters):
        if _is_report(function, each.annotation) and (place or each.name != NAME):
            where = f"{function.__module__}.{function.__qualname__}"
            raise TypeError(f"{where}: the Report is the first parameter and named `{NAME}`, and not `{each.name}`")
    if not parameters or parameters[0].name != NAME or parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return Injection.NO
    first = parameters[0]
    if first.annotation is not first.empty:
        return Injection.YES if _is_report(function, first.annotation) else Injection.NO
    if adopted:
        return Injection.NO
    said = _by_body(function)
    return Injection.NO if said is Injection.DOUBTFUL and first.default is not first.empty else said


def _is_report(function: Callable[..., Any], annotation: Any) -> bool:
    """By name where the class is imported for type checkers only; a class of the team's may have the same name."""
    if isinstance(annotation, str):
        first, _, rest = annotation.strip("'\"").partition(".")
        known = getattr(inspect.unwrap(function), "__globals__", {}).get(first)
        if known is None:
            return (rest or first).rpartition(".")[2] == CLASS
        for name in filter(None, rest.split(".")):
            known = getattr(known, name, None)
        annotation = known
    return getattr(annotation, "__name__", "") == CLASS and annotation.__module__ in HOME


def _by_body(function: Callable[..., Any]) -> Injection:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return Injection.DOUBTFUL
    around = [
        (node, child)
        for node in ast.walk(tree)
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.Name) and child.id == NAME
    ]
    if any(isinstance(node, ast.Attribute) and node.attr in USES for node, _ in around):
        return Injection.YES
    return Injection.NO if any(isinstance(node, AS_A_VALUE) for node, _ in around) else Injection.DOUBTFUL
