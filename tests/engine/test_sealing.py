"""Secrets of jobs: sealed where they rest, hidden wherever somebody would read them."""

import html
import json
import re
import time
from urllib.parse import quote, quote_plus, urlencode

import pytest
from cryptography.fernet import InvalidToken
from django.core import signing
from hypothesis import given
from hypothesis import strategies as st

from tasks.engine import sealing
from tasks.engine.sealing import Unsealable, hide, seal, unseal
from tasks.params.signature import MASK

SECRETS = {"token": "s3cret/\"quoted\" 'é' \\ €", "other": ""}


def test_what_was_sealed_comes_back_and_cannot_be_read_meanwhile():
    sealed = seal(SECRETS)
    assert unseal(sealed) == SECRETS
    assert sealed.isascii()
    assert "s3cret" not in sealed and "token" not in sealed
    assert seal(SECRETS) != sealed, "equal secrets must not show that they are equal"


def test_no_secrets_need_no_seal():
    assert seal({}) == ""
    assert unseal("") == {}


def test_an_older_key_opens_as_long_as_it_is_a_fallback(settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the old key", []
    sealed = seal(SECRETS)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "the new key", ["the old key"]
    assert unseal(sealed) == SECRETS
    newer = seal(SECRETS)
    settings.SECRET_KEY_FALLBACKS = []
    assert unseal(newer) == SECRETS
    with pytest.raises(Unsealable, match="SECRET_KEY"):
        unseal(sealed)


def test_a_key_of_bytes_is_the_same_key(settings):
    settings.SECRET_KEY = "key"
    sealed = seal(SECRETS)
    settings.SECRET_KEY = b"key"
    assert unseal(sealed) == SECRETS


@pytest.mark.parametrize("text", ["nonsense", "é", "gAAAA", signing.dumps(SECRETS, key="any")])
def test_what_was_not_sealed_here_is_refused(text):
    with pytest.raises(Unsealable) as caught:
        unseal(text)
    assert not isinstance(caught.value.__cause__, InvalidToken)


def test_a_changed_seal_is_refused():
    sealed = seal(SECRETS)
    middle = len(sealed) // 2
    changed = sealed[:middle] + ("A" if sealed[middle] != "A" else "B") + sealed[middle + 1 :]
    with pytest.raises(Unsealable):
        unseal(changed)


@pytest.mark.parametrize(
    ("text", "secrets", "shown"),
    [
        ("token=hunter2!", ["hunter2"], f"token={MASK}!"),
        ("xhunter2x", ["hunter2"], f"x{MASK}x"),
        ("hunter2hunter2", ["hunter2"], MASK * 2),
        ("hunter22 and hunter2", ["hunter2", "hunter22"], f"{MASK} and {MASK}"),
        ("Hunter2", ["hunter2"], "Hunter2"),
        ("nothing here", ["hunter2"], "nothing here"),
        ("nothing here", [], "nothing here"),
        ("nothing here", ["", "  "], "nothing here"),
        ("a pin: 123, not 51234", ["123"], f"a pin: {MASK}, not 51234"),
        ("'pin': '123'", ["123"], f"'pin': '{MASK}'"),
        ("a+b=a.b", ["a.b+"], "a+b=a.b"),
        ("%2fpath%2Fto", ["/path/to"], MASK),
        (f"{MASK} stays", ["••••"], f"{MASK} stays"),
        ("sent with abcdef", ["abcdef\n"], f"sent with {MASK}"),
    ],
)
def test_a_text_shows_a_mask_for_each_secret(text, secrets, shown):
    assert hide(text, secrets) == shown


PEM = "-----BEGIN KEY-----\nMIIBVgIBADANBgkq\n}\n-----END KEY-----\n"


@pytest.mark.parametrize("text", [PEM, repr(PEM), json.dumps({"key": PEM}), *PEM.splitlines()[:2]])
def test_a_long_secret_is_hidden_line_by_line_too(text):
    shown = hide(text, [PEM])
    assert MASK in shown
    assert "MIIB" not in shown and "BEGIN" not in shown


def test_a_short_line_of_a_long_secret_stays_readable():
    assert hide("{ }", [PEM]) == "{ }"


def test_a_traceback_hides_the_secret_in_every_line():
    secret = 's3cret\'s "value"\\'
    try:
        raise ValueError({"token": secret})
    except ValueError as error:
        shown = hide(f"ValueError: {error}\n  token = {secret!r}\n{secret}", [secret])
    assert "s3cret" not in shown and "value" not in shown.replace("ValueError", "")
    assert shown.count(MASK) == 3


FORMS = {
    "plain": str,
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda value: repr(value.encode()),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda value: json.dumps(value, ensure_ascii=False),
    "JSON in JSON": lambda value: json.dumps(json.dumps(value)),
    "repr in repr": lambda value: repr(repr({"key": value})),
    "JSON in repr": lambda value: repr(json.dumps(value)),
    "path": quote,
    "part of a path": lambda value: quote(value, safe=""),
    "query": lambda value: urlencode({"key": value}),
    "lower-case quoting": lambda value: quote_plus(value).replace("%C3%A9", "%c3%a9"),
    "HTML": html.escape,
}
TOKENS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=20).filter(
    lambda value: value == value.strip()
)


@pytest.mark.long
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(secret=TOKENS)
def test_no_usual_form_of_a_secret_gets_through(form, secret):
    shown = hide(f"before <{form(secret)}> after", [secret])
    assert MASK in shown
    assert form(secret) not in shown
    assert shown.startswith("before <") and shown.endswith("> after")


@pytest.mark.long
@pytest.mark.parametrize(
    ("secret", "text"),
    [
        ("\\" * 40 + "x", "\\" * 2_000_000),
        ("a" * 20_000 + "b" + "a" * 20_000, "a" * 2_000_000),
        ("%41" * 5_000 + "!", "%41" * 600_000),
        ("\n".join(f"line number {n} of many" for n in range(200)), "line number 7 of man" * 100_000),
        ("aaa", "aaaa" * 500_000),
    ],
)
def test_hiding_takes_linear_time_for_hostile_texts(secret, text):
    began = time.process_time()
    assert hide(text, [secret]) == text
    assert time.process_time() - began < 4


@given(st.text("ab%41\\'", max_size=40), st.lists(st.text("ab%4\\'", min_size=1, max_size=5), min_size=1, max_size=3))
def test_what_is_hidden_is_the_longest_form_at_each_place_from_left_to_right(text, secrets):
    """As a pattern of all forms side by side would have it."""
    forms = [re.escape(form) for form in sealing._forms_of(frozenset(secrets))]
    whole = [
        rf"(?<!\w){form}(?!\w)" if len(raw) < 4 else form
        for form, raw in zip(forms, sealing._forms_of(frozenset(secrets)), strict=True)
    ]
    pattern = re.compile("|".join(f"(?i:{form})" if "%" in form else form for form in whole) or "(?!)")
    assert hide(text, secrets) == pattern.sub(MASK, text)
