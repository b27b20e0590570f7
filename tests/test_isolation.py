"""Whatever a component does, only its own cells suffer, and everybody learns why."""

import pytest
from click.testing import CliRunner

import leakboard
from helpers.tiny_grids import PLUGIN, numbers, statuses, tiny
from leakboard.cli import main
from leakboard.store import Store

FAULTS = ("raise", "nan", "shape", "quit")


def specs(name, hows):
    return [f"{name}(how={how!r})" for how in hows]


def healthy(tmp_path, **axes):
    """Numbers of the harmless part of a grid, run by itself."""
    store = Store(tmp_path / "healthy.db", create=True)
    assert leakboard.run(tiny(**axes), store).ok
    return numbers(store)


def the_rest(store, axis, bad):
    """Numbers of the cells without the bad component."""
    frame = numbers(store)
    return frame[~frame[axis].astype(str).str.contains(bad)].reset_index(drop=True)


def same_numbers(one, other):
    columns = ["cell", "measure", "value", "low", "high"]
    return len(one) > 0 and one[columns].equals(other[columns])


def test_observers(tmp_path):
    hows = [*FAULTS, "hang", "no pair", "no pair at all", "other pairs", "too curious", "unsupported"]
    store = Store(tmp_path / "store.db", create=True)
    report = leakboard.run(tiny(observer=[*specs("bad_observer", hows), "glance"], run={"timeout": 0.5}), store)
    assert not report.ok
    expected = {spec: {"failed"} for spec in specs("bad_observer", hows)} | {"glance": {"done"}}
    expected["bad_observer(how='hang')"] = {"timeout"}
    expected["bad_observer(how='unsupported')"] = {"skipped"}
    expected["bad_observer"] = expected.pop("bad_observer(how='raise')")
    assert statuses(store, "observer") == expected
    assert same_numbers(the_rest(store, "observer", "bad"), healthy(tmp_path))
    errors = "\n".join(store.failures()["error"])
    for reason in (
        "tiny fault",
        "not finite",
        "(16, 1, 8, 8) and (15, 1, 8, 8)",
        "SystemExit",
        "took longer than 0.5 s",
        "yielded no pair",
        "expected a Pair",
        "other pairs for other samples",
        "gradients needs white access",
        "tiny does not fit",
    ):
        assert reason in errors


def test_distances(tmp_path):
    """They come first in the order of work, so what they spoil would show in the one after them."""
    hows = [*FAULTS, "hang", "unsupported", "in place"]
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(distance=[*specs("a_bad_distance", hows), "gap"], run={"timeout": 0.5})
    assert not leakboard.run(grid, store).ok
    found = statuses(store, "distance")
    assert found["gap"] == {"done"}
    assert found["a_bad_distance(how='in place')"] == {"done"}
    assert found["a_bad_distance(how='hang')"] == {"timeout"}
    assert found["a_bad_distance(how='unsupported')"] == {"skipped"}
    assert all(found[spec] == {"failed"} for spec in specs("a_bad_distance", FAULTS[1:]))
    assert same_numbers(the_rest(store, "distance", "bad"), healthy(tmp_path))


def test_classifiers(tmp_path):
    hows = [*FAULTS, "hang", "unsupported", "in place"]
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(classifier=[*specs("a_bad_classifier", hows), "mean"], run={"timeout": 0.5})
    assert not leakboard.run(grid, store).ok
    found = statuses(store, "classifier")
    assert found["mean"] == {"done"}
    assert found["a_bad_classifier(how='hang')"] == {"timeout"}
    assert found["a_bad_classifier(how='unsupported')"] == {"skipped"}
    assert all(found[spec] == {"failed"} for spec in specs("a_bad_classifier", FAULTS[1:]))
    assert same_numbers(the_rest(store, "classifier", "bad"), healthy(tmp_path))


