"""Victims behind an API, and answers of theirs that are replayed."""
