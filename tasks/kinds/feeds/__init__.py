"""Feeds: rows that people subscribe to, and the kind that fetches one."""