@pytest.mark.parametrize("place", ["query", "output", "both"])
def test_defenses(tmp_path, place):
    hows = [*FAULTS, "hang", "unsupported"]
    defenses = [f"bad_defense(how={how!r}, at={place!r})" for how in hows]
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(defense=[*defenses, "none"], attacker=["naive"], run={"timeout": 0.5})
    assert not leakboard.run(grid, store).ok
    by_how = {how: set() for how in hows} | {"none": set()}
    for label, found in statuses(store, "defense").items():
        how = next((how for how in hows if f"'{how}'" in label), "none" if label == "none" else "raise")
        by_how[how] |= found
    assert by_how == {how: {"failed"} for how in FAULTS} | {
        "hang": {"timeout"},
        "unsupported": {"skipped"},
        "none": {"done"},
    }
    assert same_numbers(the_rest(store, "defense", "bad"), healthy(tmp_path))


@pytest.mark.parametrize("when", ["open", "asked"])
def test_victims(tmp_path, when):
    hows = [how for how in (*FAULTS, "hang", "unsupported") if when == "asked" or how not in ("nan", "shape")]
    victims = [f"bad_victim(how={how!r}, when={when!r})" for how in hows]
    store = Store(tmp_path / "store.db", create=True)
    assert not leakboard.run(tiny(victim=["linear", *victims], run={"timeout": 0.5}), store).ok
    counts = leakboard.runs.runner.Counter(status for found in statuses(store, "victim").values() for status in found)
    assert counts == {"done": 1, "timeout": 1, "skipped": 1, "failed": len(hows) - 2}
    assert same_numbers(the_rest(store, "victim", "bad"), healthy(tmp_path))


def test_a_fault_costs_no_more_than_the_shard_it_happened_in(tmp_path, monkeypatch):
    """Features whose cells are lost already are not asked for: one shard of 16 samples, two steps."""
    log = tmp_path / "log"
    monkeypatch.setenv("TINY_LOG", str(log))
    leakboard.run(tiny(distance="a_bad_distance"), tmp_path / "store.db")
    assert len(log.read_text().split()) == 2 * 16


def test_components_that_end_or_block_their_process(tmp_path):
    """In worker processes even these cost only their own cells."""
    axes = {
        "observer": ["bad_observer(how='deaf')", "glance"],
        "distance": ["a_bad_distance(how='kill')", "gap"],
        "classifier": ["a_bad_classifier(how='exit')", "mean"],
        "exclude": [
            {"observer": "bad*", "distance": "a_bad*"},
            {"observer": "bad*", "classifier": "a_bad*"},
            {"distance": "a_bad*", "classifier": "a_bad*"},
        ],
    }
    store = Store(tmp_path / "store.db", create=True)
    grid = tiny(**axes, run={"timeout": 1.0, "shard": 48})
    assert not leakboard.run(grid, store, executor="processes", workers=2, threads=1).ok
    assert statuses(store, "observer", "distance", "classifier") == {
        ("bad_observer(how='deaf')", "gap", "mean"): {"timeout"},
        ("glance", "a_bad_distance(how='kill')", "mean"): {"failed"},
        ("glance", "gap", "a_bad_classifier(how='exit')"): {"failed"},
        ("glance", "gap", "mean"): {"done"},
    }
    failures = store.failures().set_index("error")
    assert "in misbehave" in failures["traceback"]["took longer than 1 s"]
    assert {
        "the worker process died (SIGKILL, perhaps because memory ran out)",
        "the worker process died (exit code 1)",
    } < set(failures.index)
    assert same_numbers(numbers(store), healthy(tmp_path, run={"shard": 48}))


