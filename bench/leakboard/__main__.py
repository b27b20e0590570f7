"""``python -m leakboard``."""

from leakboard.cli import main

main(prog_name="leakboard")
