"""Django's admin shows jobs, workers and queues to admins, and changes none of them."""

import pytest
from django.urls import reverse

from tasks.engine import lifecycle, notify
from tasks.engine.models import Job, Queue, Worker
from tests.support.people import person
from tests.web.test_pages import browser, made

pytestmark = pytest.mark.django_db


def test_a_job_is_looked_at_there_and_never_changed() -> None:
    job, client = made("keeps_a_secret", name="n", password="correct horse battery"), browser("ada")
    lifecycle.release(lifecycle.claim(job.uid, "w1@here", 1))
    address = reverse("admin:tasks_job_change", args=[job.pk])
    page = client.get(address).content.decode()
    assert '<div class="readonly">Queued</div>' in page
    assert "released" in page.lower()
    assert 'name="state"' not in page
    assert "correct horse" not in page
    assert job.secrets not in page
    assert client.post(address, {"state": "succeeded"}).status_code == 403
    assert client.post(reverse("admin:tasks_job_delete", args=[job.pk]), {"post": "yes"}).status_code == 403
    assert client.get(reverse("admin:tasks_job_add")).status_code == 403
    assert Job.objects.get().state == "queued"


def test_the_list_of_jobs_is_found_by_id_and_does_not_count_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.engine.admin.MOST", 2)
    jobs, client = [made() for _ in range(3)], browser("ada")
    address = reverse("admin:tasks_job_changelist")
    page = client.get(address).content.decode()
    assert "2 jobs" in page
    assert str(jobs[-1].uid) in page
    found = client.get(address, {"q": str(jobs[0].uid)}).content.decode()
    assert [str(job.uid) in found for job in jobs] == [True, False, False]
    assert client.get(address, {"q": "no id"}).status_code == 200
    for name in ("bob", "vera", "charlie"):
        assert browser(name).get(address).status_code in (302, 403)


@pytest.mark.parametrize("model", [Worker, Queue])
def test_workers_and_queues_are_looked_at_too(model: type) -> None:
    notify.pause("default", person("bob"))
    now = lifecycle.now()
    Worker.objects.create(name="w1", host="here", pid=1, seen_at=now, started_at=now)
    name = model._meta.model_name
    client = browser("ada")
    assert client.get(reverse(f"admin:tasks_{name}_changelist")).status_code == 200
    assert client.post(reverse(f"admin:tasks_{name}_change", args=[model.objects.get().pk]), {}).status_code == 403
    assert Queue.objects.get().paused
