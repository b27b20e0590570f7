"""Measures, intervals and null checks: plain numbers, no victim and no store."""
