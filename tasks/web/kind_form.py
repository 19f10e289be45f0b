"""A form for a kind of job, generated at run time from its signature.

The form draws fields and passes the typed text on unchanged. `Signature.clean` is the only validator; each of its
errors is shown beside its field. Knows no kind by name.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.forms.utils import ErrorDict
from django.utils import timezone

from tasks.engine import due
from tasks.engine.creation import rows_exist
from tasks.engine.registry import Kind
from tasks.params.signature import Field, ParamError

PARAM = "p-"  # before a parameter's name, so that it never meets a name of the form's own
TEXTS = ("text", "list", "json")  # empty text is a value of these
EMPTY_CHOICE = ("", "–")
HELP = {
    "list": "One per line.",
    "url": "Begins with http:// or https://.",
    "secret": "Encrypted, never shown again.",
    "ref": "Id of a row.",
    "file": "Id of an upload.",
    "json": "JSON.",
}


class Typed(forms.Field):
    """Returns the text as typed; the signature validates it."""

    def __init__(self, field: Field, **options: Any) -> None:
        super().__init__(required=False, widget=widget(field), **options)
        self.param = field
        self.may_be_empty = field.nullable

    def clean(self, value: Any) -> Any:
        return value


class KindForm(forms.Form):
    """The parameters of one kind, and for those who may: when and how urgently."""

    params: dict[str, Any]  # clean, once the form is valid

    def __init__(
        self,
        kind: Kind,
        data: Mapping[str, Any] | None = None,
        *,
        copied: Mapping[str, Any] | None = None,
        may_order: bool = False,
    ) -> None:
        super().__init__(data, auto_id="id_%s")
        self.kind = kind
        self.params = {}
        for field in kind.signature.fields:
            start = (copied or {}).get(field.name, field.default)
            self.fields[PARAM + field.name] = Typed(
                field, label=field.label, help_text=help_text(field), initial=typed(field, start)
            )
        if may_order:
            self.fields["priority"] = Priority(label="Priority", initial=kind.priority)
            self.fields["due_at"] = MomentField(label="Not before", help_text=f"Empty: at once. {zone()}")

    def clean(self) -> dict[str, Any]:
        asked: dict[str, Any] = {}
        for field in self.kind.signature.fields:
            given, value = value_of(field, self.cleaned_data.get(PARAM + field.name))
            if given:
                asked[field.name] = value
        try:
            self.params = self.kind.signature.clean(asked, text=True)
            rows_exist(self.kind, self.params)
        except ParamError as wrong:
            for name, sentences in wrong.errors.items():
                for sentence in sentences:
                    self.add_error(PARAM + name if name else None, sentence)
        return self.cleaned_data

    @property
    def first_wrong(self) -> str:
        """The field that the page puts the cursor into."""
        errors: ErrorDict = self.errors
        return next((name for name in self.fields if name in errors), "")

    def focus_first_wrong(self) -> None:
        if name := self.first_wrong:
            self.fields[name].widget.attrs["autofocus"] = True


class Priority(forms.IntegerField):
    """0 to 9; left empty, it is what the kind says."""

    def __init__(self, **options: Any) -> None:
        numeric = forms.TextInput({"inputmode": "numeric", "autocomplete": "off"})
        said = dict.fromkeys(("invalid", "min_value", "max_value"), "Give a whole number from 0 to 9.")
        super().__init__(
            required=False,
            widget=numeric,
            min_value=0,
            max_value=9,
            error_messages=said,
            help_text="9 runs first.",
            **options,
        )


class MomentField(forms.DateTimeField):
    """A date and time in the reader's zone."""

    may_be_empty = True

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput({"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
        super().__init__(required=False, widget=widget, **options)

    def to_python(self, value: Any) -> datetime | None:
        found = super().to_python(value)
        try:
            return found and due.at(found)
        except ValueError:
            raise forms.ValidationError(f"Give a moment before the year {due.LATEST.year}.") from None


def widget(field: Field) -> forms.Widget:
    """The control for a type."""
    plain: dict[str, Any] = {"autocomplete": "off"}
    match field.type:
        case "boolean" if not field.nullable:
            return forms.CheckboxInput()
        case "boolean":
            return forms.Select(choices=[EMPTY_CHOICE, ("true", "Yes"), ("false", "No")])
        case "choice":
            return forms.Select(choices=[EMPTY_CHOICE] * may_be_empty(field) + list(field.choices))
        # Not type="number": a browser hands on nothing at all of what it takes for no number, and it would be lost.
        case "integer":
            return forms.TextInput({**plain, "inputmode": "numeric"})
        case "number" | "decimal":
            return forms.TextInput({**plain, "inputmode": "decimal"})
        case "date":
            return forms.DateInput({"type": "date"}, format="%Y-%m-%d")
        case "datetime":
            return forms.DateTimeInput({"type": "datetime-local", "step": 1}, format="%Y-%m-%dT%H:%M:%S")
        case "list" | "json":
            return forms.Textarea({**plain, "rows": 6, "spellcheck": "false"})
        case "secret":
            return forms.PasswordInput({"autocomplete": "new-password"})
        case "url":
            return forms.URLInput({**plain, "placeholder": "https://"})
    return forms.TextInput(plain)


def may_be_empty(field: Field) -> bool:
    return field.nullable or field.required or field.omitted


def help_text(field: Field) -> str:
    return " ".join(filter(None, (field.help, HELP.get(field.type, ""), zone() if field.type == "datetime" else "")))


def zone() -> str:
    return f"Times are in {timezone.get_current_timezone_name()}."


def typed(field: Field, value: Any) -> Any:
    """A clean value as a person would have typed it."""
    if value is None or field.type == "secret":
        return None
    match field.type:
        case "list":
            return "\n".join(str(item) for item in value)
        case "json":
            return json.dumps(value, indent=2, ensure_ascii=False)
        case "datetime":
            return timezone.localtime(datetime.fromisoformat(value)).strftime("%Y-%m-%dT%H:%M:%S")
        case "boolean" if field.nullable:
            return str(value).lower()
    return value


def value_of(field: Field, value: Any) -> tuple[bool, Any]:
    """Whether the form says anything of this parameter, and what."""
    if field.type == "boolean" and not field.nullable:
        return True, bool(value)
    if value is None:
        return False, None
    if value == "" and (field.required or not (field.nullable or field.type in TEXTS)):
        return False, None
    if field.type == "datetime" and value:
        return True, with_zone(value)
    return True, value


def with_zone(value: str) -> str:
    """Add the reader's UTC offset to a date and time of the browser. Other texts stay as they are."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if moment.tzinfo else timezone.make_aware(moment).isoformat()
