import dataclasses
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import AfterValidator, Field

from leakboard.api import Defense, Distance
from leakboard.errors import LeakboardError
from leakboard.registry.bind import at, bind, build
from leakboard.registry.find import Registry
from leakboard.registry.specs import Spec, parse


@dataclass(frozen=True, kw_only=True)
class Toy(Distance):
    """A distance with a parameter of every sort."""

    name: ClassVar[str] = "toy"
    scale: Annotated[float, Field(gt=0, le=10)] = 1.0
    count: Annotated[int, Field(ge=1)] = 3
    root: bool = False
    mode: Literal["flat", "round"] = "flat"
    width: Literal["auto"] | Annotated[float, Field(gt=0)] = "auto"
    copy: str = ""
    sizes: tuple[int, ...] = dataclasses.field(default_factory=lambda: (1, 2))
    derived: int = dataclasses.field(default=7, init=False)


@dataclass(frozen=True, kw_only=True)
class Needy(Distance):
    """A distance that cannot do without a parameter, and refuses one that contradicts another."""

    name: ClassVar[str] = "needy"
    low: float
    high: float = 1.0

    def __post_init__(self):
        if self.low > self.high:
            raise LeakboardError("low is above high", expected="low <= high")
        if self.low < 0:
            raise ValueError("negative")


def toy(text):
    ((spec,),) = parse(text)
    return bind("distance", [build(Toy, spec)])


def test_the_canonical_spelling_writes_every_parameter_out():
    point = toy("toy(count=4)")

    assert point.spec == ("toy(scale=1.0, count=4, root=False, mode='flat', width='auto', copy='', sizes=(1, 2))")
    assert point.label == "toy(count=4)"


def test_a_canonical_spelling_builds_the_same_instance():
    point = toy("toy(sizes=(3,), scale=2)")

    assert toy(point.spec).only == point.only
    assert toy(point.label).spec == point.spec


def test_order_and_number_type_do_not_change_the_spelling():
    assert toy("toy(scale=2, count=4)").spec == toy("toy(count=4, scale=2.0)").spec


def test_a_default_that_is_written_out_changes_nothing():
    assert toy("toy(scale=1, sizes=(1, 2))") == toy("toy")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("toy(scale=0)", "greater than 0"),
        ("toy(scale=11.0)", "less than or equal to 10"),
        ("toy(scale='1')", "a valid number"),
        ("toy(scale=True)", "a valid number"),
        ("toy(scale=1e999)", "finite"),
        ("toy(scale=-1e999)", "finite"),
        ("toy(sizes=(1, 1e999))", "valid integer"),
        ("toy(width=1e999)", "finite"),
        ("toy(count=2.0)", "a valid integer"),
        ("toy(count=True)", "a valid integer"),
        ("toy(count=None)", "a valid integer"),
        ("toy(root=1)", "a valid boolean"),
        ("toy(mode='Flat')", "'flat' or 'round'"),
        ("toy(width='wide')", "'auto'"),
        ("toy(sizes={'a': 1})", "tuple"),
        ("toy(copy=b'x')", "string"),
    ],
)
def test_types_and_ranges_are_strict(text, expected):
    with pytest.raises(LeakboardError) as refused:
        toy(text)

    assert expected in refused.value.expected
    assert text[4:-1].split("=")[0] in refused.value.what
    assert refused.value.where
    assert refused.value.next == "leakboard show toy"


def test_a_number_that_is_not_a_number_is_refused():
    """No literal spells it, but a notebook can give it."""
    with pytest.raises(LeakboardError, match="scale=nan"):
        build(Toy, Spec("toy", (("scale", float("nan")),)))


def test_a_misspelled_choice_gets_the_nearest_one():
    with pytest.raises(LeakboardError) as refused:
        toy("toy(mode='rond')")

    assert refused.value.nearest == "'round'"


@pytest.mark.parametrize(("key", "hint"), [("cuont", "count"), ("derived", ""), ("zzz", "")])
def test_an_unknown_parameter_is_refused(key, hint):
    with pytest.raises(LeakboardError) as refused:
        toy(f"toy({key}=1)")

    assert refused.value.what == f"toy has no parameter {key!r}"
    assert refused.value.nearest == hint
    assert "scale, count" in refused.value.expected


def test_a_missing_parameter_is_named():
    with pytest.raises(LeakboardError, match="needs the parameter 'low'"):
        build(Needy, Spec("needy"))


@pytest.mark.parametrize("low", [2.0, -1.0])
def test_what_the_plugin_itself_refuses_names_the_place(low):
    with pytest.raises(LeakboardError) as refused:
        build(Needy, Spec("needy", (("low", low),)), "grid.toml, grid.distance")

    assert refused.value.where == "grid.toml, grid.distance"


@dataclass(frozen=True, kw_only=True)
class Nothing(Defense):
    """No defense."""

    name: ClassVar[str] = "none"


@dataclass(frozen=True, kw_only=True)
class Dim(Defense):
    """Some defense."""

    name: ClassVar[str] = "dim"


def test_none_disappears_from_a_chain():
    alone = bind("defense", [Dim()])

    assert bind("defense", [Nothing(), Dim(), Nothing()]) == alone
    assert bind("defense", [Nothing(), Nothing()]).spec == "none(at='query')"
    assert bind("defense", [Nothing(at="output")]).identity == bind("defense", [Nothing()]).identity


def test_a_chain_is_told_apart_by_its_order_and_places():
    first, second = Dim(), Dim(at="output")

    identities = {bind("defense", list(chain)).identity for chain in ([first, second], [second, first], [first])}
    assert len(identities) == 3
    assert at((first, second, Nothing()), "output") == (second,)
    assert at((first, Nothing()), "query") == (first,)


