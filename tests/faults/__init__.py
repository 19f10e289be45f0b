"""Real processes that get killed, frozen, cut off and starved, and one checker that reads all they left behind."""
