"""The embedded victims and their manifests."""

import hashlib
import json
import shutil

import pytest

from leakboard.api import LeakboardError, Model, member_digest
from leakboard_plugins.victims import fashion_ddpm
from leakboard_plugins.victims.ddpm import Ddpm
from leakboard_plugins.victims.fashion_ddpm import FashionDdpm
from leakboard_plugins.victims.layout import WEIGHTS
from leakboard_plugins.victims.pipeline_folder import pipeline_files


@pytest.fixture
def shipped(tiny, tmp_path, monkeypatch):
    """Weights as the package ships them, in miniature."""
    for level, epochs in (("untrained", 0), ("moderate", 330)):
        shutil.copytree(tiny["epsilon"], tmp_path / level)
        promised = {"file": WEIGHTS, "sha256": hashlib.sha256((tmp_path / level / WEIGHTS).read_bytes()).hexdigest()}
        manifest = {"member_digest": "abc", "epochs": epochs, "weights": promised}
        (tmp_path / level / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(fashion_ddpm, "WEIGHTS", tmp_path)
    return tmp_path


def test_fashion_ddpm_names_its_members(shipped):
    assert FashionDdpm().trained_on() == "abc"
    assert Ddpm(model=str(shipped / "moderate")).trained_on() == "abc"
    assert not FashionDdpm().null


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
def test_a_spoiled_manifest_is_refused(shipped, text):
    """A missing one too: what ships must be told apart from what took its place."""
    path = shipped / "moderate" / "manifest.json"
    path.unlink() if text is None else path.write_text(text)

    for asked in (FashionDdpm().trained_on, FashionDdpm().files, FashionDdpm.check_shipped):
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


def test_a_folder_without_manifest_names_no_members(tiny):
    assert Ddpm(model=str(tiny["epsilon"])).trained_on() is None


def test_report_facts_of_an_embedded_victim_come_from_its_manifest(registry):
    facts = registry.one("victim", "fashion_ddpm(level='heavy')").only.facts()["manifest"]
    assert facts["epochs"] == 770
    assert facts["loss"]["members"]["mean"] < facts["loss"]["held_out"]["mean"]


@pytest.mark.parametrize("level", ["light", "moderate", "heavy", "untrained"])
def test_embedded_weights_are_small_and_match_their_manifests(level, registry):
    victim = registry.one("victim", f"fashion_ddpm(level={level!r})").only
    assert set(pipeline_files(victim.folder)) == set(victim.files())
    assert (victim.folder / "unet" / "diffusion_pytorch_model.safetensors").stat().st_size < 3_000_000


@pytest.mark.parametrize("level", ["light", "moderate", "heavy"])
def test_embedded_victims_were_trained_on_exactly_the_members_of_the_dataset(level, registry):
    samples = registry.one("dataset", "fashion_mnist").only.load()
    members = [name for name, member in zip(samples.ids, samples.member, strict=True) if member]
    assert len(members) == 1024
    assert registry.one("victim", f"fashion_ddpm(level={level!r})").only.trained_on() == member_digest(members)
