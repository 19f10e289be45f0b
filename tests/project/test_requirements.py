"""The requirement files: what their .in files compile to, pinned and hashed to the last package, and from nowhere."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.processes import ROOT

FILES = ("requirements.txt", "requirements-dev.txt", "requirements-old.txt")


def entries(name: str) -> list[str]:
    """Each requirement with its continuation lines."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    return [entry for entry in re.split(r"\n(?=\S)", text.strip()) if entry]


@pytest.mark.parametrize("name", FILES)
def test_every_package_is_pinned_and_has_hashes(name: str) -> None:
    assert len(entries(name)) > 10
    for entry in entries(name):
        assert re.match(r"^[a-z0-9][\w.-]*(\[[\w,-]+\])?==[\w.!+]+", entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("name", [*FILES, "requirements.in", "requirements-dev.in", "requirements-old.in"])
def test_no_file_names_an_index_a_host_or_a_folder(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"://|--index|--extra|--find-links|@ |/(home|root|tmp|work)/", text)


def test_every_direct_requirement_is_in_the_compiled_file() -> None:
    for name in FILES:
        wanted = re.findall(r"^([a-zA-Z][\w-]*)", (ROOT / name.replace(".txt", ".in")).read_text(), re.MULTILINE)
        compiled = {re.split(r"[=\[]", entry)[0] for entry in entries(name)}
        assert {word.lower() for word in wanted} <= compiled


def test_what_runs_and_what_tests_it_agree_on_every_version() -> None:
    runs, tests = (
        dict(re.match(r"([\w.-]+)(?:\[.*?\])?==(\S+)", entry).groups() for entry in entries(name)) for name in FILES[:2]
    )
    assert all(tests.get(package, version) == version for package, version in runs.items())


@pytest.mark.long
def test_a_changed_in_file_is_noticed(tmp_path: Path) -> None:
    """`script/requirements --check` is what script/test runs; here it must fail for a line too many."""
    copy = tmp_path / "copy"
    (copy / "script").mkdir(parents=True)
    for name in (*FILES, "requirements.in", "requirements-dev.in", "requirements-old.in", "script/requirements"):
        shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(Path(shutil.which("uv", path=f"{ROOT}/.venv/bin")).parent.parent)
    with (copy / "requirements.in").open("a") as file:
        file.write("markupsafe\n")
    ended = subprocess.run([copy / "script/requirements", "--check"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "requirements.txt is not what requirements.in compiles to" in ended.stderr
