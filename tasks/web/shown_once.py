"""A secret that was made just now, on its way to the one page that shows it: in the session, sealed, and then gone."""

from django.http import HttpRequest

from tasks.engine import sealing

SHOWN = "shown_once"


def show_once(request: HttpRequest, of: str, secret: str) -> None:
    """``of``: what it is the secret of; the page of that shows it."""
    request.session[SHOWN] = f"{of} {sealing.seal({'secret': secret})}"


def shown_once(request: HttpRequest, of: str) -> str:
    """The secret that a deed of this session has just made, this once."""
    owner, _, sealed = request.session.get(SHOWN, "").partition(" ")
    if owner != of:
        return ""
    del request.session[SHOWN]
    return sealing.unseal(sealed)["secret"]
