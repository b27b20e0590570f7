"""Generations that all samples share: one set for all shards, paid once, the same for whoever asks."""

import multiprocessing
import time

import pytest
import torch

from helpers.handmade_victim import Handmade
from helpers.oracles import make_door, make_samples
from helpers.spied_victim import Halving
from leakboard.api import Refused
from leakboard.oracle.memo import Memo
from leakboard.oracle.pools import Pools
from leakboard.store.artifacts import Artifacts
from leakboard.tasks.feature_tables import _price
from leakboard_defenses import Budget


@pytest.fixture
def shard(tmp_path):
    """A door for each shard of ten samples, each with a memo of its own as in tasks of their own."""
    samples = make_samples(10)

    def door(rows, victim="victim", **settings):
        memo = Memo(Handmade(), 2, pools=Pools(Artifacts(tmp_path), victim, "dataset"))
        return make_door(None, "black", samples.take(rows), memo=memo, **settings)

    return door


def test_all_shards_get_the_same_images_and_one_pays(shard):
    first, second = shard(range(5)), shard(range(5, 10))

    pools = [door.pool(4, 3) for door in (first, second)]

    assert pools[0].shape == (4, 1, 8, 8)
    assert torch.equal(*pools)
    assert len(pools[0].unique(dim=0)) == 4
    assert [[made.evaluations for made in door.memo.pools_made.values()] for door in (first, second)] == [[12], []]
    assert [len(door.memo.pools.stored) for door in (first, second)] == [1, 0]
    assert [query for query, _ in second.memo.model.calls] == []


def test_every_door_bears_the_price_of_the_whole_pool(shard):
    doors = shard(range(3)), shard(range(3, 10))
    for door in doors:
        door.pool(4, 3)

    assert [(door.pooled.queries, door.pooled.evaluations) for door in doors] == [(4, 12)] * 2
    assert [door.asked.evaluations for door in doors] == [0, 0]


def test_every_door_is_billed_the_seconds_that_the_pool_took_once(shard):
    """Not those that it took to read it, or to wait for who made it."""
    first, second = shard(range(3)), shard(range(3, 10))
    slow = first.memo.model.generate
    first.memo.model.generate = lambda *asked: time.sleep(0.05) or slow(*asked)
    for door in (first, second):
        door.pool(4, 3)
        door.memo.pools_made.clear()

    assert first.pooled.seconds == second.pooled.seconds >= 0.1
    assert first.memo.paid.seconds >= first.pooled.seconds
    assert second.memo.paid.seconds < 0.1


def test_a_table_of_features_shares_the_price_of_a_pool_among_its_samples():
    """The shards of a run of more samples are the same, and each sample's part is smaller."""
    meta = {"queries": "1", "nfe": "2", "pool_queries": "4", "pool_nfe": "12", "pool_seconds": "3"}
    assert _price(meta, 10) == (1.4, 3.2)
    assert _price({"queries": "1", "nfe": "2"}, 10) == (1, 2)


def test_a_budget_counts_a_pool_whole(shard):
    door = shard(range(5), query=(Budget(queries=5),))
    door.pool(4, 3)
    with pytest.raises(Refused):
        door.pool(4, 3, draw=1)


@pytest.mark.parametrize(
    "other",
    [{"count": 5}, {"steps": 2}, {"draw": 1}, {"prompts": ["a"] * 4}],
    ids=["count", "steps", "draw", "prompts"],
)
def test_another_question_is_another_pool(shard, other):
    door = shard(range(5))
    asked = {"count": 4, "steps": 3}
    door.pool(**asked)
    door.pool(**{**asked, **other})

    assert len(door.memo.pools.stored) == 2


def test_seeds_victims_and_draws_have_pools_of_their_own(shard):
    pools = [
        shard(range(5)).pool(4, 3),
        shard(range(5), seed=1).pool(4, 3),
        shard(range(5)).pool(4, 3, draw=1),
    ]
    assert len({tuple(pool.flatten().tolist()) for pool in pools}) == 3
    other = shard(range(5), victim="other")
    other.pool(4, 3)
    assert [made.evaluations for made in other.memo.pools_made.values()] == [12]


def test_what_it_gives_out_is_defended_and_costs_black_access_alone(shard):
    plain, defended = shard(range(5)).pool(4, 3), shard(range(5), output=(Halving(),)).pool(4, 3)

    assert torch.equal(defended, plain / 2)


def test_prompts_must_be_one_an_image(shard):
    with pytest.raises(ValueError, match="3 prompts for a pool of 4"):
        shard(range(5)).pool(4, 3, prompts=["a"] * 3)


def test_a_damaged_pool_is_made_again(shard, tmp_path):
    first = shard(range(5))
    before = first.pool(4, 3)
    path = Artifacts(tmp_path).path(first.memo.pools.stored[0].key)
    path.write_bytes(path.read_bytes()[:-3])

    again = shard(range(5))
    assert torch.equal(again.pool(4, 3), before)
    assert [made.evaluations for made in again.memo.pools_made.values()] == [12]


def ask_for_pool(folder, barrier, told):
    pools = Pools(Artifacts(folder), "victim", "dataset")

    def make():
        time.sleep(0.3)
        return torch.full((2, 1, 4, 4), 0.5)

    barrier.wait()
    pool = pools.get("question", make)
    told.put((pool.made, pool.seconds, float(pool.images.sum())))


def test_two_processes_make_one_pool_and_leave_no_lock_behind(tmp_path):
    processes = multiprocessing.get_context("fork")
    barrier, told = processes.Barrier(2), processes.Queue()
    workers = [processes.Process(target=ask_for_pool, args=(tmp_path, barrier, told)) for _ in range(2)]
    for worker in workers:
        worker.start()
    (one, other) = (told.get(timeout=30) for _ in workers)
    for worker in workers:
        worker.join()

    assert sorted([one[0], other[0]]) == [False, True]
    assert one[1:] == other[1:]
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".safetensors"]


def test_a_pool_that_cannot_be_made_leaves_no_lock_behind(shard, tmp_path):
    door = shard(range(5))
    door.memo.model.generate = None
    with pytest.raises(TypeError):
        door.pool(4, 3)

    assert list(tmp_path.glob("*/*")) == []


def test_what_a_killed_maker_left_locked_is_free_and_goes(shard, tmp_path):
    first = shard(range(5))
    first.pool(4, 3)
    path = Artifacts(tmp_path).path(first.memo.pools.stored[0].key)
    path.unlink()
    path.with_suffix(".lock").touch()

    shard(range(5)).pool(4, 3)
    assert list(path.parent.iterdir()) == [path]