def test_failures_are_said_grouped_and_end_with_code_1(tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text(
        "[run]\nshard = 16\n[grid]\ndataset = ['tiny']\nvictim = ['linear']\n"
        "observer = ['bad_observer', 'glance']\ndistance = ['gap', 'a_bad_distance']\nclassifier = ['mean', 'centred']\n"
    )
    store = str(tmp_path / "store.db")
    plugin = str(tmp_path.joinpath(leakboard.__file__).parents[2] / "tests" / "plugins" / "tiny.py")
    done = CliRunner().invoke(main, ["run", str(grid), "--store", store, "--executor", "serial", "--plugin", plugin])
    assert done.exit_code == 1
    assert done.stderr.count("RuntimeError: tiny fault") == 1
    assert "Traceback" not in done.stderr
    listed = CliRunner().invoke(main, ["failures", store])
    assert "tiny fault" in listed.output
    assert "6" in listed.output


def test_components_that_give_nothing_are_named_with_what_they_gave(tmp_path, write):
    plugin = write(
        "nothing.py",
        """
        from dataclasses import dataclass
        from typing import ClassVar
        from leakboard import hookimpl
        from leakboard.api import Classifier, Defense, Distance, Observer, Victim

        @dataclass(frozen=True, kw_only=True)
        class NoModel(Victim):
            name: ClassVar[str] = "no_model"

            def open(self, device):
                return None

        @dataclass(frozen=True, kw_only=True)
        class NoPairs(Observer):
            name: ClassVar[str] = "no_pairs"
            access: ClassVar[str] = "black"

            def observe(self, oracle):
                return None

        @dataclass(frozen=True, kw_only=True)
        class NoNumbers(Distance):
            name: ClassVar[str] = "no_numbers"
            quit: bool = False

            def measure(self, pair):
                if self.quit:
                    raise GeneratorExit

        @dataclass(frozen=True, kw_only=True)
        class NoImages(Defense):
            name: ClassVar[str] = "no_images"

            def apply(self, images, noise):
                return None

        @dataclass(frozen=True, kw_only=True)
        class NoScorer(Classifier):
            name: ClassVar[str] = "no_scorer"

            def fit(self, features, member, columns):
                return None

        @hookimpl
        def leakboard_defenses():
            return [NoImages]

        @hookimpl
        def leakboard_classifiers():
            return [NoScorer]

        @hookimpl
        def leakboard_victims():
            return [NoModel]

        @hookimpl
        def leakboard_observers():
            return [NoPairs]

        @hookimpl
        def leakboard_distances():
            return [NoNumbers]
        """,
    )
    store = Store(tmp_path / "store.db", create=True)
    grid = leakboard.Grid.of(
        dataset="tiny",
        victim=["no_model", "linear"],
        observer=["no_pairs", "glance"],
        distance=["no_numbers(quit={False, True})", "gap"],
        classifier=["no_scorer", "mean"],
        defense=["no_images", "none"],
        plugins=[PLUGIN, plugin],
    )
    assert not leakboard.run(grid, store).ok
    found = statuses(store, "victim", "defense", "observer", "distance", "classifier")
    assert found["linear", "none", "glance", "gap", "mean"] == {"done"}
    assert set(store.failures()["error"]) == {
        "TypeError: no_model returned None from open(), expected a leakboard.api.Model",
        "TypeError: no_pairs returned None from observe(), expected pairs",
        "TypeError: no_numbers returned None from measure(), expected a tensor (N, ...)",
        "TypeError: no_images returned None from apply(), expected images",
        "TypeError: no_scorer returned None from fit(), expected a scorer",
        "GeneratorExit",
    }


@pytest.mark.parametrize(
    ("victim", "status"),
    [("bad_victim(when='open')", "failed"), ("bad_victim(when='open', how='unsupported')", "skipped")],
)
def test_a_victim_that_cannot_be_attacked_leaves_the_blind_checks(tmp_path, victim, status):
    """They ask nothing, so they say of the dataset what they always say."""
    axes = {"observer": ["glance", "blind"], "distance": ["gap", "psnr"]}
    store, other = Store(tmp_path / "store.db", create=True), Store(tmp_path / "other.db", create=True)
    leakboard.run(tiny(victim=victim, **axes), store)
    leakboard.run(tiny(**axes), other)
    assert statuses(store, "observer") == {"glance": {status}, "blind": {"done"}}
    wanted = numbers(other).query("observer == 'blind'").sort_values(["distance", "measure"])
    found = numbers(store).sort_values(["distance", "measure"])
    assert found["value"].tolist() == wanted["value"].tolist()
