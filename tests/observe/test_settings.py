"""The settings of watched applications, read strictly; an address never shows its password."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from project import observe_settings
from tasks.engine.applications import ALL, OWN


@pytest.fixture
def given(monkeypatch):
    return lambda value, name="SIGNALBOX_OBSERVE": monkeypatch.setenv(name, value)


def test_names_and_addresses(given):
    given(
        "shop=redis://user:p%2Cw@host/1, crm=amqps://u:p@h//;amqps://u:p@h2//,s-3=redis+socket:///run/r.sock?virtual_host=2"
    )
    found = observe_settings.addresses("SIGNALBOX_OBSERVE")
    assert {name: (each.url, each.transport) for name, each in found.items()} == {
        "shop": ("redis://user:p%2Cw@host:6379/1", "redis"),
        "crm": ("amqps://u:p@h//;amqps://u:p@h2//", "amqp"),
        "s-3": ("redis+socket:///run/r.sock?virtual_host=2", "redis"),
    }
    assert "p%2Cw" not in f"{found} {found['shop']}" and ":p@" not in repr(found)


@pytest.mark.parametrize(
    "value",
    [
        "redis://host/0", "shop", "shop=", "=redis://h/0", "Shop=redis://h/0", f"{'s' * 33}=redis://h/0", "shop=http://h",
        "shop=redis://h/0,shop=redis://h/1", "shop=redis://:secret@h/x", "shop=redis+socket://run?virtual_host=a",
        "shop=redis+socket:///run/r.sock?db=1", "shop=redis://h/0?socket_timeout=3", "shop=amqp://u:secret@h//?a=b",
    ],
)  # fmt: skip
def test_a_wrong_address_is_one_sentence_without_its_password(given, value):
    given(value)
    with pytest.raises(ImproperlyConfigured) as refused:
        observe_settings.addresses("SIGNALBOX_OBSERVE")
    assert "SIGNALBOX_OBSERVE" in str(refused.value) and "secret" not in str(refused.value)


@pytest.mark.parametrize("name", [OWN, ALL])
def test_a_name_that_means_something_else_is_refused_in_one_sentence(given, name):
    given(f"shop=redis://h/0,{name}=redis://:secret@h/1")
    with pytest.raises(ImproperlyConfigured) as refused:
        observe_settings.addresses("SIGNALBOX_OBSERVE")
    said = str(refused.value)
    assert f"SIGNALBOX_OBSERVE cannot name an application {name}" in said and said.count(".") == 1
    assert set(observe_settings.MEANT) == {OWN, ALL}


@pytest.mark.parametrize(
    "value",
    [
        "{", "[]", '{"shop": 1}', '{"other": {}}', '{"shop": {"password": "x"}}', '{"shop": {"global_keyprefix": 1}}',
        '{"shop": {"priority_steps": ["0"]}}', '{"shop": {"visibility_timeout": true}}', '{"shop": {"queues": "a"}}',
    ],
)  # fmt: skip
def test_wrong_options_are_refused(given, value):
    given(value, "SIGNALBOX_OBSERVE_OPTIONS")
    with pytest.raises(ImproperlyConfigured):
        observe_settings.options("SIGNALBOX_OBSERVE_OPTIONS", {"shop": None})


def test_options_and_results(given):
    given(
        '{"shop": {"global_keyprefix": "s:", "priority_steps": [0, 3], "queues": ["a"]}}', "SIGNALBOX_OBSERVE_OPTIONS"
    )
    assert observe_settings.options("SIGNALBOX_OBSERVE_OPTIONS", {"shop": None})["shop"]["priority_steps"] == [0, 3]
    given("shop=off", "SIGNALBOX_OBSERVE_RESULTS")
    assert observe_settings.addresses("SIGNALBOX_OBSERVE_RESULTS", off=True) == {"shop": None}
    with pytest.raises(ImproperlyConfigured, match="names shop"):
        observe_settings.refuse_strangers({"shop": None}, {}, "SIGNALBOX_OBSERVE_RESULTS")
