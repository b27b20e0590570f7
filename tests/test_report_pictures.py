"""Whose images reports show: everybody's to see, or asked for."""

import json

import pytest

import leakboard
from helpers.shelves import SHELF, fill, shelf
from leakboard.registry.find import Registry
from leakboard.registry.public import is_public
from leakboard.store import Store

SPEC = "shelf(root='d')"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a grid of a private dataset under a defense; gives the store."""
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "d")

    def done(spec=SPEC, **settings):
        store = Store("s.db", create=True)
        assert leakboard.run(shelf(spec, defense=["none", "box_blur"], run=settings), store).ok
        return store

    return done


def section(rendered):
    text = rendered.page.read_text()
    return text[text.index('id="pictures"') : text.index('id="nulls"')]


def strips(folder):
    return sorted(path.name for path in folder.glob("assets/strip-*"))


def test_images_of_private_datasets_are_neither_kept_nor_shown(run, tmp_path):
    store = run()
    told = leakboard.report(store, "out")

    assert store.artifact_digests("preview") == {}
    assert strips(tmp_path / "out") == []
    assert f"Images of {SPEC} are left out".replace("'", "&#39;") in section(told)
    assert "--pictures" in section(told)


def test_what_a_defense_costs_is_known_without_pictures(run):
    run()
    page = leakboard.report("s.db", "out").page.read_text()
    price = page[page.index('id="price"') : page.index('id="roc"')]

    assert " dB" in price or "dB)" in price


def test_images_that_were_asked_for_are_kept_and_named_where_they_show(run, tmp_path):
    store = run(pictures=True)
    without, with_them = leakboard.report(store, "out"), leakboard.report(store, "all", pictures=True)

    assert store.artifact_digests("preview")
    assert strips(tmp_path / "out") == []
    assert without.told == (f"images of {SPEC} are left out, for not everybody may see them: --pictures shows them",)
    assert strips(tmp_path / "all")
    assert with_them.told == (f"this page shows images of {SPEC}",)
    assert f"This page shows images of {SPEC}".replace("'", "&#39;") in section(with_them)


def test_a_plugin_can_say_that_its_images_are_public(run, tmp_path):
    told = leakboard.report(run("shelf(root='d', public=True)"), "out")

    assert strips(tmp_path / "out")
    assert told.told == ()


def test_datasets_that_ship_are_public_and_those_of_ones_own_are_not(tmp_path):
    registry, root = Registry.load([SHELF]), str(fill(tmp_path / "d"))
    shipped = ("fashion_mnist", "fashion_mnist_wide", "emoji", "openclipart")

    assert all(is_public(registry.one("dataset", name)) for name in shipped)
    assert not is_public(registry.one("dataset", f"arrays(path={root + '/images.npy'!r})"))
    assert not is_public(registry.one("dataset", f"shelf(root={root!r})"))


def test_nothing_that_is_stored_or_shown_tells_of_the_machine(run, tmp_path):
    place = str(tmp_path / "d")
    store = run(f"shelf(root={place!r})")
    page = leakboard.report(store, "out").page
    texts = [path.read_text() for path in (page, page.with_name("runs.html"))]
    texts += [json.dumps(frame.to_dict("records"), default=str) for frame in (store.components(), store.runs())]
    texts += [frame.to_csv() for frame in (store.results(), store.features(), store.tasks())]
    texts += [path.read_bytes().decode("latin-1") for path in store.artifacts.rglob("*.safetensors")]

    assert not [text for text in texts if place in text or str(tmp_path) in text]
