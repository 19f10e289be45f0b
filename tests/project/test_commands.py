"""What a job cannot be made of is a sentence, and an exit code that does not speak of a job's end."""

import pytest
from django.core.management import CommandError, call_command

from tasks.engine.models import Job
from tests.support.people import person

pytestmark = pytest.mark.django_db(transaction=True)
NO_FEED = ("fetch_feed", "feed=0199c1f2-7d3a-7e61-8b5c-1f2e3d4c5b6a")


@pytest.mark.parametrize("command", ["submit", "run"])
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (NO_FEED, "feed: There is no feed with this id."),
        (("map_task", "task=noop", "it=[]"), "Only code submits jobs of this kind."),
    ],
)
def test_what_no_job_can_be_made_of(command, words, sentence):
    with pytest.raises(CommandError, match=sentence) as refused:
        call_command(command, *words)
    assert refused.value.returncode == 64
    assert not Job.objects.exists()


def test_a_quota_that_is_used_up_is_worth_another_try(settings):
    settings.SIGNALBOX_SUBMITS_PER_USER = 1
    person("ada")
    call_command("submit", "noop", "--owner", "ada")
    with pytest.raises(CommandError, match="at most 1 submit a minute") as refused:
        call_command("submit", "noop", "--owner", "ada")
    assert refused.value.returncode == 75
