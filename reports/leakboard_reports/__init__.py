"""Static leaderboard pages made from a store, and what the author of a further page needs."""

from leakboard_reports.authoring import table

__all__ = ["table"]
