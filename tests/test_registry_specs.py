import contextlib
import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leakboard.errors import LeakboardError
from leakboard.registry.specs import Spec, parse, spell

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not keyword.iskeyword(name))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.binary(max_size=4)
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=5)
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=4)


@given(NAMES, PARAMETERS)
def test_what_is_spelled_reads_back_as_it_was(name, parameters):
    """Workers are sent spellings, so a spelling must mean exactly the parameters it was made from."""
    ((spec,),) = parse(spell(name, parameters))

    assert spec.name == name
    assert repr(dict(spec.parameters)) == repr(parameters)
    assert str(spec) == spell(name, parameters)


@given(st.lists(st.tuples(NAMES, PARAMETERS), min_size=1, max_size=4))
def test_a_chain_keeps_its_order(links):
    (chain,) = parse(" + ".join(spell(name, parameters) for name, parameters in links))

    assert [str(link) for link in chain] == [spell(name, parameters) for name, parameters in links]


@given(NAMES, st.dictionaries(NAMES, st.lists(st.integers(), min_size=1, max_size=3), min_size=1, max_size=3))
def test_a_sweep_is_the_product_of_its_sets(name, axes):
    sets = ", ".join(f"{key}={{{', '.join(map(str, values))}}}" for key, values in axes.items())
    chains = parse(f"{name}({sets})")

    size = 1
    for values in axes.values():
        size *= len(values)
    assert len(chains) == size
    assert {dict(spec.parameters)[next(iter(axes))] for (spec,) in chains} == set(next(iter(axes.values())))


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_message(text):
    """No text leads to any other exception."""
    with contextlib.suppress(LeakboardError):
        assert parse(text)


def test_sweeps_run_in_the_order_they_are_written():
    chains = parse("blur(sigma={0.5, 1}, at={'query', 'both'})")

    assert [str(spec) for (spec,) in chains] == [
        "blur(sigma=0.5, at='query')",
        "blur(sigma=0.5, at='both')",
        "blur(sigma=1, at='query')",
        "blur(sigma=1, at='both')",
    ]


def test_every_link_of_a_chain_may_sweep():
    chains = parse("a(x={1, 2}) + b + c(y={3, 4})")

    assert len(chains) == 4
    assert chains[0] == (Spec("a", (("x", 1),)), Spec("b"), Spec("c", (("y", 3),)))


def test_parentheses_do_not_matter_in_a_chain():
    assert parse("a + (b + c)") == parse("(a + b) + c") == parse("a+b+c")


def test_a_chain_of_any_length_is_read_without_recursion():
    (chain,) = parse(" + ".join(["a"] * 150))

    assert len(chain) == 150


def test_a_backslash_in_a_path_is_taken_as_it_is():
    ((spec,),) = parse(r"folder(members='C:\data')")

    assert dict(spec.parameters) == {"members": r"C:\data"}


@pytest.mark.parametrize(
    "text",
    [
        "f(a=__import__('os').system('touch {canary}'))",
        "f(a=open('{canary}', 'w'))",
        "f(a=[x for x in [open('{canary}', 'w')]])",
        "f(a=(lambda: open('{canary}', 'w'))())",
        "f(a={{open('{canary}', 'w')}})",
        "f(a=f'{{open(chr(47), chr(119))}}')",
        "open('{canary}', 'w')",
        "f(**open('{canary}', 'w'))",
        "f + open('{canary}', 'w').write('')",
    ],
)
def test_nothing_is_evaluated(text, tmp_path):
    canary = tmp_path / "canary"

    with pytest.raises(LeakboardError):
        parse(text.format(canary=canary))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "cannot read"),
        ("f(", "cannot read"),
        ("f(a=1) extra", "cannot read"),
        ("f\x00", "cannot read"),
        ("f(1)", "must be named"),
        ("f(*[1])", "must be named"),
        ("f(**{'a': 1})", "must be named"),
        ("f(a=1, b=2, a=3)", "'a' twice"),
        ("1", "not the call of a plugin"),
        ("'f'", "not the call of a plugin"),
        ("f.g(a=1)", "f.g(a=1) is not the call of a plugin"),
        ("f - g", "not the call of a plugin"),
        ("f | g", "not the call of a plugin"),
        ("f()()", "not the call of a plugin"),
        ("f(a=b)", "b is not a literal"),
        ("f(a=1 + 'x')", "not a literal"),
        ("f(a=-'x')", "not a literal"),
        ("f(a={1: [], []: 2})", "not a literal"),
        ("f(a=" + "-" * 90 + "1)", "not a literal"),
    ],
)
def test_what_is_no_spec_is_refused_with_place_and_grammar(text, part):
    with pytest.raises(LeakboardError) as refused:
        parse(text, "grid.toml, grid.defense")

    assert part in refused.value.what
    assert refused.value.where == "grid.toml, grid.defense"
    assert refused.value.expected


@pytest.mark.parametrize(("written", "meant"), [("hog", "'hog'"), ("true", "True"), ("none", "None")])
def test_a_bare_word_gets_the_literal_it_probably_means(written, meant):
    with pytest.raises(LeakboardError) as refused:
        parse(f"features(net={written})")

    assert refused.value.nearest == meant
