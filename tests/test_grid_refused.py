"""Grids that cannot be meant are refused, with place, expectation and the nearest valid choice."""

import pytest

from helpers.grids import TEXT, make, refusal
from helpers.tiny_grids import PLUGIN, tiny
from leakboard.errors import LeakboardError
from leakboard.grid.grid import Grid


@pytest.mark.parametrize(
    ("only", "skip", "what", "expected", "nearest"),
    [
        (["defense=box_blurr"], [], "matches no cell", "box_blur, box_blur(radius=2.0), none", "box_blur"),
        ([], ["distance=psnrr"], "matches no cell", "psnr", "psnr"),
        (["distanse=psnr"], [], "no axis 'distanse'", "dataset, victim", "distance"),
        (["psnr"], [], "cannot read the pattern", "axis=pattern", ""),
        (["defense=none", "attacker=naive"], [], "no cell of the grid is left", "", ""),
        ([], ["distance=*"], "no cell of the grid is left", "", ""),
    ],
)
def test_a_selection_that_cannot_be_meant_is_refused(only, skip, what, expected, nearest):
    error = refusal(Grid.parse(TEXT).select, only, skip)

    assert what in error.what
    assert expected in error.expected
    assert error.nearest == nearest
    assert error.where
    assert error.next


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        ({"observer": "blindd"}, "matches no cell"),
        ({"observr": "blind"}, "no axis 'observr'"),
        ({"observer": "blind", "distance": "lp*"}, "no cell matches all patterns"),
        ({}, "empty"),
        ({"observer": "*"}, "no cell of the grid is left"),
        ({"seed": 1.5}, "bad value 1.5"),
    ],
)
def test_an_exclude_rule_that_cannot_be_meant_is_refused(rule, what):
    error = refusal(make, observer=["complete(steps=2)", "blind"], attack="pia", exclude=[rule])

    assert what in error.what
    assert error.where.startswith("Grid.of")


