"""The pages of channels: where alerts go, and the log of what was sent there. For admins."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.views.generic import DetailView, ListView

from tasks.channels import outgoing
from tasks.channels.forms import ChannelForm
from tasks.channels.models import Channel
from tasks.web.rows import ChangeRow, DeleteRow, NewRow, RowAction, RowPage

PAGE = 30  # notifications


class ChannelPage(RowPage):
    here, noun = "channels", "channel"
    action = "channels"
    model = Channel

    def get_queryset(self) -> QuerySet[Channel]:
        return Channel.objects.select_related("owner").order_by("name", "id")


class ChannelList(ChannelPage, ListView):
    template_name = "channels/list.html"


class ChannelDetail(ChannelPage, DetailView):
    template_name = "channels/channel.html"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        newest = self.object.notifications.order_by("-id")[:PAGE]
        return super().get_context_data(notifications=newest, **context)


class ChannelCreate(ChannelPage, NewRow):
    form_class = ChannelForm
    extra_context = {"heading": "Add a channel", "button": "Add channel"}

    def form_valid(self, form: ChannelForm) -> HttpResponse:
        form.instance.owner = self.request.user
        return super().form_valid(form, name=form.instance.name, service=form.instance.service)


class ChannelUpdate(ChannelPage, ChangeRow):
    form_class = ChannelForm
    extra_context = {"heading": "Change the channel", "button": "Save"}


class ChannelDelete(ChannelPage, DeleteRow):
    warning = "No alert reaches it any more, and the log of its messages goes with it."


class ChannelTest(RowAction):
    action, noun = "channels", "channel"
    rows = Channel.objects.all()

    def do(self, channel: Channel) -> str:
        self.audited(lambda: outgoing.test(channel, self.request.user.get_username()), channel, test=True)
        return "A job sends a test message. The list below shows how it goes."
