"""What follows a job, as its code sees it: ``self.request.chain`` and ``self.request.callbacks``.

The code may read both and take out of them, as in Celery. ``Job.then`` is what really follows.
"""

from collections.abc import Iterable
from typing import Any

from tasks.engine import chains

SAME = object()  # nothing was taken out


class Following(dict):
    """One signature, as Celery has it in a request. ``steps`` are those of ``Job.then`` that it stands for."""

    steps: chains.Branch


def offered(then: list[chains.Branch] | None) -> dict[str, Any]:
    """Return ``chain`` (the last step first) and ``callbacks`` for a request."""
    chain, callbacks = [], []
    for branch in then if isinstance(then, list) else ():
        if branch and branch[0].get("link"):
            callbacks.append(_signature(branch))
        elif branch:
            chain = [_signature([step]) for step in reversed(branch)]
    return {"chain": chain or None, "callbacks": callbacks or None, "errbacks": None, "chord": None}


def kept(then: list[chains.Branch] | None, chain: Iterable[Any] | None, callbacks: Iterable[Any] | None) -> Any:
    """What follows after the code has run: SAME, or the branches that are left. TypeError for a foreign signature."""
    chain, callbacks = list(chain or ()), list(callbacks or ())
    before = offered(then)
    if [before["chain"] or [], before["callbacks"] or []] == [chain, callbacks]:
        return SAME
    if foreign := [each for each in (*chain, *callbacks) if not isinstance(each, Following)]:
        raise TypeError(f"A job can take steps out of what follows, and not put one in: {foreign[0]!r:.200}.")
    steps = [step for each in reversed(chain) for step in each.steps]
    return [branch for branch in (steps, *(each.steps for each in callbacks)) if branch] or None


def _signature(steps: chains.Branch) -> Following:
    first = steps[0]
    group = [_signature(branch) for branch in first.get("group", ())]
    made = Following(
        task="celery.group" if group else first["kind"],
        args=(),
        kwargs={"tasks": group} if group else dict(first.get("params", {})),
        options={} if group else {"task_id": first["id"]},
        subtask_type="group" if group else None,
        immutable="takes" not in first,
    )
    made.steps = steps
    return made
