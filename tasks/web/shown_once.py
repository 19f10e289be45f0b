"""Keeps a new secret encrypted in the session until the next page shows it, once."""

from django.http import HttpRequest

from tasks.engine import sealing

SHOWN = "shown_once"


def show_once(request: HttpRequest, of: str, secret: str) -> None:
    """Keep ``secret`` until the page of the object ``of`` shows it."""
    request.session[SHOWN] = f"{of} {sealing.seal({'secret': secret})}"


def shown_once(request: HttpRequest, of: str) -> str:
    """Return the secret that this session has just made for ``of``, and forget it."""
    owner, _, sealed = request.session.get(SHOWN, "").partition(" ")
    if owner != of:
        return ""
    del request.session[SHOWN]
    return sealing.unseal(sealed)["secret"]
