"""Recipes that make the embedded victims, each with a manifest that says what it was trained on."""
