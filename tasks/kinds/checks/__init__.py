"""The two classic periodic jobs: is a web service well, and a backup of the database."""
