"""A team's own user model: people are known by their mail address, and there is no ``username``."""
