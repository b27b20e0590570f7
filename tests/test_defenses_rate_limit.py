"""The simulated clock of a rate limit."""

import pytest

from helpers.defending import checked
from helpers.tiny_grids import tiny
from leakboard import Store, run
from leakboard.api import Cost, LeakboardError, Refused
from leakboard_defenses import RateLimit


def test_without_a_deadline_it_refuses_nothing():
    RateLimit(per_minute=0.001).admit(Cost(1e6, 1e7), Cost(1, 10))


def test_it_lets_pass_what_ends_in_time_and_no_more():
    limit = RateLimit(per_minute=0.1, minutes=30)
    limit.admit(Cost(2, 20), Cost(1, 10))
    limit.admit(Cost(3, 30), Cost(0, 10))
    with pytest.raises(Refused, match=r"rate_limit\(minutes=30\) refused more after 3 queries, 30 minutes a sample"):
        limit.admit(Cost(3, 30), Cost(1, 10))


@pytest.mark.parametrize(
    ("queries", "pooled", "told"),
    [
        (1, 0, "1 query a sample takes 6 seconds, 100 minutes for 1,000 samples"),
        (30, 0, "30 queries a sample take 3 minutes, 2.08 days for 1,000 samples"),
        (1, 2400, "1 query a sample and 2400 for all together take 4 hours, 5.67 hours for 1,000 samples"),
    ],
)
def test_it_tells_how_long_an_attack_takes(queries, pooled, told):
    assert RateLimit().remark(Cost(queries), Cost(pooled)) == f"rate_limit(per_minute=10): {told}"


@pytest.mark.parametrize(
    ("parameters", "told"),
    [({"at": "both"}, "counts no question"), ({"per_minute": 0.5, "minutes": 1.0}, "lets no query pass")],
)
def test_a_limit_that_makes_no_sense_is_refused(parameters, told):
    with pytest.raises(LeakboardError, match=told):
        checked(RateLimit, **parameters)


def test_the_duration_stands_beside_the_result_and_a_refusal_before_it(tmp_path):
    grid = tiny(
        defense=["none", "rate_limit(per_minute=2)", "rate_limit(per_minute=2, minutes=1)"],
        observer="progressive(steps=3, access='black')",
        distance="mse",
        classifier="logistic_regression",
    )
    store = Store(tmp_path / "rates.db", create=True)
    run(grid, store, threads=1)
    found = store.cells().set_index("defense")["note"]
    assert found["none"] == ""
    assert found["rate_limit(per_minute=2.0)"] == (
        "rate_limit(per_minute=2): 3 queries a sample take 1.5 minutes, 25 hours for 1,000 samples"
    )
    refused, told = found["rate_limit(per_minute=2.0, minutes=1.0)"].split("\n")
    assert refused == "rate_limit(minutes=1) refused more after 2 queries, 1 minute a sample"
    assert told.startswith("rate_limit(per_minute=2): 2 queries a sample take 1 minute, ")
