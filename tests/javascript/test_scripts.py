"""Scripts that need no page run without a browser: each ``*.test.js`` here, in the node that comes with Playwright."""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright._impl._driver import compute_driver_executable

from tasks.web.templatetags import signalbox as words

HERE = Path(__file__).parent
LENGTHS = """
import { ago, brief, length, rough } from "./static/js/parts/duration.js";
const seconds = JSON.parse(process.argv[1]);
const words = seconds.map((s) => [brief(s), rough(s * 1000), ago(s * 1000), length(Math.floor(s * 1000))]);
console.log(JSON.stringify(words));
"""


def node(*words: str) -> subprocess.CompletedProcess:
    """Browsers take the scripts as modules by the way they are loaded; node finds out by itself, and warns of it."""
    command = [compute_driver_executable()[0], "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", *words]
    return subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, check=False, timeout=60)


def evaluated(code: str, argument: Any) -> Any:
    """What a module prints as JSON; ``process.argv[1]`` is the argument, as JSON."""
    ended = node("--input-type=module", "--eval", code, json.dumps(argument))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def node_test(*files: Path) -> subprocess.CompletedProcess:
    """What node's own test runner says of these files; its exit code is 0 when every test passed."""
    return node("--test", "--test-reporter=spec", *map(str, files))


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.js")))
def test_scripts_that_need_no_page(name: str) -> None:
    ended = node_test(HERE / name)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "ℹ pass 0" not in ended.stdout, "a file without tests tests nothing"


def test_a_test_that_fails_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "wrong.test.mjs"
    file.write_text('import { test } from "node:test";\ntest("two is three", (t) => t.assert.equal(2, 3));\n')
    ended = node_test(file)
    assert ended.returncode == 1
    assert "two is three" in ended.stdout


def test_lengths_of_time_are_written_as_the_server_writes_them() -> None:
    seconds = [
        0,
        0.0004,
        0.9994,
        0.9996,
        1,
        1.04,
        9.94,
        9.96,
        9.999,
        10,
        59.99,
        60,
        287,
        1_425,
        3_599.9,
        3_600,
        86_399.9,
        86_400,
    ]
    begin = datetime(2026, 3, 2, tzinfo=UTC)
    ends = [(begin + timedelta(milliseconds=int(s * 1000))).isoformat() for s in seconds]
    assert evaluated(LENGTHS, seconds) == [
        [words.brief(s), words.rough(s), words.ago(s), words.took(begin.isoformat(), end)]
        for s, end in zip(seconds, ends, strict=True)
    ]
    assert [words.brief(s) for s in (0.9996, 9.96)] == ["1.0 s", "10 s"], "never 1000 ms, never 10.0 s"
    assert [words.brief(s) for s in (45, 287, 1_425, 12_300)] == ["45 s", "4.8 min", "24 min", "3.4 h"]
