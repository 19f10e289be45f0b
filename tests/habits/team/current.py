"""Tasks that ask for Celery's current app, which in a worker is the team's: its settings, its tasks, its name."""

from threading import Thread

from celery import chain, current_app, current_task, shared_task, signature
from celery.app import app_or_default
from celery.result import AsyncResult
from celery.signals import task_postrun, task_prerun

from tests.habits.team.celery import app
from tests.habits.team.tasks import Special, adds, note


def about(of):
    return [of.main, of.conf.team_colour, of.conf.get("team_shade", "none"), "habits_adds" in of.tasks]


def of_the_app():
    apps = (current_app, app_or_default(), current_task.app, AsyncResult("x").app, signature("habits_adds").app)
    return [about(each) for each in apps]


@app.task(name="habits_of_the_app")
def says_its_app():
    current_app.send_task("habits_says_a_line", ("sent",))
    return of_the_app()


@app.task(name="habits_of_the_app_and_fails", bind=True, max_retries=1)
def fails(self, how):
    note("fails", current_app.main)
    if how == "slow":
        while True:
            pass
    if how == "again":
        raise self.retry(countdown=0)
    raise Special(how)


@app.task(name="habits_of_the_app_in_a_thread")
def in_a_thread():
    seen = []
    thread = Thread(target=lambda: seen.append(about(current_app)))
    thread.start()
    thread.join()
    return seen


@shared_task(name="habits_shared_of_the_app", bind=True)
def shared(self):
    return [*of_the_app(), about(self.app), self.app is current_task.app]


@shared_task(name="habits_says_a_line")
def says_a_line(what):
    note("line", what, current_app.main)


@shared_task(name="habits_calls_in_a_chain")
def calls_in_a_chain(n):
    return chain(signature("habits_adds", (n, 1)), adds.s(2)).delay().id


@task_prerun.connect
@task_postrun.connect
def note_app(sender=None, signal=None, **_):
    if sender.name in {"habits_of_the_app", "habits_shared_of_the_app"}:
        note("signal", signal.name, current_app.main, sender.app.main)
