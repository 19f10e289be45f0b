"""docs/deployment.md as a machine reads it: its files and commands, with places of this machine."""

import re
from pathlib import Path

from tests.support.processes import ROOT

PAGE = (ROOT / "docs/deployment.md").read_text()


def block(title: str, language: str, number: int = 0) -> str:
    """One of the code blocks of a section."""
    found = re.findall(rf"^```{language}\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)
    return found[number]


def section(title: str) -> str:
    """A section whole: a line of a block may begin with #, as a heading does."""
    begin = re.search(rf"^#+ {re.escape(title)}\n", PAGE, re.MULTILINE)
    end = PAGE.find("\n## ", begin.end())
    return PAGE[begin.end() : end if end > 0 else None]


class Places:
    """What a name of the page is on this machine. Each must occur in the page, or it has changed unnoticed."""

    def __init__(self, names: dict[str, str]) -> None:
        assert [name for name in names if name not in PAGE] == []
        self.names = names
        longest = sorted(names, key=len, reverse=True)
        self._pattern = re.compile("|".join(rf"(?<![\w.]){re.escape(name)}(?!\d)" for name in longest))

    def here(self, text: str) -> str:
        return self._pattern.sub(lambda match: self.names[match[0]], text)


def unit(text: str) -> dict[str, str]:
    """The settings of a systemd unit; a line that ends with a backslash goes on."""
    lines = text.replace("\\\n", " ").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def environment(path: Path) -> dict[str, str]:
    """An EnvironmentFile as systemd reads it: a comment is a line of its own, and quotes around a value go."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and line.lstrip()[0] not in "#;"]
    pairs = [line.split("=", 1) for line in lines]
    return {name.strip(): re.sub(r"""^(['"])(.*)\1$""", r"\2", value.strip()) for name, value in pairs}
