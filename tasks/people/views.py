"""The page of people, for admins: users, their roles, invitations. And the page behind an invitation's link."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model, login
from django.contrib.auth.forms import UserCreationForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.generic import View

from tasks.access import audit, sessions
from tasks.access.permissions import ROLES, role_of
from tasks.channels import sending
from tasks.channels.services import BadChannel
from tasks.people import accounts
from tasks.people.models import Invitation
from tasks.web.pages import Allowed, Page
from tasks.web.rows import RowAction
from tasks.web.shown_once import show_once, shown_once

PAGE = 100
BACKEND = "django.contrib.auth.backends.ModelBackend"
SHOWN = "invitation"


class InviteForm(forms.Form):
    role = forms.ChoiceField(label="Role", choices=[(role, role) for role in ROLES], initial="viewer")
    note = forms.CharField(label="For whom", max_length=150, required=False, help_text="To tell invitations apart.")
    mail = forms.EmailField(label="Mail address", max_length=254, required=False, help_text="The link is sent there.")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("note", "mail"):
            self.fields[name].may_be_empty = True
        if not settings.SIGNALBOX_MAIL:
            del self.fields["mail"]


@method_decorator(never_cache, "dispatch")
class PeopleView(Page):
    template_name = "people/people.html"
    here = "people"
    action = "people"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        field = accounts.name_field()
        rows = get_user_model()._default_manager.prefetch_related("groups").order_by(field)
        if after := self.request.GET.get("after", "")[:150]:
            rows = rows.filter(**{f"{field}__gt": after})
        found = list(rows[: PAGE + 1])
        people = [(user, role_of(user) if user.is_active else "nobody") for user in found[:PAGE]]
        context.setdefault("form", InviteForm())
        return super().get_context_data(
            people=people,
            more=urlencode({"after": found[PAGE - 1].get_username()}) if len(found) > PAGE else "",
            roles=ROLES,
            local=settings.SIGNALBOX_LOCAL_LOGIN,
            invitations=[row for row in Invitation.objects.order_by("-id")[:PAGE] if row.is_open],
            link=shown_once(self.request, SHOWN),
            **context,
        )


class ToSomebody(Allowed, View):
    """Something done to one user, whom the form names."""

    action = "people"
    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        user = accounts.named(request.POST.get("user", "")[:150])
        if user is None:
            raise Http404("There is no such user.")
        if user.pk == request.user.pk:
            messages.error(request, "You cannot change yourself here, so that an admin is always left.")
        else:
            self.do(user)
        return redirect("people")

    def do(self, user: Any) -> None:
        raise NotImplementedError


class RoleView(ToSomebody):
    def do(self, user: Any) -> None:
        role = self.request.POST.get("role", "")
        if role not in ("", *ROLES):
            raise Http404("There is no such role.")
        name = user.get_username()
        if user.is_superuser:
            messages.error(self.request, f"{name} is a superuser, and so an admin whatever the role.")
            return
        audit.do(self.request, self.action, f"user {name}", lambda: accounts.give_role(user, role), role=role)
        messages.info(self.request, f"{name} is {role}." if role else f"{name} has no role any more.")


class SwitchView(ToSomebody):
    """Somebody who is switched off cannot log in; their sessions end, and their tokens stop."""

    def do(self, user: Any) -> None:
        user.is_active, name = self.request.POST.get("on") == "yes", user.get_username()

        def write() -> None:
            user.save(update_fields=["is_active"])
            if not user.is_active:
                sessions.end_all(user)

        audit.do(self.request, self.action, f"user {name}", write, active=user.is_active)
        messages.info(self.request, f"{name} can log in again." if user.is_active else f"{name} was switched off.")


class InviteView(PeopleView):
    """Makes a link. It is shown on the next page, and nowhere else; by mail too, if that is asked for."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        form = InviteForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form), status=422)
        given = form.cleaned_data
        row, token = audit.do(
            request,
            self.action,
            lambda made: f"invitation {made[0].uid}",
            lambda: accounts.invite(given["role"], given["note"] or "", request.user.get_username()),
            role=given["role"],
        )
        link = link_of(request, token)
        show_once(request, SHOWN, link)
        if given.get("mail"):
            self.mail(given["mail"], row, link)
        return redirect("people")

    def mail(self, address: str, row: Invitation, link: str) -> None:
        joint = "&" if "?" in settings.SIGNALBOX_MAIL else "?"
        url = f"{settings.SIGNALBOX_MAIL}{joint}{urlencode({'to': address})}"
        text = (
            f"{row.made_by} invites you to Signalbox, as {row.role}.\n\n{link}\n\nThe link works once, for three days."
        )
        try:
            answer = sending.send(url, "Your invitation to Signalbox", text)
            said = "The link was sent." if answer.ok else f"The mail was not sent: {answer.said}"
        except BadChannel as error:
            said = f"The mail was not sent: {error}"
        messages.info(self.request, said)


def link_of(request: HttpRequest, token: str) -> str:
    path = reverse("join", args=[token])
    if settings.SIGNALBOX_URL:
        return settings.SIGNALBOX_URL + path.removeprefix(settings.PREFIX)
    return request.build_absolute_uri(path)


class EndInvitationView(RowAction):
    here, noun, action = "people", "invitation", "people"
    rows = Invitation.objects.filter(used_at=None)

    def do(self, invitation: Invitation) -> str:
        self.audited(invitation.delete, invitation, deleted=True)
        return "The invitation was deleted: its link is dead."


class NewUserForm(UserCreationForm):
    class Meta:
        model = get_user_model()
        fields = (get_user_model().USERNAME_FIELD,)


def new_user_page(request: HttpRequest, form: NewUserForm, **words: str) -> HttpResponse:
    """The page on which somebody chooses a name and a password. ``words``: ``heading``, ``intro`` and ``button``."""
    context = {"form": form, "name": form[accounts.name_field()], **words}
    return render(request, "people/new_user.html", context, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """The page behind an invitation's link; 404 for a link that is wrong, used or expired."""
    invitation = accounts.open_invitation(token)
    if invitation is None or not settings.SIGNALBOX_LOCAL_LOGIN:
        raise Http404("This invitation is not valid, or no longer. Ask whoever sent it for a new one.")
    form = NewUserForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        user = form.save(commit=False)  # hashes the password, which takes long, while no transaction is open
        if not accounts.accept(invitation, user):
            raise Http404("This invitation has just been used.")
        login(request, user, backend=BACKEND)
        return redirect(settings.LOGIN_REDIRECT_URL)
    intro = f"{invitation.made_by} invites you, as {invitation.role}. Choose a name and a password."
    return new_user_page(request, form, heading="Welcome", intro=intro, button="Make my account")
