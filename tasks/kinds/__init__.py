"""The kinds that come with Signalbox."""
