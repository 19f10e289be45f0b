"""Carries out what people ask for in a watched application, and writes down what was answered. Used by the observer."""

import logging
import time
from collections.abc import Collection
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from celery import Celery
from django.utils import timezone
from kombu import Producer

from tasks.engine import sealing, storable
from tasks.engine.models import Job
from tasks.observe import broker, control
from tasks.observe.models import App, Order, OrderState

sender = Celery("signalbox-observe", set_as_current=False, fixups=[])  # makes messages, and is connected to nothing
log = logging.getLogger(__name__)

MOST = 50  # at a time
REPEATED = timedelta(days=1)  # for so long a cancel is sent again to workers that come up


class Hands(Protocol):
    """What an order needs of the controller."""

    remote: Any
    queues: Any
    url: str
    options: Any
    put: Any

    def hosts(self) -> Any: ...
    def ask(self, hosts: set[str] | None) -> None: ...


def carry_out(app: App, hands: Hands) -> int:
    """Carry out the orders that nobody has taken yet; returns how many."""
    waiting = list(Order.objects.filter(app=app, taken_at__isnull=True).order_by("id")[:MOST])
    done = 0
    for order in waiting:
        now = timezone.now()
        if not Order.objects.filter(pk=order.pk, taken_at__isnull=True).update(taken_at=now):
            continue
        try:
            _carry_out(order, hands)
        except Exception as error:
            log.warning("The order %s of %s failed: %s", order.order, app.name, type(error).__name__)
            order.said = storable.text(f"The broker could not be asked: {type(error).__name__}.", 500)
            Order.objects.filter(pk=order.pk).update(
                stage=OrderState.NO_ANSWER, said=order.said, answered_at=timezone.now()
            )
        done += 1
    return done


def _carry_out(order: Order, hands: Hands) -> None:
    if hands.remote.read_only:
        _close(order, OrderState.REFUSED, [], "SIGNALBOX_OBSERVE_READONLY is on: nothing is ever sent.")
        return
    if order.order == "purge":
        gone = hands.queues.purge(order.values["queue"])
        _close(order, OrderState.CONFIRMED, [], f"{gone} messages were deleted.")
        hands.ask(None)
        return
    if order.order == "run_again":
        send_again(order, hands)
        return
    command, arguments = command_of(order)
    hosts = set(hands.hosts())
    if order.values.get("worker"):
        hosts &= {order.values["worker"]}
    answers = hands.remote.ask(command, hosts, **arguments)
    said = [{"worker": host, "said": control.said(answers[host])} for host in sorted(answers)]
    said += [{"worker": host, "said": "no answer"} for host in sorted(hosts - answers.keys())]
    if not answers:
        sentence = "No worker is there." if not hosts else "No worker answered."
        _close(order, OrderState.NO_ANSWER, said, sentence)
    elif all(each["said"].startswith("error") for each in said if each["said"] != "no answer"):
        _close(order, OrderState.REFUSED, said, "")
    else:
        _close(order, OrderState.ANSWERED, said, "")
    hands.ask(set(hosts))


def send_again(order: Order, hands: Hands) -> None:
    """Publish a task's message without the code of its application, and without declaring a queue: one that is declared
    with other arguments than it has would be refused."""
    values, real = order.values, sealing.unseal(order.secrets)
    headers, _, body, _ = sender.amqp.as_task_v2(values["task"], values["kind"], real["args"], real["kwargs"])
    hands.put("sent", {**values, **real, "copy_of": order.job}, time.time())  # before any event of it can come
    with broker.connection(hands.url, hands.options) as link, link.channel() as channel:
        properties = {"correlation_id": values["task"], "reply_to": str(uuid4())}
        Producer(channel, auto_declare=False).publish(
            body, exchange="", routing_key=values["queue"], serializer="json", headers=headers, declare=[],
            delivery_mode=2, **properties,
        )  # fmt: skip
    _close(order, OrderState.ANSWERED, [], "It was sent; its task appears when a worker or a look names it.")
    hands.ask(None)


def command_of(order: Order) -> tuple[str, dict[str, Any]]:
    """The command of Celery's remote control, and its arguments."""
    values = order.values
    match order.order:
        case "rate_limit":
            return "rate_limit", {"task_name": values["kind"], "rate_limit": values["rate"]}
        case "time_limit":
            return "time_limit", {"task_name": values["kind"], "hard": values.get("hard"), "soft": values.get("soft")}
        case "pool_grow" | "pool_shrink":
            return order.order, {"n": values["n"]}
        case "add_consumer" | "cancel_consumer":
            return order.order, {"queue": values["queue"]}
        case "shutdown":
            return "shutdown", {}
        case "cancel":
            return "revoke", {"task_id": values["task"]}
        case "terminate":
            return "revoke", {"task_id": values["task"], "terminate": True, "signal": "SIGTERM"}
    raise ValueError(f"There is no order named {order.order!r}.")


def _close(order: Order, state: str, answers: list[dict[str, str]], said: str) -> None:
    """Write down what was answered. The end of a task may have confirmed the order meanwhile."""
    row = Order.objects.filter(pk=order.pk)
    row.update(answers=answers, said=storable.text(said, 500), answered_at=timezone.now())
    row.exclude(stage=OrderState.CONFIRMED).update(stage=state)


def confirm(cancelled: Collection[UUID]) -> None:
    """Confirm the orders that cancelled these tasks."""
    if cancelled:
        asked = Order.objects.filter(job__in=cancelled, order__in=("cancel", "terminate"))
        asked.exclude(stage=OrderState.CONFIRMED).update(stage=OrderState.CONFIRMED)


def repeat(app: App, remote: Any, hosts: Collection[str]) -> None:
    """Send cancels again to workers that have come up: a worker forgets them at a restart."""
    told = Order.objects.filter(
        app=app, order="cancel", stage__in=(OrderState.ANSWERED, OrderState.NO_ANSWER),
        asked_at__gte=timezone.now() - REPEATED,
    ).order_by("-id")[:1_000]  # fmt: skip
    tasks = {order.job: order.values["task"] for order in told}
    still = Job.every.filter(app=app.name, uid__in=tasks, finished_at__isnull=True).values_list("uid", flat=True)
    if ids := [tasks[uid] for uid in still]:
        remote.ask("revoke", hosts, task_id=ids)
