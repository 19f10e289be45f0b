"""The pages of channels: where alerts go, and the log of what was sent there. For admins."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.generic import CreateView, DeleteView, DetailView, ListView, UpdateView, View

from tasks.access import audit
from tasks.channels import outgoing
from tasks.channels.forms import ChannelForm
from tasks.channels.models import Channel
from tasks.web.pages import Allowed, PageContext

PAGE = 30  # notifications


class ChannelPage(PageContext):
    here = "channels"
    action = "channels"
    model = Channel
    slug_field = slug_url_kwarg = "uid"

    def get_queryset(self) -> QuerySet[Channel]:
        return Channel.objects.select_related("owner").order_by("name", "id")


class ChannelList(ChannelPage, ListView):
    template_name = "channels/list.html"


class ChannelDetail(ChannelPage, DetailView):
    template_name = "channels/channel.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        newest = self.object.notifications.order_by("-id")[:PAGE]
        return super().get_context_data(notifications=newest, **context)


class ChannelForms(ChannelPage):
    template_name = "channels/form.html"
    form_class = ChannelForm

    def get_success_url(self) -> str:
        return reverse("channel", args=[self.object.uid])


class ChannelCreate(ChannelForms, CreateView):
    extra_context = {"heading": "Add a channel", "button": "Add channel"}

    def form_valid(self, form: ChannelForm) -> HttpResponse:
        form.instance.owner = self.request.user
        self.object = audit.do(
            self.request,
            self.action,
            lambda channel: f"channel {channel.uid}",
            form.save,
            name=form.instance.name,
            service=form.instance.service,
        )
        return redirect(self.get_success_url())


class ChannelUpdate(ChannelForms, UpdateView):
    extra_context = {"heading": "Change the channel", "button": "Save"}

    def form_valid(self, form: ChannelForm) -> HttpResponse:
        audit.do(self.request, self.action, f"channel {self.object.uid}", form.save, changed=form.changed_data)
        return redirect(self.get_success_url())


class ChannelDelete(ChannelForms, DeleteView):
    template_name = "channels/delete.html"
    form_class = None

    def get_form_class(self) -> Any:
        return DeleteView.form_class

    def form_valid(self, form: Any) -> HttpResponse:
        audit.do(self.request, self.action, f"channel {self.object.uid}", self.object.delete)
        messages.info(self.request, f"The channel {self.object} was deleted.")
        return redirect("channels")


class ChannelTest(Allowed, View):
    action = "channels"
    http_method_names = ["post"]

    def post(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        channel = get_object_or_404(Channel, uid=uid)
        name = request.user.get_username()
        audit.do(request, self.action, f"channel {uid}", lambda: outgoing.test(channel, name), test=True)
        messages.info(request, "A job sends a test message. The list below shows how it goes.")
        return redirect("channel", uid)
