"""What a row must meet, as SQL that is tried row by row: words, texts of errors, parameters, workers, durations.

Columns stand in expressions, or else a planner would leave the index that leads to the rows. No condition is ever NULL,
so each can be turned round. Secrets are stored sealed and shown as a mask, so nothing here can find one.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from string import ascii_lowercase, ascii_uppercase
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import BooleanField, Exists, F, FloatField, Func, OuterRef, Q, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Coalesce, Collate, Concat, Now, Upper
from django.db.models.lookups import (
    Contains,
    GreaterThan,
    GreaterThanOrEqual,
    IContains,
    In,
    LessThan,
    LessThanOrEqual,
)

from tasks.engine import registry
from tasks.engine.applications import OWN
from tasks.engine.models import Attempt, State
from tasks.search.language import EVERY_APP, Query
from tasks.search.values import Took

BOUNDS = {">": GreaterThan, ">=": GreaterThanOrEqual, "<": LessThan, "<=": LessThanOrEqual}
PLAIN = ("queue", "release")  # columns whose names are compared as they are
UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)  # what both databases fold in values of parameters
Names = Collection[str]


def of(query: Query) -> Iterator[tuple[str, Q]]:
    """The conditions of a search that need no other table's index, each with the name of its filter."""
    if app := in_app(query):
        yield "app", app
    yield from (("state", in_states(sorted(states))) for states in query.state)
    yield from (("kind", Q(In(Concat("kind", Value("")), sorted(known_as(names))))) for names in query.kind)
    for name in PLAIN:
        yield from ((name, Q(In(Concat(name, Value("")), sorted(names)))) for names in getattr(query, name))
    yield from (("owner", owned_by(names)) for names in query.owner)
    yield from (("worker", ran_on(names)) for names in query.worker)
    if query.ended:
        yield "ended", ended(*query.ended)
    yield from (("took", took(bound)) for bound in query.took)
    yield from (("args", has_argument(path, values)) for path, values in query.args)
    yield from (("error", any_of(has_error(text) for text in sorted(texts))) for texts in query.error)
    yield from (("words", has_word(word)) for word in query.words)
    for left_out in query.without:
        yield from (("without", ~condition) for name, condition in of(left_out) if name != "app")


def known_as(kinds: Names) -> set[str]:
    """With the names that rows have, where a kind is asked for by Celery's ``module.function``."""
    return {*kinds, *map(registry.own_name, kinds)}


def in_app(query: Query) -> Q | None:
    """Our own jobs, unless a search names apps; ``own`` is the name of our own. None: those of every app."""
    asked = [apps for apps in query.app if EVERY_APP not in apps]
    if query.app and not asked:
        return None
    names = frozenset.intersection(*asked) if asked else {OWN}
    if names == {OWN}:
        return Q(app=RawSQL("''", ()))
    return Q(In(Concat("app", Value("")), sorted("" if name == OWN else name for name in names)))


def in_states(names: Iterable[str]) -> Q:
    """The states stand in the SQL itself, in their order: with a parameter, no planner uses a partial index."""
    literals = [RawSQL(f"'{State(name)}'", ()) for name in names]  # noqa: S611 - State knows them all
    return Q(state=literals[0]) if len(literals) == 1 else Q(state__in=literals)


def user_ids(names: Names) -> list[int]:
    user = get_user_model()
    return list(user.objects.filter(**{f"{user.USERNAME_FIELD}__in": names}).values_list("pk", flat=True)) or [-1]


def owned_by(names: Names) -> Q:
    return Q(In(Coalesce(F("owner_id") + 0, Value(0)), user_ids(names)))


def ran_on(names: Names) -> Q:
    """On one of these workers, in any attempt."""
    earlier = Attempt.objects.filter(job=OuterRef("pk"), worker__in=sorted(names))
    return Q(In(F("worker"), sorted(names))) | (_has_attempts() & Q(Exists(earlier)))


def took(bound: Took) -> Q:
    """How long the last attempt ran, or has run until now if it runs. What waits has taken no time."""
    began = Q(started_at__isnull=False) & (Q(finished_at__isnull=False) | in_states([State.RUNNING]))
    return began & Q(BOUNDS[bound.than](Coalesce(ran_s(), Value(0.0)), bound.seconds))


def ended(since: datetime | None, until: datetime | None) -> Q:
    found = Q(finished_at__isnull=False)
    found &= Q(finished_at__gte=since) if since else Q()
    return found & Q(finished_at__lt=until) if until else found


def ran_s() -> Any:
    """Seconds from the start of the last attempt to its end, or until now."""
    return Seconds(Coalesce("finished_at", Now()), "started_at")


