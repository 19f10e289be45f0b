"""Upper and lower case are the same in a search, in every alphabet and on both databases."""

import time

import pytest

from tasks.engine import lifecycle
from tasks.engine.errors import Failure
from tasks.engine.models import Job
from tasks.search import finder
from tasks.search.language import Query

pytestmark = pytest.mark.django_db


def found(text: str) -> list[int]:
    return [job.pk for job in finder.find(Query.of({"q": [text]}), Job.objects.all()).jobs]


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("ПРИВЕТ, мир", "привет"),
        ("привет", "ПРИВЕТ"),
        ("Größe Ünter", "größe"),
        ("Größe ÜNTER", '"größe ünter"'),
        ("ΑΘΗΝΑ", "αθηνα"),
        ("朱镕基", "镕"),
        ('say "ÉTÉ"\n', "été"),
        ("plain ASCII", "ascii"),
        ("naïve CAFÉ 😀", "café"),
    ],
)
def test_letters_are_folded_in_parameters_and_errors(stored, asked):
    lifecycle.submit("noop", {})
    one, _ = lifecycle.submit("countdown", {"seconds": 0})
    Job.objects.filter(pk=one.pk).update(params={"name": [stored], "other": 1})
    two, _ = lifecycle.submit("noop", {})
    lifecycle.fail(lifecycle.claim(two.uid, "w@h", 1), Failure(stored))
    assert found(asked) == [two.pk, one.pk]
    assert found(f"{asked} kind:countdown") == [one.pk]
    assert found("приве́т") == []


@pytest.mark.long
def test_a_search_reads_no_longer_than_its_time(monkeypatch):
    made = {"kind": "noop", "queue": "default", "state": "queued", "created_at": "2026-03-01T00:00Z"}
    rows = [Job(**made, params={"text": "ПРИВЕТ " * 20}) for _ in range(3_500)]
    Job.objects.bulk_create(rows, batch_size=500)
    monkeypatch.setattr(finder, "LOOK_S", 0)
    began = time.process_time()
    seen = finder.find(Query.of({"q": ["нет"]}), Job.objects.all())
    assert (seen.jobs, seen.complete) == ([], False)
    assert time.process_time() - began < 1.5
