"""``python -m leakboard``."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # as with the command `leakboard`, files of the working folder are no modules: one may be called types.py
    del sys.path[0]

from leakboard.cli import main

main(prog_name="leakboard")
