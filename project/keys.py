"""Small secrets kept as files of the home folder, readable by their owner only."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def read_or_make(path: Path) -> str:
    """The secret in ``path``, made once; ImproperlyConfigured when the folder cannot be written."""
    found = read_if_there(path)
    if found:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(48))
        try:
            os.link(draft, path)  # of several processes that start at once, the first one's secret is kept
        except FileExistsError:
            pass
        draft.unlink()
    except OSError as error:
        raise ImproperlyConfigured(f"SIGNALBOX_HOME cannot be written: {error}.") from None
    return read_if_there(path)


def read_if_there(path: Path) -> str:
    """The text of ``path`` without white space, or an empty string when there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ImproperlyConfigured(f"SIGNALBOX_HOME cannot be read: {error}.") from None


def fingerprint(key: str) -> str:
    """A short word that tells two keys apart and nothing else about them."""
    return hmac.new(key.encode(), b"signalbox fingerprint", hashlib.sha256).hexdigest()[:12]
