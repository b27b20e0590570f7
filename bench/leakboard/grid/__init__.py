"""A grid file, its cells, and the patterns that pick among them."""