@pytest.mark.parametrize(
    ("old", "new", "what", "where", "expected", "nearest"),
    [
        ('"psnr"', '"psmr"', "unknown distance 'psmr'", "grid.distance", "psnr", "psnr"),
        ('"psnr"', '"psnr(cup=3)"', "psnr has no parameter 'cup'", "grid.distance", "cap", "cap"),
        ('"psnr"', "\"psnr(cap='3')\"", "psnr cannot take cap='3'", "grid.distance", "number", ""),
        ('"psnr"', '"psnr(cap=-3)"', "psnr cannot take cap=-3", "grid.distance", "greater than 0", ""),
        ('"psnr"', '"psnr(cap=1, cap=2)"', "'cap' twice", "grid.distance", "sweep", ""),
        ('"psnr"', '"psnr("', "cannot read the spec", "grid.distance", "name(key=value", ""),
        ('"psnr"', '"psnr + rmse"', "only defenses chain", "grid.distance", "", ""),
        ("='light'", "='ligth'", "cannot take level='ligth'", "grid.victim", "'light', 'moderate'", "'light'"),
        ("fashion_mnist", "fashion_mnst", "unknown dataset", "grid.dataset", "folder", "fashion_mnist"),
        ('"pia"', '"piaa"', "unknown attack 'piaa'", "grid.attack", "secmi", "pia"),
        ('["psnr", "rmse"]', "[]", "'distance' is empty", "grid.distance", "at least one", ""),
        ('["none", "box_blur(radius={1, 2})"]', "[]", "'defense' is empty", "grid.defense", "at least one", ""),
        ('["psnr", "rmse"]', "3", "bad value 3", "grid.distance", "a valid list", ""),
        ('["psnr", "rmse"]', "[3]", "bad value 3", "grid.distance.0", "a valid string", ""),
        ('"naive"', '"naiv"', "unknown attacker 'naiv'", "grid.attacker", "shadow(victims=", "naive"),
        ('"naive"', '"naive(victims=1)"', "naive has no parameter 'victims'", "grid.attacker", "no parameters", ""),
        ('"naive"', '"shadow"', "shadow needs victims", "grid.attacker", "shadow(victims=", ""),
        ('"naive"', '"shadow(victims=[])"', "shadow needs victims", "grid.attacker", "other members", ""),
        ('"naive"', "\"shadow(victims='ddpm')\"", "shadow cannot take victims='ddpm'", "attacker", "['...', ...]", ""),
        ('"naive"', '"shadow(victims=[3])"', "shadow cannot take victims=[3]", "grid.attacker", "['...', ...]", ""),
        ('"naive"', '"shadow(victim=[])"', "shadow has no parameter 'victim'", "attacker", "victims", "victims"),
        ('"naive"', "\"shadow(victims=['ddmp'])\"", "unknown victim 'ddmp'", "grid.attacker, victims", "ddpm", "ddpm"),
        ('"naive"', '"naive + none"', "only defenses chain", "grid.attacker", "shadow", ""),
        ('"naive"', '"naive("', "cannot read the spec", "grid.attacker", "name(key=value", ""),
        ('["adaptive", "naive"]', "[]", "'attacker' is empty", "grid.attacker", "at least one", ""),
        ("distance =", "distanc =", "unknown key 'distanc'", "grid.distanc", "distance", "distance"),
        ('distance = ["psnr", "rmse"]', "", "the grid has no distance", "[grid]", "together", ""),
        ('dataset = ["fashion_mnist"]', "", "'dataset' is missing", "grid.dataset", "a value", ""),
        ("[grid]", "[gird]", "unknown key 'gird'", "gird", "grid", "grid"),
        ("[grid]", "[run]\nsample = 3\n[grid]", "unknown key 'sample'", "run.sample", "samples", "samples"),
        ("[grid]", "[run]\nsamples = -3\n[grid]", "bad value -3", "run.samples", "greater than or equal to 0", ""),
        ("[grid]", "[run]\nsamples = 3.5\n[grid]", "bad value 3.5", "run.samples", "integer", ""),
        ("[grid]", "[run]\nsamples = true\n[grid]", "bad value True", "run.samples", "integer", ""),
        ("[grid]", "[run]\nseeds = []\n[grid]", "'seeds' is empty", "run.seeds", "at least one", ""),
        ("[grid]", "[run]\ntimeout = inf\n[grid]", "bad value inf", "run.timeout", "finite", ""),
        ("[grid]", "[run]\ntimeout = nan\n[grid]", "bad value nan", "run.timeout", "", ""),
        ("[grid]", "[run]\ncalibration = 1\n[grid]", "bad value 1", "run.calibration", "less than 1", ""),
        (
            "[grid]",
            "[run]\ndevice = 'gpu'\n[grid]",
            "no device is called 'gpu'",
            "run.device",
            "cpu, cuda, cuda:1 or mps",
            "",
        ),
        ("[grid]", "run = 3\n[grid]", "bad value 3", "run", "a table with keys, like [run]", ""),
        ("[grid]", "exclude = 3\n[grid]", "bad value 3", "exclude", "list", ""),
        ("[grid]", "exclude = ['x']\n[grid]", "bad value 'x'", "exclude.0", "a table with keys", ""),
        ("[grid]", "[[exclude]]\nvictim = true\n[grid]", "bad value True", "number 1, victim", "in quotes", ""),
        ("[grid]", "[[exclude]]\nvictim = ['*', 1.5]\n[grid]", "bad value 1.5", "number 1, victim", "in quotes", ""),
        ("[grid]", f"[run]\nsamples = {10**30}\n[grid]", "bad value 1000", "run.samples", "less than", ""),
        ("[grid]", f"[run]\nshard = {2**31}\n[grid]", "bad value 2147483648", "run.shard", "less than", ""),
        ("[grid]", f"[run]\nbatch = {10**25}\n[grid]", "bad value 1000", "run.batch", "less than", ""),
        ("[grid]", f"[run]\nseeds = [{2**63}]\n[grid]", "bad value 9223372036854775808", "seeds.0", "less than", ""),
        ("[grid]", f"[run]\nseeds = [-{2**64}]\n[grid]", "bad value -1844", "seeds.0", "greater than", ""),
        ("[grid]", "[run]\ntimeout = 1e300\n[grid]", "bad value 1e+300", "run.timeout", "less than", ""),
        ("[grid]", f"x = {'[' * 5000}{']' * 5000}\n[grid]", "nested too deep", "my.toml", "TOML", ""),
        (
            "[grid]",
            "[checks]\npermuted = true\n[grid]",
            "unknown key 'permuted'",
            "checks",
            "permuted_labels",
            "permuted_labels",
        ),
        ("[grid]", "[grid]\n[grid]", "is not TOML", "my.toml", "TOML", ""),
        ("[grid]", "[grid]\nvictim = []", "is not TOML", "my.toml", "TOML", ""),
        ("attacker =", "attacker", "is not TOML", "my.toml", "TOML", ""),
    ],
)
def test_bad_input_is_refused_with_place_and_expectation(old, new, what, where, expected, nearest):
    assert old in TEXT
    error = refusal(Grid.parse, TEXT.replace(old, new, 1), "my", "my.toml")

    assert what in error.what
    assert error.where.startswith("my.toml")
    assert where in error.where
    assert expected in error.expected
    assert error.nearest == nearest


@pytest.mark.parametrize(
    ("attacker", "what"),
    [
        ("""shadow(victims=["fashion_ddpm(level='light')"])""", "attacked with itself as a shadow victim"),
        ("shadow(victims=['fashion_ddpm', 'fashion_ddpm'])", "shadow has the victim fashion_ddpm twice"),
    ],
)
def test_shadow_victims_that_cannot_be_meant_are_refused(attacker, what):
    error = refusal(make, attacker=["adaptive", attacker])

    assert what in error.what
    assert error.where.startswith("Grid.of, grid.attacker")
    assert error.expected


