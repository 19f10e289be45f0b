"""A Celery application that is not ours: plain Celery, no Django. Its tasks write what truly ran into a file.

Settings come from the environment: SHOP_BROKER, SHOP_RESULTS, SHOP_DIARY, SHOP_CONF (JSON).
"""

import json
import os
import signal
import time

from celery import Celery
from celery.exceptions import Ignore, Reject

app = Celery("shop", broker=os.environ["SHOP_BROKER"], backend=os.environ.get("SHOP_RESULTS") or None)
app.conf.update(json.loads(os.environ.get("SHOP_CONF", "{}")))
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False


def note(task, word):
    with open(os.environ["SHOP_DIARY"], "a") as diary:
        diary.write(json.dumps([task.request.id, word, task.name, task.request.retries]) + "\n")


@app.task(bind=True, name="shop.add")
def add(self, a, b=0, api_key=None):
    note(self, "succeeded")
    return a + b


@app.task(bind=True, name="shop.fail")
def fail(self, why="no stock"):
    note(self, "failed")
    raise ValueError(why)


@app.task(bind=True, name="shop.sleep")
def sleep(self, seconds):
    note(self, "started")
    time.sleep(seconds)
    note(self, "succeeded")


@app.task(bind=True, name="shop.hold")
def hold(self, path):
    note(self, "started")
    while not os.path.exists(path):
        time.sleep(0.05)
    note(self, "succeeded")


@app.task(bind=True, name="shop.again", max_retries=2)
def again(self, succeed_at=2, delay=0.2):
    if self.request.retries >= succeed_at:
        note(self, "succeeded")
        return self.request.retries
    note(self, "retried")
    raise self.retry(countdown=delay, exc=RuntimeError("not yet"))


@app.task(bind=True, name="shop.ignore")
def ignore(self):
    note(self, "ignored")
    raise Ignore


@app.task(bind=True, name="shop.hidden", send_events=False)
def hidden(self):
    note(self, "succeeded")


@app.task(bind=True, name="shop.reject", acks_late=True)
def reject(self, path=""):
    """Hand the message back once, or for good."""
    if path and os.path.exists(path):
        note(self, "succeeded")
        return "at last"
    note(self, "rejected")
    if path:
        open(path, "w").close()
    raise Reject("not mine", requeue=bool(path))


@app.task(bind=True, name="shop.die")
def die(self):
    note(self, "died")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(bind=True, name="shop.steps")
def steps(self, path):
    note(self, "started")
    self.update_state(state="PROGRESS", meta={"done": 1})
    while not os.path.exists(path):
        time.sleep(0.05)
    note(self, "succeeded")


@app.task(bind=True, name="shop.replaced")
def replaced(self, a, b):
    note(self, "replaced")
    return self.replace(add.s(a, b))


@app.task(bind=True, name="shop.total")
def total(self, numbers):
    note(self, "succeeded")
    return sum(numbers)


@app.task(bind=True, name="shop.parent")
def parent(self):
    note(self, "succeeded")
    return add.delay(1, 2).id
