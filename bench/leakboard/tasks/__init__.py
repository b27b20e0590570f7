"""The two kinds of task, asking a victim and scoring what it said, and the samples both are about."""
