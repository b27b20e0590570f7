"""The page on attacks says what its stores say."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from helpers import synthetic_store
from leakboard.store import Store
from leakboard_reports import panels
from leakboard_reports.comparison import compared

PAGE = Path(__file__).parents[1] / "docs" / "attacks.md"
BLOCKS = ("tables_small", "checks_small", "skipped_small", "tables_absent")


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location("build_attacks", PAGE.with_name("build_attacks.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("attacks") / "small.db"
    size = synthetic_store.SMALL | {"attackers": ("adaptive",), "distances": ("psnr", "dssim")}
    synthetic_store.build(path, **size | {"observers": ("progressive", "complete", "blind")}, seeds=(0,))
    return path


@pytest.fixture(scope="module")
def blocks(builder, store, tmp_path_factory):
    """What becomes of a page of empty blocks when its store is given, by the name of the block."""
    builder.PAGE = tmp_path_factory.mktemp("page") / "attacks.md"
    empty = "\n".join(f"Before.\n\n<!-- table: {name} -->\nold\n<!-- end -->\n\nAfter.\n" for name in BLOCKS)
    builder.PAGE.write_text(empty, encoding="utf-8")
    builder.main(f"small={store}")
    page = builder.PAGE.read_text(encoding="utf-8")
    assert page.count("Before.") == page.count("After.") == len(BLOCKS)
    return dict(re.findall(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", page, re.DOTALL))


def test_what_each_attack_needs_is_up_to_date(builder, tmp_path, monkeypatch):
    text = PAGE.read_text(encoding="utf-8")
    monkeypatch.setattr(builder, "PAGE", tmp_path / "attacks.md")
    builder.PAGE.write_text(text, encoding="utf-8")
    builder.main()
    assert builder.PAGE.read_text(encoding="utf-8") == text, "run python docs/build_attacks.py"


def test_tables_have_every_attack_of_every_panel_with_its_interval(blocks, store):
    found = panels.panels(*panels.comparable(Store(store, read_only=True)))
    rows = [line for line in blocks["tables_small"].splitlines() if line.startswith("| `")]
    cells = [row.cell for panel in found for row in compared(panel).rows]
    assert len(rows) == len(cells) > 4
    for line, cell in zip(rows, cells, strict=True):
        assert f"`{cell.title}`" in line
        assert f"{cell.auc.value:.3f} [{cell.auc.low:.3f}, {cell.auc.high:.3f}]" in line


def test_null_checks_stand_with_their_number_and_verdict(blocks):
    assert re.search(
        r"\| untrained victim \| \d+ \| 0\.\d+ to 0\.\d+ \| 0\.\d+ \| at chance \|", blocks["checks_small"]
    )


def test_what_was_skipped_stands_with_its_reason(blocks, store):
    cells = Store(store, read_only=True).cells()
    reasons = set(cells[cells["status"] == "skipped"]["error"])
    assert reasons
    assert all(f"\n- {reason}: `" in blocks["skipped_small"] for reason in reasons)


@pytest.mark.parametrize("victim", ["fashion_flow", "fashion_flow(level='untrained')"])
def test_what_a_victim_does_not_give_is_told_once_for_all_levels_and_observers(builder, victim):
    told = builder.LACKS.fullmatch(f"loss(t=(50, 100)) needs the velocity, of a flow, which {victim} does not give")
    assert (told["victim"], told["need"]) == ("fashion_flow", "the velocity, of a flow")


def test_a_block_without_its_store_stays_as_it_is(blocks):
    assert blocks["tables_absent"] == "old\n"
