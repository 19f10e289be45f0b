"""schemathesis on the OpenAPI document, as every role: whatever is sent, the answer is one that the document knows.

In this process and on the test's database: what it does is rolled back.
"""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.config import SchemathesisConfig

from tests.support.calls import call

pytest_plugins = ["schemathesis.pytest.plugin"]  # for failures that can be read; loaded here, and not by every run
pytestmark = pytest.mark.django_db

ACTORS = [("ada", "manage"), ("alice", "submit"), ("vera", "read"), ("charlie", "manage"), (None, None)]
EACH = 3  # requests for each operation, actor and mode


@pytest.fixture(autouse=True)
def keep_the_transaction_of_the_test():
    """As Django's own test client does: the end of a request closes no connection."""
    kept = (request_started, request_finished)
    for signal in kept:
        signal.disconnect(close_old_connections)
    yield
    for signal in kept:
        signal.connect(close_old_connections)


def document() -> Any:
    config = SchemathesisConfig.from_path(Path(__file__).with_name("schemathesis.toml"))
    headers = call("ada", "read").headers
    return schemathesis.openapi.from_wsgi("/api/schema/", WSGIHandler(), config=config, headers=headers)


@pytest.mark.long
def test_whatever_is_sent_the_answer_is_known():
    people = [call(*actor).headers for actor in ACTORS]
    operations = [found.ok() for found in document().get_all_operations()]
    checks = CHECKS.get_all()
    assert len(checks) >= 12
    sent = 0
    for operation in operations:
        if operation.definition.raw["operationId"] != "revoke_all_tokens":  # the one in hand too
            sent += sum(fuzzed(operation, mode, people, checks) for mode in GenerationMode)
    assert sent > 200 * len(ACTORS)


def fuzzed(operation: Any, mode: GenerationMode, people: list[dict[str, str]], checks: list[Any]) -> int:
    """Sends some requests of one kind, each as everybody; returns how many."""
    sent = 0

    @settings(
        max_examples=EACH,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal sent
        for headers in people:
            sent += 1
            case.call_and_validate(headers=headers, checks=checks)

    try:
        one()
    except Unsatisfiable:  # nothing wrong can be sent where nothing is asked
        assert mode == GenerationMode.NEGATIVE
    return sent
