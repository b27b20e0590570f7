"""Plugins: found, checked against the contract, and bound to their parameters."""