def test_a_missing_file_gets_the_nearest_one_beside_it(write):
    path = write("mine.toml", TEXT)
    error = refusal(Grid.load, path.with_name("min.toml"))

    assert "No such file" in error.what
    assert error.nearest == str(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "grid.toml").write_bytes(b"\xff\xfe[grid]")

    error = refusal(Grid.load, tmp_path / "grid.toml")
    assert ("not UTF-8" in error.what, error.nearest) == (True, "")
    assert "null" in refusal(Grid.load, str(tmp_path / "gr\0id.toml")).what
    assert "directory" in refusal(Grid.load, tmp_path).what.lower()


def test_a_victim_whose_files_are_missing_is_refused(tmp_path):
    error = refusal(make, victim=f"ddpm(model={str(tmp_path / 'nowhere')!r})")

    assert "nowhere" in str(error)
    assert error.expected


def test_a_plugin_that_fails_to_name_its_files_is_refused_by_name(write):
    plugin = write(
        "extra.py",
        """
        from dataclasses import dataclass
        from typing import ClassVar
        from leakboard import hookimpl
        from leakboard.api import Victim

        @dataclass(frozen=True, kw_only=True)
        class Mine(Victim):
            "Mine."
            name: ClassVar[str] = "mine"

            def files(self):
                raise KeyError("weights")

        @hookimpl
        def leakboard_victims():
            return [Mine]
        """,
    )

    error = refusal(make, victim="mine", plugins=[plugin])
    assert error.what == "mine: files() failed: KeyError: 'weights'"
    assert error.where.startswith(f"{plugin}, line ")


@pytest.mark.parametrize(
    ("tables", "what", "where"),
    [
        ({"run": 3}, "bad value 3", "Grid.of, run"),
        ({"checks": "yes"}, "bad value 'yes'", "Grid.of, checks"),
        ({"exclude": 3}, "bad value 3", "Grid.of, exclude"),
        ({"exclude": "blind"}, "bad value 'blind'", "Grid.of, exclude.0"),
        ({"distance": 3}, "bad value 3", "Grid.of, grid.distance"),
    ],
)
def test_a_notebook_is_told_what_is_wrong_too(tables, what, where):
    error = refusal(make, **tables)

    assert (error.what, error.where) == (what, where)
    assert error.expected


def test_a_single_rule_needs_no_list_in_a_notebook():
    assert len(make(observer=["complete(steps=2)", "blind"], exclude={"observer": "blind"}).cells) == 1


@pytest.mark.parametrize("name", ["quick", "demo", "paper"])
def test_the_grids_that_ship_are_whole(name, request):
    grid = Grid.load(request.config.rootpath / "grids" / f"{name}.toml")

    assert grid.cells
    assert any(cell.is_null for cell in grid.cells) or name == "paper"


def test_identities_are_computed_once_a_point_and_not_once_a_cell(monkeypatch):
    import leakboard.registry.bind as bind

    asked = []
    monkeypatch.setattr(bind, "code_digest", lambda kind: asked.append(kind) or "digest")
    grid = make(distance=f"psnr(cap={{{', '.join(map(str, range(1, 101)))}}})", run={"seeds": list(range(50))})

    assert len(grid.cells) == 5000
    assert 100 < len(asked) < 120


@pytest.mark.parametrize(
    "text",
    [
        "[run]\nseeds = [" + "9" * 5000 + "]\n",
        "[grid]\ndataset = ['tiny']\nvictim = ['linear(gain=" + "9" * 5000 + ")']\nobserver = ['glance']\n"
        "distance = ['gap']\nclassifier = ['mean']\n",
    ],
)
def test_numbers_with_thousands_of_digits_are_refused_with_a_message(text):
    with pytest.raises(LeakboardError) as refused:
        Grid.parse(text, plugins=[PLUGIN])
    assert "more digits than Python reads" in refused.value.what
    assert len(str(refused.value)) < 1000


VALUES = ", ".join(map(str, range(100)))


@pytest.mark.parametrize(
    "axes",
    [
        {"victim": f"linear(gain={{{VALUES}}}, nap={{{VALUES}}})", "defense": f"fog(share={{{VALUES}}})"},
        {"defense": " + ".join([f"fog(share={{{VALUES}}})"] * 4)},
        {"defense": " + ".join([f"fog(share={{{VALUES}}})"] * 400)},
        {
            "distance": f"gap(power={{{VALUES}}})",
            "classifier": f"mean(factor={{{VALUES}}})",
            "run": {"seeds": [*range(999)]},
        },
    ],
)
def test_sweeps_are_bounded_before_they_are_multiplied_out(axes):
    with pytest.raises(LeakboardError, match="points"):
        tiny(**axes)


@pytest.mark.parametrize(
    "spec", ["jpeg(at='training')", "none + horizontal_flip", "box_blur + cutout(at='augmentation')"]
)
def test_a_defense_of_the_training_has_no_place_in_a_grid(spec):
    error = refusal(make, defense=["none", spec])

    assert "acts while a victim is trained" in error.what
    assert error.where == "Grid.of, grid.defense"
    assert error.next.startswith("leakboard train")
