"""A short storm; the whole one is run by hand: ``python tests/storm/storm.py``."""

from storm.storm import Blows, weather


def test_what_was_killed_and_interrupted_ends_bit_identical():
    assert weather(Blows(killed=2, workers=1, interrupted=1, terminated=1), each=5, longest=2.0) == []
