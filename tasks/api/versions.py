"""The version of the API that a request names, in any of four ways: path, ?version=, X-API-Version, media type.

None named is the newest. Two that disagree, or one that is unknown, are refused with the list of those there are.
"""

from typing import Any

from rest_framework.request import Request
from rest_framework.reverse import reverse

from tasks.api.problems import Problem

VERSIONS = ("v1",)
NEWEST = VERSIONS[-1]
HEADER = "X-API-Version"
VENDOR = "application/vnd.signalbox+json"
JSON_TYPES = {VENDOR, "application/json"}
LONGEST = 1_000  # characters of an Accept header that are read


def of(request: Request, by_path: str | None) -> str:
    """The version of a request. DRF's own classes know one way each; here all of them count."""
    if by_path is not None and by_path not in VERSIONS:
        raise unknown(by_path, 404)
    named = [version for version in (by_path, _by_media_type(request)) if version]
    asked = request.query_params.getlist("version")
    if HEADER in request.headers:
        asked = [*asked, request.headers[HEADER].strip()]
    for version in asked:
        if version not in VERSIONS:
            raise unknown(version, 400)
    if len({*named, *asked}) > 1:
        raise Problem("version-conflict", versions=list(VERSIONS))
    return next(iter([*named, *asked]), NEWEST)


def _by_media_type(request: Request) -> str | None:
    """The version parameter of the JSON types in Accept; of several, one that there is."""
    accepted = request._request.accepted_types if len(request.headers.get("Accept", "")) <= LONGEST else []
    json_types = [each for each in accepted if f"{each.main_type}/{each.sub_type}" in JSON_TYPES]
    named = [each.params["version"] for each in json_types if "version" in each.params]
    known = [version for version in named if version in VERSIONS]
    if named and not known:
        raise unknown(named[0], 406)
    if len(set(known)) > 1:
        raise Problem("version-conflict", versions=list(VERSIONS))
    return known[0] if known else None


def unknown(version: str, status: int) -> Problem:
    sentence = f"There is no version {version[:20]!r} of this API."
    return Problem("unknown-version", sentence, status=status, versions=list(VERSIONS))


def link(request: Request, name: str, **kwargs: Any) -> str:
    """The address of a resource, with the version in its path."""
    return reverse(f"api:{name}", kwargs={"version": NEWEST, **kwargs}, request=request)
