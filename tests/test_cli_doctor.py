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
    folder = tmp_path / "weights" / cls.name / "light"
    shutil.copytree(cls(level="light").folder, folder)
    monkeypatch.setattr("leakboard_plugins.victims.folders.shipped.WEIGHTS", tmp_path / "weights")
    return cls, folder


def promise(folder, **weights):
    (folder / "manifest.json").write_text(json.dumps({"member_digest": "x", "weights": weights}))


def test_shipped_weights_match_their_manifests(registry):
    assert {"light", "untrained"} <= set(registry.classes["victim"]["fashion_ddpm"]().check_shipped())


def test_weights_that_are_not_those_of_the_manifest_are_found(victim):
    cls, folder = victim
    promise(folder, file="unet/diffusion_pytorch_model.safetensors", sha256="0" * 64)

    with pytest.raises(LeakboardError, match="not those that the manifest describes") as refused:
        cls().check_shipped()
    assert refused.value.where.endswith("diffusion_pytorch_model.safetensors")


def test_a_manifest_without_weights_is_found(victim):
    cls, folder = victim
    promise(folder)

    with pytest.raises(LeakboardError, match="names no weights"):
        cls().check_shipped()


def test_missing_weights_are_a_finding_of_the_doctor(victim):
    _, folder = victim
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()

    (finding,) = [row for row in doctor.examine() if row["check"] == "shipped files"]
    assert not finding["ok"]
    assert "the weights are missing" in finding["detail"]


SHIPPING = '''
from dataclasses import dataclass
from typing import ClassVar
from leakboard.api import LeakboardError, Victim
from leakboard.hookspecs import hookimpl

@dataclass(frozen=True, kw_only=True)
class Whole(Victim):
    """Comes with two files."""
    name: ClassVar[str] = "whole"
    def check_shipped(self):
        return ["small", "large"]

@dataclass(frozen=True, kw_only=True)
class Faulty(Victim):
    """Fails where it should answer."""
    name: ClassVar[str] = "faulty"
    def check_shipped(self):
        raise RuntimeError("no idea")

@dataclass(frozen=True, kw_only=True)
class Given(Victim):
    """Cannot be made without a folder, so nothing of it ships."""
    name: ClassVar[str] = "given"
    folder: str
    def check_shipped(self):
        raise LeakboardError("never asked")

@hookimpl
def leakboard_victims():
    return CLASSES
'''


@pytest.fixture
def shipped(write, monkeypatch):
    """What the doctor finds when a plugin brings these victims."""

    def found(classes):
        path = write("shipping.py", SHIPPING.replace("CLASSES", classes))
        monkeypatch.setattr(doctor, "shared", Registry.load)
        (finding,) = [row for row in doctor.examine([str(path)]) if row["check"] == "shipped files"]
        return finding

    return found


def test_any_victim_may_say_what_comes_with_it(shipped):
    finding = shipped("[Whole, Given]")

    assert finding["ok"]
    assert "fashion_ddpm moderate" in finding["detail"]
    assert finding["detail"].endswith("whole small, whole large")


def test_a_victim_that_fails_on_its_shipped_files_is_named(shipped):
    finding = shipped("[Faulty, Whole]")

    assert not finding["ok"]
    assert finding["detail"].startswith("faulty: check_shipped() failed: RuntimeError: no idea")


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
    assert "5 executors" in finding["detail"].split(", ")


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
