"""The embedded victims and their manifests."""

import hashlib
import json
import shutil

import numpy as np
import pytest

from leakboard.api import LeakboardError, Model, member_digest
from leakboard_plugins.victims.folders import shipped as shipping
from leakboard_plugins.victims.folders.layout import WEIGHTS
from leakboard_plugins.victims.pixel.ddpm import Ddpm
from leakboard_plugins.victims.pixel.fashion_ddpm import FashionDdpm
from leakboard_plugins.victims.pixel.fashion_small import FashionSmall
from leakboard_plugins.victims.pixel.flow_folder import read_pipeline as read_flow
from leakboard_plugins.victims.pixel.folder import read_pipeline

MEMBERS = ["image 2", "image 5", "image 7"]
DIGEST = member_digest(MEMBERS)


@pytest.fixture
def shipped(tiny, tmp_path, monkeypatch):
    """Weights as the package ships them, in miniature."""
    home = tmp_path / "fashion_ddpm"
    for level, epochs in (("untrained", 0), ("moderate", 330)):
        shutil.copytree(tiny["epsilon"], home / level)
        weights = {"file": WEIGHTS, "sha256": hashlib.sha256((home / level / WEIGHTS).read_bytes()).hexdigest()}
        manifest = {"member_digest": DIGEST, "epochs": epochs, "weights": weights}
        (home / level / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(shipping, "WEIGHTS", tmp_path)
    return home


def test_fashion_ddpm_names_its_members(shipped):
    assert FashionDdpm().trained_on() == DIGEST
    assert Ddpm(model=str(shipped / "moderate")).trained_on() == DIGEST
    assert not FashionDdpm().null


def add(folder, **content):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | content))
    return path


def test_members_are_those_that_the_manifest_lists(shipped):
    add(shipped / "moderate", member_ids=MEMBERS)

    for victim in (FashionDdpm(), Ddpm(model=str(shipped / "moderate"))):
        found = victim.members(("image 7", "stranger", "image 2", "image 2 "))

        assert found.dtype == np.bool_
        assert found.tolist() == [True, False, True, False]
        assert victim.members(()).shape == (0,)


def test_without_a_list_of_members_only_the_dataset_can_tell(shipped, tiny):
    """Manifests of older trainings have the digest alone; an untrained model has no members whatever is listed."""
    add(shipped / "untrained", member_ids=MEMBERS)

    assert FashionDdpm().members(("image 2",)) is None
    assert FashionDdpm(level="untrained").members(("image 2",)) is None
    assert Ddpm(model=str(tiny["epsilon"])).members(("image 2",)) is None


@pytest.mark.parametrize(
    ("listed", "what"),
    [
        ("image 2", "no list of texts"),
        ({"image 2": True}, "no list of texts"),
        (["image 2", 5, "image 7"], "no list of texts"),
        (MEMBERS[:2], "the 2 member_ids .* are not those"),
        ([], "the 0 member_ids .* are not those"),
    ],
)
def test_a_damaged_list_of_members_is_refused(shipped, listed, what):
    path = add(shipped / "moderate", member_ids=listed)

    with pytest.raises(LeakboardError, match=what) as caught:
        FashionDdpm().members(("image 2",))
    assert caught.value.where == str(path)


def test_untrained_has_seen_no_member(shipped):
    victim = FashionDdpm(level="untrained")

    assert victim.trained_on() is None
    assert victim.null


def test_files_of_fashion_ddpm_leave_the_manifest_out(shipped):
    assert {path.name for path in FashionDdpm().files()} == {
        "model_index.json",
        "scheduler_config.json",
        "config.json",
        "diffusion_pytorch_model.safetensors",
    }
    assert isinstance(FashionDdpm().open("cpu"), Model)


def test_a_level_that_is_not_installed_says_how_to_make_it(shipped):
    with pytest.raises(LeakboardError, match="heavy") as caught:
        FashionDdpm(level="heavy").files()
    assert "leakboard train fashion_ddpm" in caught.value.next


@pytest.mark.parametrize("text", ["{", "[]", "{}", None])
def test_a_damaged_manifest_is_refused(shipped, text):
    """A missing one too: what ships must be told apart from what took its place."""
    path = shipped / "moderate" / "manifest.json"
    path.unlink() if text is None else path.write_text(text)

    for asked in (FashionDdpm().trained_on, FashionDdpm().files, FashionDdpm().check_shipped):
        with pytest.raises(LeakboardError, match="manifest") as caught:
            asked()
        assert caught.value.where == str(path)


