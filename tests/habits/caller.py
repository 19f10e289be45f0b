"""The process that calls tasks: reads the names of cases, one a line, and prints what a caller saw of each as JSON."""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

PLAIN = "HABITS_PLAIN" in os.environ

if PLAIN:
    from tests.habits.team import celery_app as app
else:
    import django

    django.setup()
    from project.celery import app

app.finalize()
cases = importlib.import_module("tests.habits.cases")

for name in sys.stdin:
    Path(os.environ["HABITS_LOG"]).write_text("")
    try:
        answer = {"saw": getattr(cases, name.strip())()}
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer, default=repr), flush=True)
