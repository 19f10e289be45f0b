"""The kinds that come with Signalbox. OWN names their modules, looked for in every installed app beside ``tasks``."""

OWN = ("kinds.basic", "kinds.sites", "kinds.chores", "kinds.upkeep")
