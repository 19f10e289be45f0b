"""The process that calls tasks: reads cases, one a line, and prints what a caller saw of each as JSON."""

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

PLAIN = os.environ["HABITS_SIDE"] == "plain"

if PLAIN:
    from tests.habits.team import celery_app as app
else:
    import django

    django.setup()
    from project.celery import app

app.finalize()

for line in sys.stdin:
    module, case = line.split()
    Path(os.environ["HABITS_LOG"]).write_text("")
    try:
        answer = {"saw": getattr(importlib.import_module(f"tests.habits.{module}"), case)()}
    except Exception:
        answer = {"error": traceback.format_exc()}
    print(json.dumps(answer, default=repr), flush=True)