def test_identity_changes_with_every_parameter():
    specs = ["toy", "toy(scale=2)", "toy(count=4)", "toy(root=True)", "toy(mode='round')", "toy(sizes=(1,))"]

    assert len({toy(spec).identity for spec in specs}) == len(specs)


PLUGIN = """
    '''A plugin.'''

    from dataclasses import dataclass
    from pathlib import Path
    from typing import ClassVar

    from leakboard import hookimpl
    from leakboard.api import Victim

    FACTOR = 2


    @dataclass(frozen=True, kw_only=True)
    class Toy(Victim):
        '''A victim.'''

        name: ClassVar[str] = "toy_victim"
        folder: str = ""
        '''A folder.'''

        def files(self):
            '''Its weights.'''
            return [Path(self.folder) / "weights"] if self.folder else []


    @hookimpl
    def leakboard_victims():
        return [Toy]
    """


def identity_of(path, spec="toy_victim"):
    return Registry.load([path]).one("victim", spec).identity


def test_comments_docstrings_layout_and_place_do_not_change_identity(write):
    before = identity_of(write("one/plugin.py", PLUGIN))
    edited = PLUGIN.replace("'''A victim.'''", "'''Another sentence.'''").replace("'''A folder.'''", "'''Where.'''")
    edited = edited.replace("FACTOR = 2\n", "FACTOR   =  2  # twice\n\n\n").replace("'''Its weights.'''", "")

    assert identity_of(write("two/other_name.py", edited)) == before


def test_code_changes_identity_even_outside_the_class(write):
    before = identity_of(write("one/plugin.py", PLUGIN))

    assert identity_of(write("two/plugin.py", PLUGIN.replace("FACTOR = 2", "FACTOR = 3"))) != before


def test_identity_follows_the_content_of_files_not_their_name(write, tmp_path):
    plugin = write("plugin.py", PLUGIN)
    for name, content in (("a", "x"), ("b", "y"), ("c", "x")):
        write(f"{name}/weights", content)
    registry = Registry.load([plugin])
    points = [registry.one("victim", f"toy_victim(folder={str(tmp_path / name)!r})") for name in "ab"]

    assert points[0].identity != points[1].identity
    first = registry.one("victim", f"toy_victim(folder={str(tmp_path / 'a')!r})").identity
    assert first == points[0].identity
    write("a/weights", "changed")
    assert registry.one("victim", f"toy_victim(folder={str(tmp_path / 'a')!r})").identity != first


def test_a_missing_file_is_a_message(write):
    with pytest.raises(LeakboardError, match="cannot read a file that results depend on"):
        identity_of(write("plugin.py", PLUGIN), "toy_victim(folder='nowhere')")


def test_two_plugin_files_of_one_name_keep_their_own_code(write):
    first = write("one/plugin.py", PLUGIN)
    second = write("two/plugin.py", PLUGIN.replace("toy_victim", "other_victim").replace("FACTOR = 2", "FACTOR = 3"))
    registry = Registry.load([first, second])

    alone = identity_of(first)
    assert registry.one("victim", "toy_victim").identity == alone


class Odd:
    """Nothing that pydantic knows."""


@dataclass(frozen=True, kw_only=True)
class Faulty(Distance):
    """Fails where it is made, checked or looked at."""

    name: ClassVar[str] = "faulty"
    how: Annotated[str, AfterValidator(lambda text: text[9])] = ""
    error: Literal["", "raise", "quit", "look", "value"] = ""

    def __post_init__(self):
        if self.error == "raise":
            raise RuntimeError("not today")
        if self.error == "quit":
            raise SystemExit(0)

    @property
    def larger_is_closer(self):
        if self.error == "look":
            raise SystemExit(0)
        return "yes" if self.error == "value" else False


@pytest.mark.parametrize(
    ("parameter", "what"),
    [
        ("error='raise'", "faulty(error='raise'): __post_init__ failed: RuntimeError: not today"),
        ("error='quit'", "faulty(error='quit'): __post_init__ failed: SystemExit: 0"),
        ("error='look'", "faulty: larger_is_closer failed: SystemExit: 0"),
        ("error='value'", "was refused: Faulty.larger_is_closer is 'yes', expected True or False"),
        ("how='x'", "faulty: the check of how failed: IndexError"),
    ],
)
def test_a_plugin_that_fails_before_any_task_is_told_by_name(parameter, what):
    ((spec,),) = parse(f"faulty({parameter})")
    with pytest.raises(LeakboardError) as refused:
        build(Faulty, spec)

    assert what in refused.value.what
    assert refused.value.where


def test_a_parameter_of_a_type_that_cannot_be_checked_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Strange(Distance):
        name: ClassVar[str] = "strange"
        odd: Odd = Odd()  # noqa: RUF009 - it is never changed

    with pytest.raises(
        LeakboardError, match=r"strange: values of the parameter odd cannot be checked: its type is .*Odd"
    ):
        build(Strange, Spec("strange"))


@pytest.mark.parametrize(("default", "part"), [(frozenset(), "not a literal"), ({1, 2}, "reads like a sweep")])
def test_a_parameter_that_no_spec_can_spell_is_refused(default, part):
    """The spelling is what a worker makes the plugin of."""

    @dataclass(frozen=True, kw_only=True)
    class Strange(Distance):
        name: ClassVar[str] = "strange"
        odd: frozenset[int] = dataclasses.field(default_factory=lambda: default)

    with pytest.raises(LeakboardError, match=part):
        build(Strange, Spec("strange"))
