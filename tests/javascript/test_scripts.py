"""Scripts that need no page run without a browser: each ``*.test.js`` here, in the node that comes with Playwright."""

import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

HERE = Path(__file__).parent


def node_test(*files: Path) -> subprocess.CompletedProcess:
    """What node's own test runner says of these files; its exit code is 0 when every test passed."""
    node, _ = compute_driver_executable()
    # Browsers take the scripts as modules by the way they are loaded; node finds out by itself, and warns of it.
    options = ["--test", "--test-reporter=spec", "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"]
    return subprocess.run([node, *options, *map(str, files)], capture_output=True, text=True, check=False, timeout=60)


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
