"""A team's own project, changed as docs/your-project.md says: its site makes jobs, Signalbox runs them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import redis
import requests

from project import valkey
from tests.support.processes import READY, ROOT, listens, wait_until

pytestmark = [pytest.mark.process, pytest.mark.pure]

TEXT = (ROOT / "docs/your-project.md").read_text()
AT_THE_END, TAKE, OPS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(DIFF,) = re.findall(r"```diff\n-(.*)\n\+(.*)\n```", TEXT)
EMAIL, PASSWORD = "ann@acme.example", "the-password-of-ann"


class Team:
    """A copy of tests/team, and the processes on it."""

    def __init__(self, folder: Path, servers, broker: str) -> None:
        self.folder, self.servers = folder, servers
        shutil.copytree(ROOT / "tests/team", folder)
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        self.environment = kept | {
            "PYTHONPATH": f"{folder}:{ROOT}",
            "ACME_DATABASE": str(folder / "acme.sqlite3"),
            "ACME_BROKER": broker,
            "CELERY_BROKER_URL": broker,
            "SIGNALBOX_HOME": str(folder.parent / "home"),
        }

    def run(self, command: str, *words: str, stderr: bool = False, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, command, *words], cwd=self.folder, env=self.environment | more, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return (done.stdout + done.stderr * stderr).strip()

    def start(self, command: str, *words: str, **more: str) -> Path:
        log = self.folder.parent / f"{words[0]}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, command, *words], cwd=self.folder, env=self.environment | more, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.servers.watchdog.watch(process.pid)
        self.processes = [*getattr(self, "processes", ()), process]
        return log

    def start_site(self) -> tuple[str, Path]:
        port = valkey.free_port()
        log = self.start("manage.py", "runserver", "--noreload", str(port))
        wait_until(lambda: listens(port), 60, "the team's site")
        return f"http://127.0.0.1:{port}", log

    def add_settings_of_the_page(self) -> None:
        self.append("acme/settings.py", AT_THE_END)
        (self.folder / "acme/ops.py").write_text(OPS)

    def append(self, file: str, text: str) -> None:
        path = self.folder / file
        path.write_text(f"{path.read_text()}\n{text}")

    def change_as_the_page_says(self) -> None:
        self.add_settings_of_the_page()
        tasks = self.folder / "orders/tasks.py"
        before, after = DIFF
        assert before in tasks.read_text()
        # One of the two tasks stays Celery's own.
        tasks.write_text(
            tasks.read_text()
            .replace(before, f"{before}\n{after.replace('shared_task', 'job')}")
            .replace("@shared_task\ndef ship", "@job\ndef ship")
            .replace("job as job", "job")
        )


@pytest.fixture
def broker(servers) -> str:
    """The team's own Redis: what arrives there is none of Signalbox's."""
    with redis.from_url(servers.redis_url) as link:
        link.delete("celery")
    return servers.redis_url


@pytest.fixture
def team(tmp_path: Path, servers, broker):
    team = Team(tmp_path / "acme", servers, broker)
    yield team
    for process in getattr(team, "processes", ()):
        process.terminate()
        process.wait(30)


MAKE_ANN = f"from people.models import Person; Person.objects.create_superuser({EMAIL!r}, {PASSWORD!r})"


def test_a_team_adopts_by_the_page_alone(team, broker):
    team.run("manage.py", "migrate", "-v0")  # the project as it was, with its own users
    team.run("manage.py", "shell", "-c", MAKE_ANN)
    team.change_as_the_page_says()
    port = valkey.free_port()
    log = team.start(
        str(ROOT / "manage.py"), "up", "--port", str(port), DJANGO_SETTINGS_MODULE="acme.ops", SIGNALBOX_PREFIX="/ops",
        CELERY_BROKER_URL="",
    )  # fmt: skip
    wait_until(lambda: READY.search(log.read_text()), 120, "the ready line")
    address, site = team.start_site()
    answer = requests.get(f"{address}/order/7/", timeout=30)
    assert answer.status_code == 200, site.read_text()

    ops = f"http://127.0.0.1:{port}/ops/"
    browser = requests.Session()
    page = browser.get(ops + "login/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
    form = {"csrfmiddlewaretoken": token, "username": EMAIL, "password": PASSWORD}
    assert browser.post(ops + "login/", data=form, headers={"Referer": ops}, timeout=30).url == ops

    def job() -> dict:
        return browser.get(f"{ops}api/v1/jobs/{answer.json()['id']}/", timeout=30).json()

    wait_until(lambda: job()["state"] == "succeeded", 30, "the job")
    assert job()["result"] == "order 7 by snail"  # by a setting of the team's own
    assert "order 7 by snail" in browser.get(f"{ops}jobs/{answer.json()['id']}/", timeout=30).text

    theirs = requests.get(f"{address}/stock/", timeout=30)  # a task that stayed Celery's own
    assert theirs.status_code == 200, site.read_text()
    with redis.from_url(broker) as link:
        assert link.llen("celery") == 1
    assert browser.get(f"{ops}api/v1/jobs/{theirs.json()['id']}/", timeout=30).status_code == 404


def test_a_job_in_celery_py_is_one_sentence_that_says_where_jobs_go(team):
    team.add_settings_of_the_page()
    team.append("acme/celery.py", "from tasks.base import job\n\n@job\ndef debug_task():\n    pass\n")
    for command, settings in (("manage.py", "acme.settings"), (str(ROOT / "manage.py"), "acme.ops")):
        with pytest.raises(AssertionError, match=r"tasks.base has no job before Django's apps are loaded"):
            team.run(command, "check", DJANGO_SETTINGS_MODULE=settings)


def test_a_package_or_label_of_the_team_that_is_ours_is_one_sentence(team):
    team.change_as_the_page_says()
    feeds = team.folder / "feeds"
    feeds.mkdir()
    (feeds / "__init__.py").touch()
    settings = team.folder / "acme/settings.py"
    settings.write_text(settings.read_text().replace('"orders",', '"orders",\n    "feeds",'))
    with pytest.raises(AssertionError, match=r"The app feeds has the label 'feeds', as Signalbox's tasks"):
        team.run(str(ROOT / "manage.py"), "check", DJANGO_SETTINGS_MODULE="acme.ops")
    settings.write_text(settings.read_text().replace('\n    "feeds",', ""))
    live = team.folder / "live"
    live.mkdir()
    (live / "__init__.py").touch()
    with pytest.raises(AssertionError, match=r"The package 'live' in .* hides Signalbox's 'live': rename it"):
        team.run("manage.py", "check")


HARD_TO_SHIP = """

