"""SIGNALBOX_SAMPLES=off: the kinds and pages that only teach are not there; what the product needs is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOOK = """
import json
from django.urls import NoReverseMatch, reverse
from tasks.engine import registry
from tasks.web import features
def there(name):
    try:
        return bool(reverse(name))
    except NoReverseMatch:
        return False
print(json.dumps({"kinds": [kind.name for kind in registry.kinds()], "links": [link.name for link in features.links()],
    "pages": [name for name in ("feeds", "collections", "checks", "failures") if there(name)]}))
"""
TEACH = {"countdown", "site_sizes", "fetch_feed", "match_images", "match_part", "check_health"}
NEEDED = {"noop", "back_up_database", "bulk_action", "prune", "roll_up"}


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize("samples", ["on", "off"])
def test_what_only_teaches_is_put_away_by_a_switch(samples: str, tmp_path: Path) -> None:
    env = os.environ | {"SIGNALBOX_SAMPLES": samples, "SIGNALBOX_HOME": str(tmp_path), "SIGNALBOX_APPS": ""}
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", LOOK]
    said = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True, timeout=120).stdout
    seen = json.loads(said.splitlines()[-1])
    assert set(seen["kinds"]) >= NEEDED
    if samples == "on":
        assert set(seen["kinds"]) >= TEACH and seen["pages"] == ["feeds", "collections", "checks", "failures"]
    else:
        assert not TEACH & set(seen["kinds"])
        assert not {"feeds", "collections", "checks"} & set(seen["links"])
        assert seen["pages"] == ["failures"]
