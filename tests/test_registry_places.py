"""Identity is content: where files lie is nobody's business, and what they are called is up to whoever asks."""

import json
import shutil

import pytest
from huggingface_hub import constants

import leakboard
from helpers.image_folders import make_sides
from helpers.shelves import SHELF, fill, shelf
from leakboard.api import member_digest
from leakboard.errors import LeakboardError
from leakboard.grid.grid import Grid
from leakboard.registry.find import Registry
from leakboard.store import Store
from leakboard.store import merge as merge_stores


@pytest.fixture(scope="module")
def registry():
    return Registry.load([SHELF])


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home, and a working folder elsewhere."""
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "alice"))
    (tmp_path / "home" / "alice").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home" / "alice"


def test_the_same_files_elsewhere_are_the_same_component(registry, home, tmp_path):
    spellings = [str(fill(home / "d")), "~/d", str(fill(tmp_path / "here" / "e")), "e", "./e", "../here/e"]
    (tmp_path / "here" / "linked").symlink_to(home / "d")
    points = [registry.one("dataset", f"shelf(root={path!r})") for path in [*spellings, "linked"]]

    assert len({point.identity for point in points}) == 1
    assert {point.label for point in points} == {f"shelf(root={name!r})" for name in ("d", "e", "linked")}


def test_other_content_or_another_parameter_is_another_component(registry, home):
    fill(home / "d"), fill(home / "e", seed=1)
    texts = ("shelf(root='~/d')", "shelf(root='~/e')", "shelf(root='~/d', public=True)")

    assert len({registry.one("dataset", text).identity for text in texts}) == 3


def test_the_same_weights_with_other_members_are_another_victim(registry, tmp_path):
    shipped = registry.one("victim", "fashion_ddpm(level='light')").only.folder
    points = {}
    for name in ("one", "two", "other"):
        shutil.copytree(shipped, tmp_path / name)
    manifest = json.loads((tmp_path / "other" / "manifest.json").read_text())
    changed = manifest | {"member_digest": member_digest(["somebody", "else"])}
    (tmp_path / "other" / "manifest.json").write_text(json.dumps(changed))
    for name in ("one", "two", "other"):
        points[name] = registry.one("victim", f"ddpm(model={str(tmp_path / name)!r})").identity

    assert points["one"] == points["two"] != points["other"]


def test_a_hub_id_is_what_lies_in_its_folder_of_the_cache(registry, tmp_path, monkeypatch):
    shipped = registry.one("victim", "fashion_ddpm(level='light')").only.folder
    for repository, commit in (("models--someone--tiny", "abc"), ("models--else--tiny", "def")):
        shutil.copytree(shipped, tmp_path / repository / "snapshots" / commit)
        (tmp_path / repository / "refs").mkdir()
        (tmp_path / repository / "refs" / "main").write_text(commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    spellings = ("someone/tiny", "else/tiny", str(shutil.copytree(shipped, tmp_path / "tiny")))
    points = [registry.one("victim", f"ddpm(model={text!r})") for text in spellings]

    assert len({point.identity for point in points}) == 1
    assert points[0].label == "ddpm(model='someone/tiny')"


def test_which_side_a_file_lies_on_counts_and_so_does_its_name(registry, tmp_path):
    def identity(root):
        sides = f"members={str(root / 'members')!r}, nonmembers={str(root / 'nonmembers')!r}"
        return registry.one("dataset", f"folder({sides})").identity

    one = identity(make_sides(tmp_path / "one"))
    moved = make_sides(tmp_path / "moved")
    (moved / "members/sub/b.PNG").rename(moved / "nonmembers/0.PNG")
    renamed = make_sides(tmp_path / "renamed")
    (renamed / "members/a.png").rename(renamed / "members/aa.png")

    assert identity(make_sides(tmp_path / "two")) == one
    assert len({one, identity(moved), identity(renamed)}) == 3


def test_words_of_a_fixed_list_are_never_paths(registry, tmp_path, monkeypatch):
    """A folder that is called as one of them changes nothing, wherever the command runs."""
    root = make_sides(tmp_path / "L")
    monkeypatch.chdir(tmp_path)
    text = f"folder(members={str(root / 'members')!r}, nonmembers={str(root / 'nonmembers')!r}, mode='L')"

    assert "mode='L'" in registry.one("dataset", text).content
    assert str(tmp_path) not in registry.one("dataset", text).content


def test_a_text_with_a_slash_that_leads_nowhere_stays_as_it_is(registry):
    victim = registry.one("victim", "ddpm(model='somebody/some-model')")

    assert victim.shown.startswith("ddpm(model='somebody/some-model'")


def test_a_given_name_is_the_label_and_no_part_of_the_identity(registry, home):
    fill(home / "d")
    bare, named = (registry.one("dataset", f"shelf(root='~/d'{more})") for more in ("", ", name='my shelf'"))

    assert named.label == "my shelf"
    assert named.identity == bare.identity
    assert registry.one("dataset", named.spec).only == bare.only


@pytest.mark.parametrize("name", ["''", "'a/b'", "'x' * 2", "3", "' a'", repr("x" * 61)])
def test_what_is_no_name_is_refused(registry, name):
    with pytest.raises(LeakboardError):
        registry.one("dataset", f"shelf(root='d', name={name})")


def test_only_what_is_attacked_has_a_name(registry):
    with pytest.raises(LeakboardError, match="has no parameter 'name'"):
        registry.one("distance", "psnr(name='mine')")


def test_folders_of_one_name_are_told_apart_and_say_no_more_than_they_must(home):
    fill(home / "a" / "d"), fill(home / "b" / "d", seed=1)
    labels = {cell.dataset.label for cell in shelf("shelf(root={'~/a/d', '~/b/d'})").cells}

    assert labels == {"shelf(root='a/d')", "shelf(root='b/d')"}


def test_what_lies_above_a_home_is_never_told(home, tmp_path):
    fill(home / "d"), fill(home.parent / "bob" / "d", seed=1)
    grid = shelf("shelf(root='~/d')", f"shelf(root={str(home.parent / 'bob' / 'd')!r})")

    assert not any("alice" in cell.dataset.label for cell in grid.cells)


def test_two_of_one_name_are_refused(home):
    fill(home / "a"), fill(home / "b", seed=1)

    with pytest.raises(LeakboardError, match="are called 'mine'"):
        shelf("shelf(root={'~/a', '~/b'}, name='mine')")


def test_what_moved_is_not_paid_again_and_takes_its_new_name(home, tmp_path):
    fill(home / "d")
    store = Store("s.db", create=True)
    assert leakboard.run(shelf("shelf(root='~/d')"), store).evaluations > 0
    shutil.move(home / "d", tmp_path / "elsewhere")
    again = leakboard.run(shelf(f"shelf(root={str(tmp_path / 'elsewhere')!r}, name='mine')"), store)

    assert again.evaluations == 0
    assert set(store.results()["dataset"]) == {"mine"}
    assert set(store.features()["dataset"]) == {"mine"}


def test_stores_of_two_machines_line_up(home, tmp_path):
    fill(home / "d"), fill(tmp_path / "data")
    stores = []
    for number, place in enumerate((home / "d", tmp_path / "data")):
        stores.append(Store(f"{number}.db", create=True))
        leakboard.run(shelf(f"shelf(root={str(place)!r})"), stores[-1])
    merged = Store("all.db", create=True)
    report = merge_stores(merged, stores, strict=True)

    assert report.differing == ()
    assert set(merged.latest_status()) == set(stores[0].latest_status()) == set(stores[1].latest_status())


def test_shadow_victims_are_one_attacker_in_whatever_order_they_are_named():
    names = ["fashion_ddpm(level='light')", "fashion_ddpm(level='moderate')"]
    grids = [
        Grid.of(
            dataset="fashion_mnist",
            victim="fashion_ddpm(level='heavy')",
            attack="loss",
            attacker=f"shadow(victims=[{', '.join(map(repr, order))}])",
        )
        for order in (names, names[::-1])
    ]

    assert {cell.key for cell in grids[0].cells} == {cell.key for cell in grids[1].cells}


def test_ids_that_are_absolute_paths_are_refused(home):
    fill(home / "d")

    with pytest.raises(LeakboardError, match="an absolute path"):
        leakboard.run(shelf("shelf(root='~/d', absolute=True)"), "s.db")
