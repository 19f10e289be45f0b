"""The page of one's own account: who one is here, the tokens of one's programs, and a new password."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import CreateView, DeleteView

from tasks.access import audit
from tasks.access.models import Scope, Token
from tasks.access.permissions import Actor
from tasks.account import login
from tasks.web.pages import PageContext
from tasks.web.shown_once import show_once, shown_once

SCOPES = (
    (Scope.READ, "read: see all that you see"),
    (Scope.SUBMIT, "submit: submit jobs, and see those only"),
    (Scope.MANAGE, "manage: all that you may do"),
)
DAYS = ((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "a year"), (0, "no expiry"))


class TokenForm(forms.ModelForm):
    scope = forms.ChoiceField(label="What it may do", choices=SCOPES)
    days = forms.TypedChoiceField(label="For how long", choices=DAYS, coerce=int, initial=90)

    class Meta:
        model = Token
        fields = ("name", "scope")
        labels = {"name": "Name"}
        help_texts = {"name": "Which program uses it."}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["name"].may_be_empty = True

    def clean(self) -> dict[str, Any]:
        if sentence := Token.objects.no_room(self.instance.user):
            raise forms.ValidationError(sentence)
        return super().clean()


@method_decorator(never_cache, "dispatch")
class AccountView(PageContext, CreateView):
    """Who one is, one's tokens, and the form for another."""

    here = "account"
    action = "see_tokens"
    http_method_names = ["get", "head"]
    template_name = "account/account.html"
    model = Token
    form_class = TokenForm

    def get_queryset(self) -> QuerySet[Token]:
        return Token.objects.filter(user=self.request.user).order_by("-created")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"instance": Token(user=self.request.user)}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(
            role=Actor.of(self.request.user).role,
            tokens=self.get_queryset(),
            secret=shown_once(self.request, "token"),
            **context,
        )


class MakeTokenView(AccountView):
    """Make a token. Its text is on the next page, and nowhere else."""

    action = "change_tokens"
    http_method_names = ["post"]

    def form_valid(self, form: TokenForm) -> HttpResponse:
        given = form.cleaned_data
        _, text = audit.do(
            self.request,
            self.action,
            lambda made: f"token {made[0].uid}",
            lambda: Token.objects.make(
                self.request.user, given["scope"], name=given["name"], days=given["days"] or None
            ),
            scope=given["scope"],
        )
        show_once(self.request, "token", text)
        return redirect("account")


class EndTokenView(AccountView, DeleteView):
    """Take a token back: what uses it is refused from now on, and its open sockets close."""

    action = "change_tokens"
    http_method_names = ["post"]
    slug_field = slug_url_kwarg = "uid"
    form_class = forms.Form

    def get_form_kwargs(self) -> dict[str, Any]:
        return {"data": self.request.POST}

    def form_valid(self, form: Any) -> HttpResponse:
        audit.do(self.request, self.action, f"token {self.object.uid}", self.object.delete)
        messages.info(self.request, "The token was revoked.")
        return redirect("account")


class PasswordForm(PasswordChangeForm):
    """Django's form, with labels and help in our words."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, label, words in (
            ("new_password1", "New password", "At least 8 characters, not only digits, not a common password."),
            ("new_password2", "The same again", ""),
        ):
            self.fields[name].label, self.fields[name].help_text = label, words


@method_decorator(never_cache, "dispatch")
class PasswordView(PageContext, PasswordChangeView):
    """A new password, for who knows the old one. Guesses count as at the login page."""

    here = "account"
    template_name = "account/password.html"
    form_class = PasswordForm
    success_url = reverse_lazy("account")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        name = request.user.get_username()
        with login.guess(request, name) as wait:
            if wait:
                return login.refuse_if_throttled(self, request, name, wait, "change-password", request.user)
            return super().post(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        form.save(commit=False)  # hashes the password, which takes long, while no transaction is open
        name = self.request.user.get_username()
        audit.do(self.request, "change-password", name, form.user.save)
        update_session_auth_hash(self.request, form.user)
        messages.info(self.request, "Your password was changed. You are logged out everywhere else.")
        if Token.objects.live().filter(user=form.user).exists():
            messages.info(self.request, "Your API tokens are still valid. Revoke those that others may have seen.")
        return redirect(self.get_success_url())

    def form_invalid(self, form: Any) -> HttpResponse:
        if "old_password" in form.errors:
            login.login_failed({"username": self.request.user.get_username()}, self.request)
        return super().form_invalid(form)
