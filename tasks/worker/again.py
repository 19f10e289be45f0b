"""What ``retry`` of a task asks for: what the next attempt of its job finds changed."""

from typing import Any

from celery.exceptions import Retry

from tasks.engine import call_options
from tasks.engine.report import current_report

CHANGED = {"priority", "headers", "expires"}  # options of a retry that change a job


def changed(task: Any, args: Any, kwargs: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The call, as Params, and columns. What no job can change is in its log: an error here would hide the one for
    which the code asks for another attempt."""
    found: dict[str, Any] = {}
    known = {name: options.pop(name) for name in CHANGED & options.keys()}
    try:
        asked = call_options.split_options(task.kind, dict(known))
        found = {name: asked[name] for name in ("priority", "headers") if asked[name] is not None}
        if known.get("expires") is not None:
            found["expires_at"] = call_options.expiry(asked)
        if args is not None or kwargs is not None:
            found["call"] = task.kind.signature.bind(*_with_the_rest(task, args, kwargs))
    except (TypeError, ValueError) as wrong:
        current_report().note(f"retry: {wrong}", "warning")
    if named := ", ".join(name for name, value in options.items() if value is not None):
        current_report().note(f"retry cannot change {named} of a job, so that stays as it was.", "warning")
    return found


def _with_the_rest(task: Any, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """As in Celery, what a retry does not give stays; what it gives by name replaces what came by position."""
    had, named = tuple(task.request.args or ()), dict(task.request.kwargs or {})
    names = task.kind.signature.names_by_position
    if kwargs is None:
        return tuple(args), {name: value for name, value in named.items() if name not in names[: len(args)]}
    kwargs = dict(kwargs)
    if args is None:
        args = [kwargs.pop(name, value) for name, value in zip(names, had, strict=False)]
        args += had[len(args) :]
    return tuple(args), kwargs


def as_a_job(task: Any, args: Any, kwargs: Any, exc: Any, throw: bool, eta: Any, countdown: Any) -> Retry:
    """What another app's worker runs is no job yet. The next attempt is one, with the id that callers know."""
    request = task.request
    when = eta if eta is not None else task.default_retry_delay if countdown is None else countdown
    task.apply_async(
        request.args if args is None else args,
        request.kwargs if kwargs is None else kwargs,
        task_id=request.id,
        link=request.callbacks,
        link_error=request.errbacks,
        chain=request.chain,
        retries=(request.retries or 0) + 1,
        **({"countdown": when} if eta is None else {"eta": eta}),
    )
    reason = Retry(exc=exc, when=when)
    if throw:
        raise reason
    return reason
