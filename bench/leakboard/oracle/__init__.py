"""The one door to a victim: what observers may ask, what it costs, and what stands in the way."""
