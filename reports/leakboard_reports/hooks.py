"""The plugins that come with Leakboard, announced through the same hooks as anybody else's."""
