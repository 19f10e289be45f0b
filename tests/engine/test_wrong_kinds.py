"""A kind that is none stops the start: a sentence with file, kind, parameter and what is allowed, and no traceback."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest

from project.checks import rows_of_kinds
from tasks.engine import registry
from tasks.engine.models import Worker
from tasks.kinds.feeds.models import Feed
from tasks.params.signature import File, Ref, Signature
from tests.project.test_settings import manage

SHOP = """
from typing import Annotated
from tasks.base import Secret, job

@job
def ship(keys: list[Annotated[str, Secret]]):
    pass

@job(time_limt=4)
def pack(order: int):
    pass

later = pack.s(1)
"""


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize("command", [("check",), ("run", "noop")])
def test_every_command_names_all_wrong_kinds_and_ends(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "wrongshop").mkdir()
    (tmp_path / "wrongshop" / "__init__.py").touch()
    (tmp_path / "wrongshop" / "tasks.py").write_text(SHOP)
    ended = manage(*command, home=tmp_path, SIGNALBOX_APPS="wrongshop", PYTHONPATH=str(tmp_path))
    ship, pack = ended.stderr.splitlines()
    assert ended.returncode == 2
    assert "wrongshop/tasks.py:5: wrongshop.tasks.ship: the parameter `keys: list[" in ship
    assert ship.endswith("cannot be one of a job: a list holds no secrets, and a secret needs a parameter of its own")
    assert "wrongshop/tasks.py:9: wrongshop.tasks.pack: a job has no option 'time_limt'; if time_limit" in pack


@pytest.mark.parametrize(
    ("annotation", "id", "sentence"),
    [
        (Annotated[str, Ref("shop.Nope")], "E004", "is the id of a row of 'shop.Nope', and there is no such model."),
        (Annotated[str, Ref("Nope")], "E004", "is the id of a row of 'Nope', and there is no such model."),
        (Annotated[str, File("shop.Nope")], "E004", "is the id of a row of 'shop.Nope', and there is no such model."),
        (Annotated[str, Ref(Worker)], "E005", "is the id of a row of tasks.Worker, which has no field `uid`."),
        (Annotated[str, File], "W003", "is the id of an upload, and nothing looks whether there is one."),
        (Annotated[str, Ref(Feed)], None, None),
        (Annotated[str, File("feeds.Feed")] | None, None, None),
    ],
)
def test_a_row_that_a_parameter_names_can_exist(monkeypatch, annotation, id, sentence):
    def ship(order):
        """Ship it."""

    ship.__annotations__ = {"order": annotation}
    kind = replace(registry.get("noop"), place="shop/tasks.py:5", where="shop.tasks.ship", signature=Signature.of(ship))
    monkeypatch.setattr(registry, "kinds", lambda: [kind])
    said = [(found.id, found.msg) for found in rows_of_kinds(None)]
    assert said == (
        [(f"signalbox.{id}", f"shop/tasks.py:5: shop.tasks.ship: the parameter `order` {sentence}")] if id else []
    )
