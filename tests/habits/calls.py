"""Many calls in one message, groups that their tasks know, and ``retry`` that is not raised."""

from celery import chain, chord, group, xmap, xstarmap
from celery.result import AsyncResult

from tests.habits.cases import PATIENCE_S, end_of, lines, settled
from tests.habits.team import many, tasks


def mapped():
    return [end_of(many.doubles.map([1, 2, 3]).delay()), lines(3, "doubles")]


def mapped_over_a_generator():
    return end_of(many.doubles.map(n for n in range(3)).apply_async(countdown=0.1))


def mapped_over_nothing():
    return end_of(many.doubles.map([]).delay())


def starmapped():
    return end_of(tasks.adds.starmap([(1, 2), (3, 4)]).delay())


def mapped_by_a_signature_of_ones_own():
    return [end_of(xmap(many.doubles.s(), [1]).delay()), end_of(xstarmap(tasks.adds.s(), [(1, 2)]).delay())]


def in_chunks():
    result = tasks.adds.chunks(zip(range(5), range(5), strict=True), 2)()
    return [end_of(each) for each in result.results] + [result.get(timeout=PATIENCE_S)]


def in_chunks_that_a_task_waits_for():
    return end_of(chord(tasks.adds.chunks([(1, 1), (2, 2), (3, 3)], 2).group())(tasks.collects.s()))


def mapped_in_a_chain():
    return end_of(chain(tasks.adds.s(1, 1), many.doubles.map([1, 2]), tasks.collects.s()).delay())


def mapped_in_a_chord():
    return end_of(chord([many.doubles.map([1, 2]), tasks.adds.starmap([(1, 1)])])(tasks.collects.s()))


def mapped_with_a_link():
    result = many.doubles.map([1]).apply_async(link=tasks.collects.s(), link_error=tasks.errback.s())
    return [end_of(result), lines(1, "collects")]


def mapped_and_one_call_fails():
    result = many.doubles.map([1, -1, 2]).apply_async(link_error=tasks.errback.s())
    return [end_of(result), lines(1, "errback"), settled()]


def mapped_in_place():
    return many.doubles.map([1, 2])()


def mapped_over_a_bound_task():
    return end_of(many.knows_its_call.map([1, 2]).delay())


def group_that_its_tasks_know():
    made = group(many.knows_its_group.s(), many.knows_its_group.s()).apply_async()
    known = made.get(timeout=PATIENCE_S)
    same = [each == made.id for each in known]
    alone = end_of(many.knows_its_group.delay())
    return [same, alone, indices()]


def group_in_a_chain():
    both = group(many.knows_its_group.s(), many.knows_its_group.s())
    state, known = end_of(chain(tasks.adds.s(1, 1), both, many.hands_on.s()).delay())
    return [state, known[0] is not None, known[0] == known[1], indices()]


def group_of_a_chord():
    state, known = end_of(chord([many.knows_its_group.s(), many.knows_its_group.s()])(many.hands_on.s()))
    return [state, known[0] is not None, known[0] == known[1], indices()]


def group_of_chains():
    made = group(chain(tasks.adds.s(1, 1), many.knows_its_group.s()) for _ in range(2)).apply_async()
    return [[each == made.id for each in made.get(timeout=PATIENCE_S)], indices()]


def indices():
    return sorted(lines(2, "group"))


def retry_that_is_raised_later():
    return [end_of(many.raises_what_retry_gave.delay()), lines(3, "tries")]


def chunks_in_a_chain():
    steps = chain(tasks.adds.si(1, 1), tasks.adds.chunks([(1, 1), (2, 2), (3, 3)], 2).group(), tasks.collects.s())
    return end_of(steps.delay())


def group_of_chains_in_a_chain():
    inner = [chain(tasks.adds.s(1), many.knows_its_group.s()) for _ in range(2)]
    state, known = end_of(chain(tasks.adds.s(1, 1), group(inner), many.hands_on.s()).delay())
    return [state, known[0] is not None, known[0] == known[1], indices()]


def group_that_ends_a_chain():
    result = chain(tasks.adds.s(1, 1), group(many.knows_its_group.s(), many.knows_its_group.s())).delay()
    return [[each == result.id for each in result.get(timeout=PATIENCE_S)], indices()]


def retry_that_is_not_raised():
    result = many.retries_without_raising.delay()
    return [lines(3, "tries"), settled(), end_of(result)[0]]


def chain_that_breaks():
    return _caught(chain(many.doubles.s(1), many.raises_special.s(), many.doubles.s(), many.doubles.s()).delay())


def chord_that_breaks():
    return _caught(chord([many.doubles.s(1), many.raises_special.s(1)])(tasks.collects.s()))


def _caught(result):
    try:
        result.get(timeout=PATIENCE_S)
    except Exception as error:
        seen = [type(error).__name__, str(error)]
    kept = result.get(propagate=False, timeout=PATIENCE_S)
    return [seen, result.state, result.ready(), result.failed(), type(kept).__name__, type(result.result).__name__]


def retry_by_hand():
    called = chain(many.raises_retry.s(), tasks.spend.s())().parent
    lines(1, "raises Retry")
    settled()
    found = AsyncResult(called.id, app=tasks.spend.app)
    return [found.state, f"{type(found.result).__name__}: {found.result}"]