def test_weights_that_are_not_those_of_the_manifest_are_refused(shipped):
    """One flipped bit is a whole file of right shapes: only the digest tells."""
    path = shipped / "moderate" / WEIGHTS
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    for victim in (FashionDdpm(), Ddpm(model=str(shipped / "moderate"))):
        with pytest.raises(LeakboardError, match="not those that the manifest describes"):
            victim.files()


@pytest.fixture
def with_shadows(shipped):
    """Weights of a victim and of its third shadow victim, which has other members."""
    home = shipped.rename(shipped.with_name("fashion_small"))
    shutil.copytree(home / "moderate", home / "shadow-02" / "moderate")
    add(home / "shadow-02" / "moderate", member_ids=MEMBERS[:2], member_digest=member_digest(MEMBERS[:2]))
    add(home / "moderate", member_ids=MEMBERS)
    return home


def test_shadow_victims_ship_beside_their_victim_with_members_of_their_own(with_shadows):
    assert FashionSmall().members(MEMBERS).tolist() == [True, True, True]
    assert FashionSmall(shadow=2).members(MEMBERS).tolist() == [True, True, False]
    assert isinstance(FashionSmall(shadow=2).open("cpu"), Model)
    assert [victim.null for victim in (FashionSmall(shadow=2), FashionSmall(level="untrained"))] == [False, True]


def test_all_that_ships_of_a_victim_and_its_shadows_is_compared_with_manifests(with_shadows):
    assert FashionSmall().check_shipped() == ["moderate", "untrained", "shadow-02/moderate"]

    path = with_shadows / "shadow-02" / "moderate" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(LeakboardError, match="not those that the manifest describes"):
        FashionSmall().check_shipped()


def test_a_shadow_victim_that_is_not_installed_says_how_to_make_it(with_shadows):
    with pytest.raises(LeakboardError, match="fashion_small, shadow-01/moderate, are not installed") as caught:
        FashionSmall(shadow=1).files()
    assert (
        "leakboard train fashion_small --out DIR --shadows 4, then ddpm(model='DIR/shadow-01/moderate')"
        in caught.value.next
    )


def test_a_folder_without_manifest_names_no_members(tiny):
    assert Ddpm(model=str(tiny["epsilon"])).trained_on() is None


def test_report_facts_of_an_embedded_victim_come_from_its_manifest(registry):
    facts = registry.one("victim", "fashion_ddpm(level='heavy')").only.facts()["manifest"]
    assert facts["epochs"] == 770
    assert facts["loss"]["members"]["mean"] < facts["loss"]["held_out"]["mean"]


EMBEDDED = {"fashion_ddpm": read_pipeline, "fashion_flow": read_flow}


@pytest.mark.parametrize("level", ["light", "moderate", "heavy", "untrained"])
@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_weights_are_small_and_match_their_manifests(name, level, registry):
    victim = registry.one("victim", f"{name}(level={level!r})").only
    assert set(EMBEDDED[name](victim.folder).files) == set(victim.files())
    assert (victim.folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size < 3_000_000


@pytest.mark.parametrize("level", ["light", "moderate", "heavy"])
@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_victims_were_trained_on_exactly_the_members_of_the_dataset(name, level, registry):
    samples = registry.one("dataset", "fashion_mnist").only.load()
    members = [name for name, member in zip(samples.ids, samples.member, strict=True) if member]
    assert len(members) == 1024
    assert registry.one("victim", f"{name}(level={level!r})").only.trained_on() == member_digest(members)


def test_an_embedded_flow_denoises_along_a_straight_line(registry):
    """What it finds of an image below noise is far closer to it than what it was shown."""
    import torch

    model = registry.one("victim", "fashion_flow(level='heavy')").only.open("cpu")
    images = registry.one("dataset", "fashion_mnist").only.load().images[:16]
    clean = model.encode(images)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    for time in (0.2, 0.5):
        state = (1 - time) * clean + time * noise
        found = state - time * model.predict_velocity(state, time, None)
        assert (found - clean).square().mean() < 0.3 * (state - clean).square().mean()
