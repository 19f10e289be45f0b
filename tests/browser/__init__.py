"""What a user would notice, seen through a real Chromium on the running product."""
