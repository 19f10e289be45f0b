"""What the environment of a job does not hold."""

import psutil
import pytest

from tasks.engine import lifecycle
from tasks.engine.models import Job
from tests.support.processes import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process, pytest.mark.pure]


def test_the_first_admins_password_reaches_no_process_that_up_starts(product) -> None:
    assert product.environment["SIGNALBOX_ADMIN_PASSWORD"] == product.password
    up, *parts = product.processes()
    held = {pid: psutil.Process(pid).environ() for pid in parts}
    assert len(held) > 3
    assert not [pid for pid, found in held.items() if product.password in found.values()]


def test_passwords_that_only_commands_read_are_not_in_the_environment_of_a_job(start_worker) -> None:
    start_worker(
        "w1", concurrency=1, SIGNALBOX_ADMIN_PASSWORD="hunter2", SIGNALBOX_ADMIN_USER="ada", SIGNALBOX_TOKEN="t"
    )
    job, _ = lifecycle.submit("names_of_the_environment", {})
    done = wait_until(lambda: Job.objects.filter(pk=job.pk, state="succeeded").first(), 20, "its end")
    assert "PATH" in done.result and not {name for name in done.result if "ADMIN" in name or "TOKEN" in name}
