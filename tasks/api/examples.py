"""A request for every operation, by its id: shown in the OpenAPI document, and really sent by tests/api/test_schema.py.

A view of another app that takes a body adds its own line. What needs neither body nor query needs no line.
"""

from typing import Any

BODIES: dict[str, dict[str, Any]] = {
    "submit_job": {"kind": "countdown", "params": {"seconds": 3, "steps": 3}, "priority": 7},
    "cancel_job": {"reason": "The customer changed her mind."},
    "retry_job": {},
    "take_back_cancel": {},
    "share_job": {"hours": 24, "framed_by": ["https://shop.example"]},
    "bulk_action": {"action": "cancel", "filter": {"state": "queued", "owner": "me"}, "dry_run": True},
    "pause_queue": {},
    "resume_queue": {},
    "create_token": {"scope": "submit", "name": "shop", "days": 30},
    "create_schedule": {"name": "every five minutes", "kind": "noop", "every_s": 300},
    "replace_schedule": {
        "name": "weekday mornings",
        "kind": "noop",
        "crontab": "0 7 * * 1-5",
        "timezone": "Europe/Berlin",
    },
    "change_schedule": {"paused": True},
    "run_schedule": {},
    "create_webhook": {"url": "https://hooks.example.org/signalbox", "states": ["failed"]},
    "replace_webhook": {"url": "https://hooks.example.org/other", "kinds": ["noop"], "alerts": True},
    "change_webhook": {"states": ["failed", "cancelled"]},
    "create_channel": {"name": "on call", "url": "mailto://user:pass@example.org?smtp=192.0.43.8&to=ops@example.org"},
    "replace_channel": {"name": "on call", "url": "slack://T0AAAAAA1/B0AAAAAA2/abcdefghijklmnopqrstuvwx"},
    "change_channel": {"name": "day shift"},
    "create_alert_rule": {"watch": "failures", "kind": "noop", "times": 3, "minutes": 10},
    "replace_alert_rule": {"watch": "waiting", "queue": "default", "seconds": 120},
    "change_alert_rule": {"enabled": False},
    "snooze_alert": {"minutes": 60},
    "handle_failures": {"kind": "countdown", "key": "5f0c3f2ad3d1b8f35f0c3f2ad3d1b8f3"},
    "merge_failures": {"into": "5f0c3f2ad3d1b8f35f0c3f2ad3d1b8f3:countdown"},
    "split_failures": {},
    "snooze_failures": {},
    "reopen_failures": {"kind": "countdown", "key": "5f0c3f2ad3d1b8f35f0c3f2ad3d1b8f3"},
    "give_order": {"order": "rate_limit", "kind": "shop.tasks.pay", "rate": "10/m"},
    "create_feed": {"url": "https://trains.example/feed.xml", "title": "Trains"},
    "replace_feed": {"url": "https://trains.example/news.xml", "status": "on"},
    "change_feed": {"status": "off"},
    "create_collection": {"name": "Summer", "folder": "/srv/photos/summer"},
    "replace_collection": {"name": "Summer, all of it"},
    "change_collection": {"name": "Summer by the sea"},
}
QUERIES: dict[str, dict[str, Any]] = {
    "list_jobs": {"state": ["failed", "queued"], "since": "2h", "q": "timeout", "limit": 20},
    "export_jobs": {"state": "failed", "since": "2h", "format": "json"},
    "get_kind": {"period": "24h"},
    "get_job_log": {"after": 0, "limit": 100},
    "get_stats": {"period": "24h"},
    "list_failures": {"kind": "countdown", "handled": "false", "limit": 20},
    "list_audit": {"who": "alice", "limit": 20},
}
HEADERS: dict[str, dict[str, str]] = {"submit_job": {"Idempotency-Key": "order-4711"}}


def show(operation: dict[str, Any]) -> None:
    """Put the examples of an operation into its description."""
    name = operation["operationId"]
    if name in BODIES and "requestBody" in operation:
        for content in operation["requestBody"]["content"].values():
            content["example"] = BODIES[name]
    given = QUERIES.get(name, {}) | HEADERS.get(name, {})
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in given:
            parameter["example"] = given[parameter["name"]]
