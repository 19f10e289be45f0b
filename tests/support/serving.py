"""A test's own web server for code that is no coroutine. Imports neither Django nor the project's models."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.origins import Origin, origin


@contextmanager
def serving(says: Any, **options: Any) -> Iterator[Origin]:
    """`tests.support.origins.origin` for tests that are no coroutines: its loop runs in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    site = origin(says, **options)
    try:
        yield asyncio.run_coroutine_threadsafe(site.__aenter__(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(site.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