@shared_task(bind=True, default_retry_delay=0)
def ship_late(self, number):
    if Order.objects.filter(number=number, carrier="").update(carrier="late"):
        raise self.retry()
"""
SENT = "from orders import tasks; tasks.ship.delay(1); tasks.ship_late.delay(2)"
MAKE_ORDERS = "from orders.models import Order; [Order.objects.create(number=n) for n in (1, 2)]"
STATES = "from tasks.engine.models import Job; print(sorted(Job.objects.values_list('kind', 'state')))"
CARRIERS = (
    "from orders.models import Order; print(list(Order.objects.order_by('number').values_list('carrier', flat=True)))"
)


def test_one_line_of_celery_py_makes_jobs_of_all_tasks_of_the_teams_app(team, broker):
    team.append("orders/tasks.py", HARD_TO_SHIP)
    team.run("manage.py", "migrate", "-v0")
    team.run("manage.py", "shell", "-c", MAKE_ORDERS)
    team.run("manage.py", "shell", "-c", SENT)  # plain messages, which wait when the tasks become those of jobs
    team.add_settings_of_the_page()
    team.run("manage.py", "migrate", "-v0")
    names = "orders.tasks.count_stock, orders.tasks.ship, orders.tasks.ship_late"
    said = team.run("manage.py", "check", stderr=True)
    assert f"no jobs, and go to the broker of that app: {names}." in said and "take(app)" in said
    team.append("acme/celery.py", TAKE)
    said = team.run("manage.py", "check", stderr=True)
    assert f"Plain Celery tasks that are jobs: {names}." in said and "are no jobs" not in said

    address, site = team.start_site()
    answer = requests.get(f"{address}/stock/", timeout=30)
    assert answer.status_code == 200, site.read_text()
    assert team.run("manage.py", "shell", "-c", STATES).endswith("[('count_stock', 'queued')]")
    with redis.from_url(broker) as link:
        assert link.llen("celery") == 2  # those from before

    team.start("-m", "celery", "-A", "acme", "worker", "--concurrency", "1", "-Q", "celery")
    two = "[('count_stock', 'queued'), ('ship_late', 'queued')]"
    wait_until(lambda: team.run("manage.py", "shell", "-c", STATES).endswith(two), 60, "the job of a retry")
    assert team.run("manage.py", "shell", "-c", CARRIERS).endswith("['snail', 'late']")

    port = str(valkey.free_port())
    team.start(
        str(ROOT / "manage.py"), "up", "--port", port, DJANGO_SETTINGS_MODULE="acme.ops", CELERY_BROKER_URL=""
    )  # fmt: skip
    done = two.replace("queued", "succeeded")
    wait_until(lambda: team.run("manage.py", "shell", "-c", STATES).endswith(done), 120, "the end of both jobs")


IN_CODE = """
from celery.schedules import crontab
app.conf.task_routes = {"orders.tasks.ship": {"queue": "parcels"}}
app.conf.update(task_soft_time_limit=77, task_default_queue="shop")
app.conf.beat_schedule = {"stock": {"task": "orders.tasks.count_stock", "schedule": crontab(minute=0)}}

@app.on_after_finalize.connect
def add(sender, **_):
    sender.add_periodic_task(3600.0, app.signature("orders.tasks.ship", (1,)), name="every hour")
"""
READ = """
from celery import current_app
from tasks.engine import registry
from tasks.engine.celery_app import app
kinds = [registry.get(name) for name in ("ship", "count_stock")]
print([(kind.queue, kind.soft_time_limit) for kind in kinds], sorted(app.conf.beat_schedule), current_app.main)
"""


def test_what_the_teams_celery_py_sets_in_code_counts_for_workers_and_beat_of_ours(team):
    team.add_settings_of_the_page()
    team.append("acme/celery.py", TAKE + IN_CODE)
    said = team.run("manage.py", "shell", "-c", READ, DJANGO_SETTINGS_MODULE="acme.ops", CELERY_BROKER_URL="")
    assert said.splitlines()[-1] == "[('parcels', 77), ('shop', 77)] ['count-stock', 'every hour', 'stock'] acme"
