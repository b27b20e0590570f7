"""Images that ship with the package, and the script that cut them out of their source."""
