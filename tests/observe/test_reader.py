"""The strict reader: what is no event is counted and changes nothing."""

import json
import pickle
import time
from base64 import b64encode
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from project.observe_settings import REDACT
from tasks.observe import broker, control, events, streams
from tasks.observe.redaction import MASK, redact, redact_text

GOOD = {
    "type": "task-received", "uuid": "t1", "hostname": "w@h", "pid": 1, "clock": 5, "timestamp": 1_700_000_000.5,
    "name": "a", "args": "(1,)", "kwargs": "{}", "retries": 0, "eta": None,
}  # fmt: skip


def message(body: object, content_type: str = "application/json", raw: bytes | None = None) -> bytes:
    data = raw if raw is not None else json.dumps(body).encode()
    return json.dumps(
        {
            "body": b64encode(data).decode(), "content-type": content_type, "content-encoding": "utf-8",
            "properties": {"body_encoding": "base64"},
        }
    ).encode()  # fmt: skip


def read(raw: bytes) -> tuple[list[events.Event], Counter[str]]:
    dropped: Counter[str] = Counter()
    return events.read_message(raw, dropped), dropped


def test_a_batch_is_read():
    found, dropped = read(message([GOOD, {**GOOD, "type": "task-started", "clock": 6}]))
    assert [each.kind for each in found] == ["task-received", "task-started"]
    assert found[0].facts == {"name": "a", "args": "(1,)", "kwargs": "{}", "retries": 0}
    assert not dropped


@pytest.mark.parametrize(
    "wrong",
    [
        {"clock": "five"},
        {"clock": -1},
        {"clock": True},
        {"timestamp": "now"},
        {"timestamp": 1e300},
        {"timestamp": -1},
        {"uuid": ""},
        {"uuid": "x" * 256},
        {"uuid": 7},
        {"uuid": None},
        {"hostname": ""},
        {"hostname": ["w"]},
        {"pid": 1.5},
        {"name": "n" * 201},
        {"name": {"a": 1}},
        {"retries": "1"},
        {"retries": 2**70},
        {"type": "task-exec"},
        {"type": []},
    ],
    ids=str,
)
def test_one_wrong_event_is_dropped_and_the_others_are_read(wrong):
    found, dropped = read(message([GOOD, {**GOOD, **wrong}, GOOD]))
    assert len(found) == 2
    assert sum(dropped.values()) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"nothing", b"[]", b"{}", b'{"body": 1}', message([1, 2])[:-9], message(None), message([[1, 2]]),
        message("text"), message(0, raw=b"[" * 100_000), message(0, raw=b'{"a": NaN}'), message(0, raw=b"\xff\xfe"),
        message(0, raw=b"9" * 5_000), b'{"body": "!!!", "properties": {"body_encoding": "base64"}}',
    ],
)  # fmt: skip
def test_what_is_no_message_is_counted(raw):
    found, dropped = read(raw)
    assert found == []
    assert dropped


def test_a_pickle_is_never_opened():
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the pickle was opened",))

    body = pickle.dumps(Bomb())
    for kind in ("application/x-python-serialize", "application/json", "application/x-yaml", None):
        found, dropped = read(message(0, content_type=kind, raw=body))
        assert found == [] and dropped


def test_a_long_text_is_cut():
    found, _ = read(message({**GOOD, "args": "x" * 100_000}))
    assert len(found[0].facts["args"]) == events.TEXT


@pytest.mark.long
@given(st.dictionaries(st.sampled_from([*GOOD, "exception", "extra"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3), max_leaves=8,
)))  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_nothing_is_raised(change):
    read(message([{**GOOD, **change}]))
    streams.read_meta(json.dumps({"task_id": "t", "status": "SUCCESS", **change}).encode(), Counter())
    broker.read_message(json.dumps({"headers": {"id": "t", "task": "a", **change}, **change}).encode())


def test_secrets_are_masked_in_values_and_in_texts():
    value = {
        "user": "ada",
        "api_key": "k",
        "nested": [{"Password": "p", "n": 1}],
        "token": None,
        "note": "pwd=1 pass=2",
    }
    assert redact(value, REDACT) == {
        "user": "ada",
        "api_key": MASK,
        "nested": [{"Password": MASK, "n": 1}],
        "token": None,
        "note": f"pwd=1 pass={MASK}",
    }
    for text in (
        "{'api_key': 'hunter2', 'a': 1}",
        'password="hunter2"',
        "Authorization: Bearer hunter2",
        "secret=hunter2,",
        "redis://:hunter2@host/0",
        "{'auth': b'hunter2'}",
    ):
        assert "hunter2" not in redact_text(text, REDACT)
        assert MASK in redact_text(text, REDACT)
    assert redact_text("(1, {'monkey_business': 3})", REDACT) != ""
    assert redact_text("ValueError: no stock", REDACT) == "ValueError: no stock"


def test_redaction_takes_linear_time():
    began = time.perf_counter()
    for text in ("a" * 65_536, "key" * 20_000, "'" * 65_536, "key='" * 13_000, "\\" * 65_536, "http://" * 9_000):
        redact_text(text, REDACT)
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("pool, name", [
    ({"implementation": "celery.concurrency.prefork:TaskPool", "processes": [7]}, "prefork:TaskPool"),
    ({"max-concurrency": 2, "processes": [8, 9], "timeouts": [0, 0], "writes": "N/A"}, "prefork"),  # from here on 5.2
    ({"max-concurrency": 1, "processes": [8], "timeouts": [0, 0], "writes": "N/A"}, "prefork"),
    ({"max-concurrency": 1, "processes": [7], "timeouts": []}, "solo"),
    ({"max-concurrency": 4, "threads": 2}, "threads"),
    ({"max-concurrency": 100}, "gevent or eventlet"),
    ({}, None),
])  # fmt: skip
def test_the_pool_of_a_worker_is_known_from_what_it_says_of_it(pool, name):
    """Else nobody could say that it died: a silent worker with the pool solo may be busy."""
    assert control.read_stats({"pid": 7, "pool": pool}).get("pool") == name
