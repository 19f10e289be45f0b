"""Authentication of sockets: sessions with an allowed Origin, API tokens, and what each may see.

Synchronous: it runs on a thread of its own. It writes nothing except audit entries of refusals. Knows no hub or socket.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore as RowStore
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from live.topics import KIND
from tasks.access import audit, permissions
from tasks.access.models import Token
from tasks.api import auth
from tasks.web import features

PORTS = {"http": 80, "https": 443}

LOGGED_OUT = (4401, "no longer logged in")
FORBIDDEN = (4403, "no longer allowed")


@dataclass(frozen=True, slots=True)
class Visitor:
    """An authenticated client and its credentials. Visitors with the same login are equal."""

    user: int
    name: str
    reach: str  # access.YES: the board and every job; access.OWN: one's own jobs
    rows: frozenset[str] = frozenset()  # topics of news beside jobs
    session: str = ""  # session key, or else
    token: str = ""  # digest of the token
    data: str = ""  # the session as it was stored: unchanged, it needs no second look
    proof: str = ""  # the session's hash of the password

    def sees(self, summary: dict[str, Any]) -> bool:
        return self.sees_all or summary["owner"] == self.name

    def may_watch(self, topic: str) -> bool:
        return topic in self.rows or (self.sees_all and topic.startswith(KIND))

    @property
    def sees_all(self) -> bool:
        return self.reach == permissions.YES


def authenticate(scope: dict[str, Any]) -> Visitor | None:
    """Return the visitor of a handshake, or None if it is refused. Reads headers only, never a token in the URL."""
    headers, request = dict(scope["headers"]), _request(scope)
    try:
        request.get_host()
    except DisallowedHost:  # as every page refuses it: a name of another's that leads here
        return None
    if (text := auth.token_in(headers.get(b"authorization", b""))) is not None:
        return _by_token(text)
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    if not key or not _same_origin(request, headers.get(b"origin", b"").decode("latin1")):
        return None
    return _by_session(key)


def note_refusal(scope: dict[str, Any]) -> None:
    """Write an audit entry for a refused handshake, with the user name of its cookie or token, valid or not."""
    request = _request(scope)
    try:
        token = auth.find(auth.token_in(dict(scope["headers"]).get(b"authorization", b"")) or "")
        request.auth, request.user = token, token.user if token else _user(request)
    except DatabaseError:
        request.user = AnonymousUser()
    code = "not-authenticated" if request.user.is_anonymous else "forbidden"
    said = {"origin": request.headers.get("Origin"), "host": request.headers.get("Host")}
    said["protocols"] = ", ".join(scope.get("subprotocols") or ())
    detail = {name: audit.plain(text, 200) for name, text in said.items() if text}
    audit.refused(request, "live", request.path_info, code, **detail)


def withdrawn_visitors(visitors: Iterable[Visitor]) -> dict[Visitor, tuple[int, str]]:
    """Return the visitors whose login is no longer valid, with close code and reason. A few queries for all."""
    visitors = list(visitors)
    users = get_user_model().objects.prefetch_related("groups").in_bulk({visitor.user for visitor in visitors})
    sessions = _sessions({visitor.session for visitor in visitors if visitor.session})
    tokens = _tokens({visitor.token for visitor in visitors if visitor.token})
    answer = {}
    for visitor in visitors:
        user, token = users.get(visitor.user), tokens.get(visitor.token)
        if user is None or not user.is_active or not (token or _holds(visitor, sessions.get(visitor.session), user)):
            answer[visitor] = LOGGED_OUT
        elif permissions.grant(token or user, "live") != visitor.reach or visitor.rows - rows(token or user):
            answer[visitor] = FORBIDDEN
    return answer


def rows(who: Any) -> frozenset[str]:
    """The topics beside jobs that ``who`` may watch."""
    return frozenset(topic for topic, (action, _) in features.topics().items() if permissions.may(who, action))


def _request(scope: dict[str, Any]) -> ASGIRequest:
    return ASGIRequest(scope | {"method": "GET", "scheme": _web(scope.get("scheme", "ws"))}, None)


def _by_token(text: str) -> Visitor | None:
    found = auth.find(text)
    if found is None or (reach := permissions.grant(found, "live")) == permissions.NO:
        return None
    return Visitor(found.user.pk, found.user.get_username(), reach, rows(found), token=found.digest)


def _user(request: ASGIRequest) -> Any:
    """The user of the session, or an anonymous user."""
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    visitor = _by_session(key) if key else None
    return get_user_model().objects.get(pk=visitor.user) if visitor else AnonymousUser()


def _by_session(key: str) -> Visitor | None:
    data = _sessions({key}).get(key)
    content = _content(data)
    try:
        pk = get_user_model()._meta.pk.to_python(content[SESSION_KEY])
        user = get_user_model().objects.prefetch_related("groups").filter(pk=pk).first()
    except Exception:
        return None
    if user is None or content.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    proof = content.get(HASH_SESSION_KEY, "")
    if not _proves(proof, user) or (reach := permissions.grant(user, "live")) == permissions.NO:
        return None
    return Visitor(user.pk, user.get_username(), reach, rows(user), session=key, data=data, proof=proof)


def _same_origin(request: ASGIRequest, origin: str) -> bool:
    """Is the page that opened the socket one of ours: same scheme, host and port, or listed in the settings?"""
    own = f"{'https' if request.is_secure() else 'http'}://{request.get_host()}"
    try:
        allowed = {_origin(each) for each in (own, *settings.SIGNALBOX_ORIGINS)}
        return bool(origin) and _origin(origin) in allowed
    except ValueError:
        return False


def _origin(text: str) -> tuple[str, str, int]:
    parts = urlsplit(text)
    if parts.scheme not in PORTS or not parts.hostname or parts.path or parts.query or parts.username:
        raise ValueError(f"{text!r} is no origin")
    return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]


def _web(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)


def _sessions(keys: set[str]) -> dict[str, Any]:
    """Session key → stored data of valid sessions: text from rows, decoded from other stores."""
    engine = import_module(settings.SESSION_ENGINE)
    store, kept_as = engine.SessionStore, getattr(engine, "kept_as", lambda key: [key])
    if issubclass(store, RowStore):
        key_of = {kept: key for key in keys for kept in kept_as(key)}
        rows = store.get_model_class().objects.filter(session_key__in=key_of, expire_date__gt=timezone.now())
        return {key_of[kept]: data for kept, data in rows.values_list("session_key", "session_data")}
    contents = {key: store(key).load() for key in keys}
    return {key: content for key, content in contents.items() if content}


def _content(data: Any) -> dict[str, Any]:
    return RowStore().decode(data) if isinstance(data, str) else (data or {})


def _holds(visitor: Visitor, data: Any, user: Any) -> bool:
    """Does the session still exist, of the same user, with the same password?"""
    if not data or not _proves(visitor.proof, user):
        return False
    if data == visitor.data:
        return True
    content = _content(data)
    return content.get(SESSION_KEY) == str(user.pk) and content.get(HASH_SESSION_KEY) == visitor.proof


def _proves(proof: str, user: Any) -> bool:
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return bool(proof) and any(constant_time_compare(proof, each) for each in hashes)


def _tokens(digests: set[str]) -> dict[str, Token]:
    """Digest → token, for valid tokens."""
    return {token.digest: token for token in Token.objects.live().filter(digest__in=digests)}
