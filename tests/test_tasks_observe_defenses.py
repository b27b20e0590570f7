"""What a run tells of the provider's defense: which questions went past it, and that it acts once on what all send."""

import pytest

import leakboard
from helpers.tiny_grids import PLUGIN, tiny
from leakboard.registry.find import shared
from leakboard.store import Store


def test_a_finished_run_tells_which_questions_went_past_which_defense(tmp_path):
    """Decoding images oneself passes an output defense by, though what is compared are images."""
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(
        observer=["glance", "glance(access='black')", "peek", "peek(noisy=True)"],
        defense=["none", "fog", "fog(at='output')", "fog + fog(at='output')", "fog(at='both')"],
    )
    assert leakboard.run(grid, store).ok
    frame = store.results().drop_duplicates("cell")
    found = {(row["observer"], row["defense"]): row["bypass"] for row in frame.to_dict("records")}
    output = "output: decode, encode, predict_noise"
    past = {"fog": "query: decode", "fog(at='output')": output, "fog + fog(at='output')": f"query: decode; {output}"}
    noisy = {name: told.replace("query: decode", "query: decode, predict_noise") for name, told in past.items()}
    for defense in ("none", *past, "fog(at='both')"):
        assert found["glance", defense] == found["glance(access='black')", defense] == "nothing"
        assert found["peek", defense] == past.get(defense, "nothing")
        assert found["peek(noisy=True)", defense] == noisy.get(defense, "nothing")


@pytest.mark.parametrize("observers", [["glance"], ["glance", "peek", "glance(strength=0.2)"]])
def test_what_the_victim_sees_of_a_sample_is_computed_once_a_task(tmp_path, monkeypatch, observers):
    """Whoever asks, and also for the contact sheet."""
    fog = type(shared((str(PLUGIN),)).one("defense", "fog").only)
    inner, seen = fog.apply, []
    monkeypatch.setattr(
        fog, "apply", lambda self, images, noise: seen.append(len(images)) or inner(self, images, noise)
    )
    assert leakboard.run(
        tiny(observer=observers, defense="fog", run={"shard": 48}), Store(tmp_path / "store.db", create=True)
    ).ok
    assert seen == [48]
