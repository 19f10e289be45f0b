"""Arguments that a person may confirm before a watched task is run again, made from the text that its events had.

Pure. The text was made for people: the sender may have cut it, or written something else. So nothing is run from it:
it only fills a form, and only if it is whole and means plain values. Nothing in it is ever evaluated.
"""

import ast
import json
from typing import Any, NamedTuple

from tasks.observe.events import is_shallow
from tasks.observe.redaction import MASK

LONGEST = 1_000  # characters: Celery cuts at 1,024
PLAIN = (str, int, float, bool, type(None))


class Draft(NamedTuple):
    args: list[Any]
    kwargs: dict[str, Any]


def of(args: Any, kwargs: Any) -> Draft | None:
    """The arguments that these texts mean; None if they are cut, or mean anything but plain values."""
    try:
        found = Draft(list(_value(args, "()", (tuple, list))), _value(kwargs, "{}", (dict,)))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return found if is_shallow(found.args) and is_shallow(found.kwargs) else None


def _value(text: Any, empty: str, wanted: tuple[type, ...]) -> Any:
    text = text or empty
    if not isinstance(text, str) or len(text) >= LONGEST or "..." in text or "…" in text:
        raise ValueError
    value = ast.literal_eval(text)
    if not isinstance(value, wanted):
        raise ValueError
    return _plain(value)


def _plain(value: Any) -> Any:
    """As JSON has it; ValueError for what it does not have."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise ValueError
        return {name: _plain(each) for name, each in value.items()}
    if type(value) not in PLAIN:
        raise ValueError
    return value


def is_masked(value: Any) -> bool:
    """Whether a secret that was masked still stands in it."""
    return MASK in json.dumps(value, ensure_ascii=False)
