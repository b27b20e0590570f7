"""The named attacks of attacks.toml."""

import re

import pytest

from leakboard.registry.find import Registry
from leakboard_plugins.attacks import load_attacks

ATTACKS = {attack.name: attack for attack in load_attacks()}


@pytest.fixture(scope="module")
def registry():
    return Registry.load()


def test_the_promised_attacks_are_there():
    promised = {"cilloni_one_shot", "cilloni_progressive", "cilloni_complete", "loss", "secmi", "pia", "pian", "sima"}
    promised |= {"flow_loss", "flow_mc_calibrated", "flow_curve", "lira", "lira_offline", "rmia", "calibrated_loss"}
    promised |= {
        "lira_shipped",
        "quantile",
        "loss_multi",
        "secmi_paper",
        "secmi_nn",
        "pian_paper",
        "sima_mc",
        "rediffuse",
    }
    promised |= {"rediffuse_nn", "reconstruction", "structural", "pfami", "clid", "memorized_prompt", "anisotropy"}
    promised |= {"noise_aggregation", "nearest_generation", "noise_probe", "gsa1", "gsa2", "tracing", "dual_signal"}
    promised |= {"low_pass", "latent_mask", "sima_tuned"}
    assert promised <= ATTACKS.keys()


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_resolves(name, registry):
    """Each part is one known component, and the distance measures what the observer yields."""
    attack = registry.value("attack", name)
    assert attack == ATTACKS[name]
    observer = registry.one("observer", attack.observer).only
    distance = registry.one("distance", attack.distance).only
    registry.one("classifier", attack.classifier)
    assert observer.space in distance.spaces
    assert observer.null == name.startswith("blind_")


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_names_its_source_and_title(name):
    assert re.search(r"[A-Z][a-z]+.* 20\d\d, arXiv \d{4}\.\d{5}", ATTACKS[name].source)
    assert ATTACKS[name].title


def test_attacks_are_different_from_each_other(registry):
    triples = {
        tuple(registry.one(kind, getattr(attack, kind)).spec for kind in ("observer", "distance", "classifier"))
        for attack in ATTACKS.values()
    }
    assert len(triples) == len(ATTACKS)


@pytest.mark.parametrize(
    ("name", "observer", "distance"),
    [
        ("loss", "loss(t=100)", "lp(p=2.0)"),
        ("secmi", "secmi(t=90, k=10)", "lp(p=2.0)"),
        ("pia", "pia(t=200, normalize='no')", "lp(p=4.0)"),
        ("pian", "pia(t=200, normalize='code')", "lp(p=4.0)"),
        ("sima", "sima(t=100)", "lp(p=4.0)"),
    ],
)
def test_gray_box_attacks_have_the_published_parameters(name, observer, distance, registry):
    attack = registry.value("attack", name)
    assert registry.one("observer", attack.observer).spec == registry.one("observer", observer).spec
    assert registry.one("distance", attack.distance).spec == registry.one("distance", distance).spec
    assert registry.one("classifier", attack.classifier).only.name == "threshold"
