"""The verdict of the board, for templates."""

from django import template

from tasks.queries import diagnosis

register = template.Library()
register.simple_tag(diagnosis.verdict)
