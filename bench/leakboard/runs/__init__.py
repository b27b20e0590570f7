"""One run of a grid: planned, priced, carried out on an executor, and written down."""
