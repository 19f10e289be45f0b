"""The manual: the pages of docs/ in the product itself, for people who have no copy of the source."""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.safestring import SafeString, mark_safe

from tasks.web.pages import Page

ROOT = settings.BASE_DIR / "docs"
FIRST = "README.md"
TABLE = '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table class="table">'
IMAGES = {".svg": "image/svg+xml", ".png": "image/png"}


class ManualPage(NamedTuple):
    title: str
    html: SafeString


@cache
def files() -> dict[str, Path]:
    """The files of the manual, by their paths below docs/. No other file is served."""
    found = (path for path in ROOT.rglob("*") if path.suffix in {".md", *IMAGES})
    return {path.relative_to(ROOT).as_posix(): path for path in found}


@cache
def sheet(name: str) -> ManualPage:
    """A page of the manual as HTML; its headings have the names that links in the texts call them by."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(files()[name].read_text())
    titles = [(tokens[i], tokens[i + 1].content) for i, token in enumerate(tokens) if token.type == "heading_open"]
    for heading, words in titles:
        heading.attrSet("id", re.sub(r"[^\w\- ]", "", words.lower()).strip().replace(" ", "-"))
    html = reader.renderer.render(tokens, reader.options, {})
    html = html.replace("<table>", TABLE).replace("</table>", "</table></div>")
    return ManualPage(titles[0][1], mark_safe(html))  # noqa: S308 - our own texts, and no HTML in them


class ManualView(Page):
    template_name = "web/manual.html"
    here = "manual"

    def get(self, request: HttpRequest, *args: Any, page: str = FIRST, **kwargs: Any) -> HttpResponseBase:
        if page not in files():
            raise Http404
        if kind := IMAGES.get(files()[page].suffix):
            return HttpResponse(files()[page].read_bytes(), content_type=kind)
        return self.render_to_response(self.get_context_data(sheet=sheet(page), first=page == FIRST))
