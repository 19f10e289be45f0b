"""The plan of the house, held by machine: who may import whom, and the words that stay in one file each."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A file imports only from levels above its own (a lower number), or from its own level without a circle.
LEVELS = [
    {
        "tasks.engine.uid",
        "tasks.engine.storable",
        "tasks.params.types",
        "tasks.params.annotations",
        "tasks.params.signature",
        "tasks.engine.sealing",
    },
    {
        "tasks.engine.models",
        "tasks.engine.registry",
        "tasks.engine.broker",
        "tasks.worker.transport",
        "live.board",
        "live.topics",
        "tasks.engine.errors",
        "tasks.engine.transition",
    },
    {
        "live.push",
        "live.channel_layer",
        "tasks.engine.notify",
        "tasks.engine.creation",
        "tasks.engine.attempts",
        "tasks.webhooks.outbox",
        "tasks.fetch.fetcher",
    },
    {"tasks.engine.lease", "tasks.engine.lifecycle"},
    {
        "tasks.engine.report",
        "tasks.worker.sweep",
        "tasks.access.permissions",
        "tasks.search.language",
        "tasks.schedules.actions",
        "tasks.webhooks.sender",
        "tasks.queries.board",
        "live.row_marks",
    },
    {"tasks.worker.request", "tasks.worker.pulse", "tasks.engine.effects", "live.hub"},
    {"tasks.base", "tasks.worker.results", "live.consumers"},
    {"tasks.kinds"},
    {"tasks.web.kind_form", "tasks.views", "tasks.api"},
    {"tasks.urls", "live.routing", "tasks.engine.apps", "tasks.engine.admin", "project.worker"},
]


def sources(*folders: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "--", *folders], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split() if name.endswith(".py") and (ROOT / name).exists()]


def module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def level(name: str) -> int | None:
    if name.startswith("tasks.kinds.") and name.rpartition(".")[2] in ("views", "forms", "urls", "api", "admin"):
        name = "tasks.urls"  # the pages of a family of kinds stand on our own views
    for number, names in enumerate(LEVELS):
        if any(name == known or name.startswith(f"{known}.") for known in names):
            return number
    return None


@pytest.mark.parametrize("path", sources("tasks", "live"), ids=module)
def test_a_file_imports_only_from_above(path):
    own = level(module(path))
    for name in imports(path):
        assert not name.startswith(("project", "tests")) or "ready" in path.read_text(), f"{name} is nobody's to import"
        other = level(name)
        if own is not None and other is not None:
            assert other <= own, f"{module(path)} (level {own}) imports {name} (level {other})"


def test_one_file_of_tasks_imports_live():
    into = {module(path) for path in sources("tasks") if any(name.startswith("live") for name in imports(path))}
    assert into <= {"tasks.engine.notify", "project.worker", "project.management.commands.watch"}, into


@pytest.mark.parametrize("path", sources("tasks", "live", "project"), ids=module)
def test_imports_stand_at_the_top(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "ready":
            inside = [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not inside, f"{node.name} imports in line {inside[0].lineno}"


@pytest.mark.parametrize(
    ("word", "home"),
    [("group_send(", {"live/push.py"}), ("send_task(", {"tasks/engine/broker.py"})],
)
def test_a_word_stays_in_its_file(word, home):
    holds = {str(p.relative_to(ROOT)) for p in sources("tasks", "live", "project") if word in p.read_text()}
    assert holds <= home


def test_only_the_state_machine_writes_a_jobs_state():
    """Assignments to ``.state`` and ``state=`` in an update(), found in the syntax tree of every other file."""
    guilty = []
    for path in sources("tasks", "live", "project"):
        if module(path) in ("tasks.engine.lifecycle", "tasks.engine.creation") or "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            targets = getattr(node, "targets", [])
            if any(isinstance(target, ast.Attribute) and target.attr == "state" for target in targets):
                guilty.append(f"{module(path)}:{node.lineno}")
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("update", "move"):
                guilty += [f"{module(path)}:{node.lineno}" for word in node.keywords if word.arg == "state"]
    assert guilty == []


def test_files_stay_small():
    sizes = {module(path): len(path.read_text().splitlines()) for path in sources("tasks", "live", "project")}
    assert {name: lines for name, lines in sizes.items() if lines > 400 and "migrations" not in name} == {}


@pytest.mark.parametrize("path", sources("tasks", "live", "project"), ids=module)
def test_a_module_says_what_it_owns(path):
    if path.stat().st_size and "migrations" not in path.parts:
        assert ast.get_docstring(ast.parse(path.read_text()))
