"""A plugin as the parameter of another: given as a spec, checked, spelled and part of what it is."""

import pytest

from leakboard.api import LeakboardError
from leakboard.grid.grid import Grid


def test_it_is_given_as_a_spec_and_spelled_as_one(registry):
    point = registry.one("observer", "low_pass(of='pia(t=100)')")
    assert point.only.of == registry.one("observer", "pia(t=100)").only
    assert point.label == "low_pass(of='pia(t=100)')"
    assert point.spec == "low_pass(of=\"pia(t=100, normalize='no')\", keep=5, rest=0.2, sigma=None)"
    assert registry.one("observer", point.spec).only == point.only
    assert (
        registry.one("observer", "low_pass(of=\"pia(normalize='no')\")").spec
        == registry.one("observer", "low_pass(of='pia')").spec
    )


def test_what_is_inside_is_part_of_the_identity(registry, monkeypatch):
    one, other = (registry.one("observer", f"low_pass(of={name!r})") for name in ("pia", "sima"))
    assert one.identity != other.identity

    from leakboard.registry import bind

    before = one.identity
    honest = bind.code_digest
    monkeypatch.setattr(bind, "code_digest", lambda cls: "changed" if cls.name == "pia" else honest(cls))
    assert registry.one("observer", "low_pass(of='pia')").identity != before
    assert registry.one("observer", "low_pass(of='sima')").identity == other.identity


def test_it_takes_access_space_and_needs_from_what_is_inside(registry):
    black, gray = (registry.one("observer", f"low_pass(of={name!r})").only for name in ("one_shot", "secmi"))
    assert (black.access, black.space, black.needs) == ("black", "image", frozenset())
    assert (gray.access, gray.space, gray.needs) == ("gray", "state", {"noise"})


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("low_pass", "needs the parameter 'of'"),
        ("low_pass(of='pja')", "did you mean: pia"),
        ("low_pass(of='pia(t={1, 2})')", "sweeps 2 points"),
        ("low_pass(of='psnr')", "psnr is a name of the distance axis"),
        ("low_pass(of=3)", "an instance of Observer"),
        ("low_pass(of='pia(')", "cannot read the spec"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(registry, spec, told):
    with pytest.raises(LeakboardError) as caught:
        registry.one("observer", spec)
    assert told in str(caught.value)


def test_a_sweep_of_what_is_inside_is_a_sweep(registry):
    points = registry.axis("observer", "low_pass(of={'pia', 'secmi'})")
    assert {point.label for point in points} == {"low_pass(of='pia')", "low_pass(of='secmi')"}


def test_victims_that_work_in_latents_meet_attacks_as_papers_have_them_for_latents():
    grid = Grid.of(dataset="fashion_mnist", victim=["fashion_ddpm", "fashion_sd"], attack=["pia", "secmi"])
    found = {(cell.victim.label, cell.attack): cell.observer.label for cell in grid.cells}
    assert found == {
        ("fashion_ddpm", "pia"): "pia",
        ("fashion_sd", "pia"): "pia(t=500)",
        ("fashion_ddpm", "secmi"): "secmi",
        ("fashion_sd", "secmi"): "secmi",
    }


@pytest.mark.parametrize(
    ("observer", "told", "lacking"),
    [
        ("conditional_loss", "answers to texts", {"fashion_ddpm"}),
        ("conditional_loss", "predictions of noise", {"fashion_flow"}),
        ("prompt_norm", "answers to texts", {"fashion_ddpm"}),
        ("gradient_norms", "gradients", {"fashion_flow"}),
        ("loss_trace", "gradients", {"fashion_flow"}),
        ("secmi", "predictions of noise", {"fashion_flow"}),
        ("velocity_curve", "the velocity of a flow", {"fashion_ddpm", "fashion_sd"}),
    ],
)
def test_an_observer_that_needs_more_than_a_victim_offers_is_skipped_by_the_plan(observer, told, lacking):
    needs_value = observer in {"gradient_norms", "loss_trace"}
    grid = Grid.of(
        dataset="fashion_mnist",
        victim=["fashion_ddpm", "fashion_sd", "fashion_flow"],
        observer=observer,
        distance="value" if needs_value else "mse",
        classifier="threshold",
    )
    reasons = {cell.victim.label: cell.skip_reason() for cell in grid.cells}
    expected = {victim: f"{observer} needs {told}, which {victim} does not give" for victim in lacking}
    assert {victim: why for victim, why in reasons.items() if f"needs {told}," in why} == expected
