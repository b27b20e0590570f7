import json
import shutil

import pytest

from leakboard.cli import doctor
from leakboard.errors import LeakboardError
from leakboard.registry.find import Registry
from leakboard.runs.provenance import provenance


@pytest.fixture
def victim(registry, tmp_path, monkeypatch):
    """The embedded victim's class, with copies of its weights that may be spoilt."""
    cls = registry.classes["victim"]["fashion_ddpm"]
    weights = tmp_path / "weights"
    shutil.copytree(cls(level="light").folder, weights / "light")
    monkeypatch.setattr(f"{cls.__module__}.WEIGHTS", weights)
    return cls, weights / "light"


def promise(folder, **weights):
    (folder / "manifest.json").write_text(json.dumps({"member_digest": "x", "weights": weights}))


def test_shipped_weights_match_their_manifests(registry):
    assert {"light", "untrained"} <= set(registry.classes["victim"]["fashion_ddpm"].check_shipped())


def test_weights_that_are_not_those_of_the_manifest_are_found(victim):
    cls, folder = victim
    promise(folder, file="unet/diffusion_pytorch_model.safetensors", sha256="0" * 64)

    with pytest.raises(LeakboardError, match="not those that the manifest describes") as refused:
        cls.check_shipped()
    assert refused.value.where.endswith("diffusion_pytorch_model.safetensors")


def test_a_manifest_without_weights_is_found(victim):
    cls, folder = victim
    promise(folder)

    with pytest.raises(LeakboardError, match="names no weights"):
        cls.check_shipped()


def test_missing_weights_are_a_finding_of_the_doctor(victim):
    _, folder = victim
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()

    (finding,) = [row for row in doctor.examine() if row["check"] == "shipped files"]
    assert not finding["ok"]
    assert "the weights are missing" in finding["detail"]


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise OSError("no such disk")

    monkeypatch.setattr(doctor, "_disk", broken)

    assert {"check": "disk", "ok": False, "detail": "OSError: no such disk"} in doctor.examine()


def test_a_broken_plugin_is_a_finding(monkeypatch):
    monkeypatch.setenv("LEAKBOARD_PLUGINS", "nowhere.py")
    monkeypatch.setattr(doctor, "shared", Registry.load)

    (finding,) = [row for row in doctor.examine() if row["check"] == "plugins"]
    assert not finding["ok"]
    assert finding["detail"].startswith("not loaded: nowhere.py: ")


def test_plugins_are_counted_by_kind_those_beside_the_axes_too():
    (finding,) = [row for row in doctor.examine() if row["check"] == "plugins"]

    assert finding["ok"]
    assert " victims, " in finding["detail"]
    assert "2 executors" in finding["detail"].split(", ")


def test_a_victim_that_ships_nothing_or_needs_parameters_is_no_finding(registry):
    assert {"ddpm", "stable_diffusion"} <= set(registry.classes["victim"])

    (finding,) = [row for row in doctor.examine() if row["check"] == "shipped files"]
    assert finding["ok"]
    assert "fashion_ddpm light" in finding["detail"]
    assert " ddpm" not in finding["detail"].replace("fashion_ddpm", "")


def test_provenance_tells_versions_machine_and_source_state(tmp_path, monkeypatch):
    facts = provenance()

    assert facts["packages"]["torch"]
    assert facts["cores"] >= 1
    assert facts["memory_gb"] > 0
    json.dumps(facts)
    monkeypatch.chdir(tmp_path)
    assert provenance()["git"] == {}


def test_provenance_needs_no_git(monkeypatch):
    monkeypatch.setenv("PATH", "")

    assert provenance()["git"] == {}
