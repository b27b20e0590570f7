"""A spec with ``tune``: one point of an axis that stands for several, spelled, told apart and refused in words."""

import pytest

from leakboard.api import LeakboardError

SPEC = "sima(tune={'t': (50, 100, 200)})"


def test_it_stands_for_one_point_a_value(registry):
    point = registry.one("observer", SPEC)
    assert [choice.label for choice in point.choices] == ["sima(t=50)", "sima", "sima(t=200)"]
    assert point.label == SPEC
    assert registry.one("observer", point.spec).identity == point.identity


def test_several_parameters_are_combined_in_the_order_written(registry):
    point = registry.one("observer", "secmi(tune={'t': (90, 100)}, k=5)")
    assert point.spec == "secmi(k=5, tune={'t': (90, 100)})"
    both = registry.one("observer", "secmi(tune={'t': (90, 100), 'k': (5, 10)})")
    assert [(choice.only.t, choice.only.k) for choice in both.choices] == [(90, 5), (90, 10), (100, 5), (100, 10)]


def test_it_is_another_point_than_its_choices_and_than_others(registry):
    known = {registry.one("observer", text).identity for text in (SPEC, "sima(tune={'t': (50, 100)})", "sima(t=50)")}
    assert len(known) == 3


def test_a_plugin_inside_is_tuned_from_outside(registry):
    point = registry.one("observer", "low_pass(tune={'of': ('pia', 'sima(t=50)')})")
    assert point.label == "low_pass(tune={'of': ('pia', 'sima(t=50)')})"
    assert registry.one("observer", point.spec).identity == point.identity
    with pytest.raises(LeakboardError, match="what is inside of another plugin is not tuned"):
        registry.one("observer", "low_pass(of=\"sima(tune={'t': (50, 100)})\")")


def test_distances_and_classifiers_are_tuned_too(registry):
    assert len(registry.one("distance", "lp(tune={'p': (2.0, 4.0)})").choices) == 2
    assert len(registry.one("classifier", "knn(tune={'k': (5, 15, 45)})").choices) == 3


@pytest.mark.parametrize(
    ("axis", "spec", "told"),
    [
        ("observer", "sima(tune=3)", "cannot take tune=3"),
        ("observer", "sima(tune={})", "cannot take tune={}"),
        ("observer", "sima(tune={'t': 100})", "cannot tune t over 100"),
        ("observer", "sima(tune={'t': (100,)})", "cannot tune t over (100,)"),
        ("observer", "sima(tune={'t': {50, 100}})", "a tuple of two values or more"),
        ("observer", "sima(t=50, tune={'t': (50, 100)})", "is given 't' twice, once in tune"),
        ("observer", "sima(tune={'s': (50, 100)})", "has no parameter 's'"),
        ("observer", "sima(tune={'t': (50, 'x')})", "cannot take t='x'"),
        ("observer", f"sima(tune={{'t': {tuple(range(101))}}})", "has 101 alternatives to choose from"),
        ("defense", "box_blur(tune={'radius': (1, 2)})", "has no parameter 'tune'"),
        ("victim", "fashion_ddpm(tune={'level': ('light', 'heavy')})", "has no parameter 'tune'"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_words(registry, axis, spec, told):
    with pytest.raises(LeakboardError) as caught:
        registry.one(axis, spec)
    assert told in str(caught.value)
    assert "Traceback" not in str(caught.value)