STARTED = Q(started_at__isnull=False)


def has_argument(path: tuple[str, ...], values: Names) -> Q:
    """Whether a parameter, written as text, is one of the values; of a list, whether one of its items is."""
    return Q(HasArgument(F("params"), path, *(value.translate(UPPER) for value in sorted(values))))


def has_error(text: str) -> Q:
    """Whether an attempt, or the job as a whole, ended with this in its error."""
    attempts = Attempt.objects.filter(job=OuterRef("pk")).filter(_contains("error", text))
    return _contains("error", text) | (_has_attempts() & Q(Exists(attempts)))


def has_word(word: str) -> Q:
    return _contains("title", word) | _contains("kind", word) | has_error(word) | _contains_json("params", word)


def _has_attempts() -> Q:
    """Only such jobs have rows of attempts: a success has none."""
    return Q(GreaterThan(F("attempt"), 1)) | ~in_states([State.SUCCEEDED])


def any_of(conditions: Iterable[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found


def _contains(column: str, word: str) -> Q:
    """Upper and lower case are the same, in every alphabet: on SQLite by a function of project.sqlite3."""
    if connection.vendor == "sqlite":
        return Q(IContains(F(column), word)) if word.isascii() else _calls("SIGNALBOX_HAS", column, word)
    if word.isascii():  # no letter beyond ASCII is folded
        return Q(Contains(Upper(Collate(F(column), "C")), word.upper()))
    return Q(IContains(F(column), word))


def _contains_json(column: str, word: str) -> Q:
    """The same in JSON, where a word may be written with escapes."""
    sqlite = connection.vendor == "sqlite"
    text = Cast(column, TextField())
    if sqlite and not word.isascii():
        return _calls("SIGNALBOX_JSON_HAS", column, json.dumps(word, ensure_ascii=False)[1:-1])
    stored = json.dumps(word, ensure_ascii=sqlite)[1:-1]
    if not sqlite and word.isascii():
        return Q(Contains(Upper(Collate(text, "C")), stored.upper()))
    return Q(IContains(text, stored))


def _calls(function: str, column: str, word: str) -> Q:
    return Q(Func(Cast(column, TextField()), Value(word.upper()), function=function, output_field=BooleanField()))


class Seconds(Func):
    """The seconds from the second moment to the first. Django's own would call Python for each row on SQLite."""

    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "ROUND((JULIANDAY(%(expressions)s)) * 86400.0, 3)"  # it counts days, with milliseconds for a rest
        return self.as_sql(compiler, connection, template=template, arg_joiner=") - JULIANDAY(", **more)

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        template = "EXTRACT(EPOCH FROM (%(expressions)s))::float8"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **more)


class HasArgument(Func):
    """Whether the text of a parameter is one of some texts. Rows whose JSON cannot be read have none."""

    output_field = BooleanField()

    def __init__(self, column: Any, path: tuple[str, ...], *texts: str, **more: Any) -> None:
        super().__init__(column, *(Value(text) for text in texts), **more)
        self.path = path  # identifiers only: tasks.search.language checks it

    def as_sqlite(self, compiler: Any, connection: Any, **more: Any) -> Any:
        path = "$" + "".join(f'."{name}"' for name in self.path)
        text = (
            "CASE j.type WHEN 'true' THEN 'TRUE' WHEN 'false' THEN 'FALSE' WHEN 'null' THEN 'NULL' "
            "ELSE UPPER(CAST(j.value AS TEXT)) END"
        )
        found = f"EXISTS (SELECT 1 FROM json_each({{column}}, '{path}') AS j WHERE {text} IN ({{texts}}))"  # noqa: S608
        return self._compiled(compiler, f"(CASE WHEN json_valid({{column}}) THEN {found} ELSE 0 END)")

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        names = "', '".join(self.path)
        value = f"({{column}} #> ARRAY['{names}'])"
        items = f"CASE jsonb_typeof({value}) WHEN 'array' THEN {value} ELSE jsonb_build_array({value}) END"
        return self._compiled(
            compiler,
            f"({value} IS NOT NULL AND EXISTS (SELECT 1 FROM jsonb_array_elements_text({items}) AS j(v) "  # noqa: S608
            "WHERE COALESCE(UPPER(j.v COLLATE \"C\"), 'NULL') IN ({texts})))",
        )

    def _compiled(self, compiler: Any, template: str) -> tuple[str, list[Any]]:
        (column, _), *texts = (compiler.compile(each) for each in self.get_source_expressions())
        return template.format(column=column, texts=", ".join(sql for sql, _ in texts)), [
            param for _, params in texts for param in params
        ]
