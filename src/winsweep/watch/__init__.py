"""A study as it stands, looked at again and again: as JSON for scripts, as a live board for people."""
