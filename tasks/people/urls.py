"""The addresses of people: who may come in, and the ways in."""

from django.urls import path

from tasks.people import oidc, views

urlpatterns = [
    path("people/", views.PeopleView.as_view(), name="people"),
    path("people/role/", views.RoleView.as_view(), name="people-role"),
    path("people/switch/", views.SwitchView.as_view(), name="people-switch"),
    path("people/invite/", views.InviteView.as_view(), name="people-invite"),
    path("people/invitations/<uuid:uid>/delete/", views.EndInvitationView.as_view(), name="people-invitation-end"),
    path("join/<str:token>/", views.join, name="join"),
    path("oidc/login/", oidc.Begin.as_view(), name="oidc-login"),
    path("oidc/callback/", oidc.Callback.as_view(), name="oidc_authentication_callback"),
]
