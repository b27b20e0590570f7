import subprocess
import sys
import textwrap

import pytest

from leakboard.errors import LeakboardError
from leakboard.registry.find import Registry

GOOD = """
    from dataclasses import dataclass
    from typing import ClassVar

    from leakboard import hookimpl
    from leakboard.api import Attack, Distance


    @dataclass(frozen=True, kw_only=True)
    class Mine(Distance):
        '''My distance.'''

        name: ClassVar[str] = "mine"


    @hookimpl
    def leakboard_distances():
        return [Mine]


    @hookimpl
    def leakboard_attacks():
        return [Attack("my_attack", "blind", "mine", "threshold")]
    """


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one module, the way pip leaves it."""

    def install_one(name, code):
        info = tmp_path / f"{name}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        (info / "entry_points.txt").write_text(f"[leakboard]\nit = {name}\n")
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install_one


def refusal(load, text):
    with pytest.raises(LeakboardError) as refused:
        load(text)
    return refused.value.what


def test_built_ins_come_through_entry_points(registry):
    assert registry.sources["distance", "psnr"].startswith("leakboard ")
    assert "leakboard_defenses.hooks" in registry.sources["defense", "none"]
    assert not registry.broken
    assert set(registry.classes) == {"dataset", "victim", "defense", "observer", "distance", "classifier"}
    assert all(registry.classes.values())


def test_every_named_attack_is_made_of_plugins_that_exist(registry):
    for name, attack in registry.attacks.items():
        for kind in ("observer", "distance", "classifier"):
            assert registry.one(kind, getattr(attack, kind), name).kind == kind


def test_a_plugin_file_adds_its_classes_and_attacks(load):
    registry = load(GOOD)

    assert registry.one("distance", "mine").label == "mine"
    assert registry.value("attack", "my_attack").distance == "mine"
    assert registry.sources["distance", "mine"].endswith("extra.py")


def test_a_file_that_is_given_twice_counts_once(write):
    path = write("extra.py", GOOD)

    assert "mine" in Registry.load([path, str(path)]).classes["distance"]


def test_a_file_that_the_environment_names_too_counts_once(write, monkeypatch):
    path = write("extra.py", GOOD)
    monkeypatch.setenv("LEAKBOARD_PLUGINS", f"{path.parent}/./extra.py")
    monkeypatch.chdir(path.parent)
    registry = Registry.load(["extra.py"])

    assert registry.sources["distance", "mine"] == "extra.py"
    assert not registry.broken


def test_the_environment_names_plugin_files(write, monkeypatch):
    first, second = write("one/x.py", GOOD), write("two/x.py", GOOD.replace("mine", "yours").replace("my_", "your_"))
    monkeypatch.setenv("LEAKBOARD_PLUGINS", f"{first}:{second}")

    assert {"mine", "yours", "psnr"} <= set(Registry.load().classes["distance"])


def test_a_distribution_is_found_and_named(install):
    install("nice_plugin", textwrap.dedent(GOOD))

    assert Registry.load().sources["distance", "mine"] == "nice_plugin 1.5 (nice_plugin)"


@pytest.mark.parametrize(
    "code", ["import missing_package", "1 / 0", "raise SystemExit(3)", "def (", "raise BaseException"]
)
def test_a_broken_distribution_is_set_aside_and_named(install, code):
    install("sad_plugin", code)
    registry = Registry.load()

    (broken,) = registry.broken
    assert broken.source == "sad_plugin 1.5 (sad_plugin)"
    assert broken.reason
    assert "Traceback" in broken.traceback
    assert "psnr" in registry.classes["distance"]


def test_a_broken_plugin_is_told_to_whoever_asks_for_an_unknown_name(install):
    install("sad_plugin", "import missing_package")

    with pytest.raises(LeakboardError, match=r"sad_plugin 1\.5.*missing_package"):
        Registry.load().find("distance", "sad_distance")


def test_strict_plugins_make_a_broken_one_fatal(install, monkeypatch):
    install("sad_plugin", "\n\n1 / 0")
    monkeypatch.setenv("LEAKBOARD_STRICT_PLUGINS", "1")

    with pytest.raises(LeakboardError) as refused:
        Registry.load()
    assert "sad_plugin 1.5" in refused.value.what
    assert refused.value.where.endswith("sad_plugin.py, line 3")


def test_a_missing_file_of_the_environment_is_set_aside(monkeypatch):
    monkeypatch.setenv("LEAKBOARD_PLUGINS", "nowhere.py")

    assert [item.source for item in Registry.load().broken] == ["nowhere.py"]


def test_a_missing_file_that_is_given_is_refused():
    with pytest.raises(LeakboardError, match=r"no plugin file nowhere\.py"):
        Registry.load(["nowhere.py"])


def test_a_broken_file_that_is_given_is_refused_with_its_line(write):
    path = write("extra.py", "x = 1\ny = z\n")

    with pytest.raises(LeakboardError, match="NameError") as refused:
        Registry.load([path])
    assert refused.value.where == f"{path}, line 2"


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("leakboard_distances", "leakboard_distance", "no hook leakboard_distance, did you mean leakboard_distances?"),
        ("@hookimpl\n", "\n", "implements no hook"),
        ("leakboard_distances", "leakboard_victims", "Mine was returned as a victim but is a distance"),
        ("(Distance)", "", "Mine was returned as a distance but does not derive from leakboard.api.Distance"),
        ("return [Mine]", "return [Mine()]", "was returned as a distance but is a distance"),
        ("return [Mine]", "return Mine", "leakboard_distances returned"),
        ("return [Mine]", "return None", "leakboard_distances returned None, expected a list"),
        ("return [Mine]", "return [Mine, Mine]", "distance 'mine' is already provided by"),
        ('"mine"', '"psnr"', "distance 'psnr' is already provided by leakboard "),
        ('"my_attack"', '"pia"', "attack 'pia' is already provided by leakboard "),
        ('name: ClassVar[str] = "mine"', "size: int = 1", "Mine.name is None, expected an identifier"),
        ('"mine"', '"my distance"', "Mine.name is 'my distance', expected an identifier"),
        ('"mine"', '"lambda"', "Mine.name is 'lambda', expected an identifier"),
        ("@dataclass(frozen=True, kw_only=True)", "", "Mine is not a frozen dataclass"),
        ("@dataclass(frozen=True, kw_only=True)", "@dataclass(kw_only=True)", "Mine is not a frozen dataclass"),
        (
            'name: ClassVar[str] = "mine"',
            'name: ClassVar[str] = "mine"\n        x: "Unknown" = 1',
            "field of type 'Unknown'",
        ),
        (
            'name: ClassVar[str] = "mine"',
            'name: ClassVar[str] = "mine"\n        larger_is_closer: bool',
            "Mine.larger_is_closer needs a default: its base class has a property of that name",
        ),
        ('[Attack("my_attack", "blind", "mine", "threshold")]', '["pia"]', "expected leakboard.api.Attack"),
        ("def leakboard_distances()", "def leakboard_distances(size)", "size"),
    ],
)
def test_a_plugin_that_breaks_the_contract_is_refused(load, old, new, part):
    assert old in GOOD

    assert part in refusal(load, GOOD.replace(old, new))


def test_an_observer_must_declare_its_access(load):
    observer = GOOD.replace("Distance", "Observer").replace("leakboard_distances", "leakboard_observers")

    assert "Mine.access is None, expected 'black', 'gray' or 'white'" in refusal(load, observer)


@pytest.mark.parametrize(
    ("declared", "part"),
    [
        ("spaces = None", "Mine.spaces is None, expected a frozenset of 'image', "),
        ("spaces = frozenset({'pixels'})", "Mine.spaces is frozenset({'pixels'})"),
        ("spaces = frozenset()", "Mine.spaces is frozenset()"),
        ("larger_is_closer = 'yes'", "Mine.larger_is_closer is 'yes', expected True or False"),
    ],
)
def test_a_distance_that_declares_what_makes_no_sense_is_refused(load, declared, part):
    name = 'name: ClassVar[str] = "mine"'

    assert part in refusal(load, GOOD.replace(name, f"{name}\n        {declared}"))


def test_a_refused_plugin_leaves_nothing_behind(install):
    """Not even the classes that came before the one that broke the contract."""
    install("half_plugin", textwrap.dedent(GOOD).replace('"my_attack"', '"pia"'))
    registry = Registry.load()

    assert "mine" not in registry.classes["distance"]
    assert ("distance", "mine") not in registry.sources
    assert registry.attacks["pia"].observer != "blind"
    assert not any("half_plugin" in name for name, _ in registry.manager.list_name_plugin())


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("distance", "psmr", "psnr"),
        ("defense", "gausian_blur", "gaussian_blur"),
        ("distance", "threshold", "threshold is a name of the classifier axis"),
        ("distance", "pian", "pian is a name of the attack axis"),
        ("victim", "zzzzzz", ""),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(registry, kind, name, hint):
    with pytest.raises(LeakboardError) as refused:
        registry.find(kind, name, "grid.toml, grid.distance")

    error = refused.value
    assert error.what == f"unknown {kind} {name!r}"
    assert error.where == "grid.toml, grid.distance"
    assert set(registry.classes[kind]) == set(error.expected.removeprefix("one of ").split(", "))
    assert (error.nearest, error.next) == (hint, f"leakboard list {kind}s, or --plugin FILE for one of your own")


def test_an_unknown_attack_gets_the_nearest_one(registry):
    with pytest.raises(LeakboardError) as refused:
        registry.value("attack", "secmy")

    assert (refused.value.nearest, refused.value.next) == (
        "secmi",
        "leakboard list attacks, or --plugin FILE for one of your own",
    )


def test_only_defenses_chain(registry):
    assert len(registry.one("defense", "box_blur + jpeg").chain) == 2
    with pytest.raises(LeakboardError, match="only defenses chain"):
        registry.axis("distance", "psnr + rmse")


def test_one_point_is_demanded_where_one_is_meant(registry):
    assert len(registry.axis("distance", "lp(p={1, 2, 4})")) == 3
    with pytest.raises(LeakboardError, match="sweeps 3 points"):
        registry.one("distance", "lp(p={1, 2, 4})")


def test_finding_the_plugins_imports_nothing_heavy():
    code = "import sys; from leakboard.registry.find import shared; shared(()); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"


WITH_NEIGHBOURS = """
    from dataclasses import dataclass
    from typing import ClassVar

    from leakboard import hookimpl
    from leakboard.api import Distance
    from {module} import FACTOR


    @dataclass(frozen=True, kw_only=True)
    class Far(Distance):
        '''Far.'''

        name: ClassVar[str] = "far"

        def measure(self, pair):
            import {module}_more

            return {module}_more.weigh((pair.reference - pair.observation).abs().mean((1, 2, 3)) * FACTOR)


    @hookimpl
    def leakboard_distances():
        return [Far]
    """


@pytest.fixture
def path_as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.usefixtures("path_as_it_was")
def test_a_plugin_file_imports_files_beside_it_and_their_code_counts(write):
    """At once or later, from the first one or from a neighbour: a change of any of them makes a new identity."""
    seen = set()
    for number, change in enumerate(("", "near_one", "near_one_more", "near_one_deep")):
        folder = f"p{number}"
        texts = {
            "near_one": "FACTOR = 2.0",
            "near_one_more": "from near_one_deep import weigh",
            "near_one_deep": "def weigh(x): return x",
        }
        for name, text in texts.items():
            write(f"{folder}/{name}.py", text + ("\nCHANGED = True" if name == change else ""))
            sys.modules.pop(name, None)
        sys.path[:] = [place for place in sys.path if "/p" + str(number - 1) not in place]
        plugin = write(f"{folder}/mine.py", WITH_NEIGHBOURS.format(module="near_one"))
        seen.add(Registry.load([plugin]).one("distance", "far").identity)
    assert len(seen) == 4


@pytest.mark.usefixtures("path_as_it_was")
def test_a_file_beside_a_plugin_does_not_stand_in_for_what_is_installed(write):
    write("pluggy.py", "raise SystemExit('never run')")
    write("types.py", "raise SystemExit('never run')")
    plugin = write("mine.py", "import types\n" + textwrap.dedent(GOOD))
    assert Registry.load([plugin]).one("distance", "mine")
    other = write("other.py", "import pluggy\n" + textwrap.dedent(GOOD).replace("'mine'", "'other'"))
    with pytest.raises(LeakboardError, match="has that name too: give the file another name"):
        Registry.load([other])
