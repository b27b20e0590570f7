"""The study pages say what their data says."""

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MOST = 2 * 2**20
"""Bytes a file of kept results may have."""


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """The builder, writing into a copy of the pages."""
    spec = importlib.util.spec_from_file_location("build_studies", DOCS / "build_studies.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    module.STUDIES = tmp_path_factory.mktemp("studies")
    for page in (DOCS / "studies").glob("*.md"):
        shutil.copy(page, module.STUDIES)
    module.main()
    return module.STUDIES


@pytest.mark.parametrize("question", [1, 2, 3])
def test_tables_of_a_study_are_those_its_data_makes(question, studies):
    name = f"open_question_{question}.md"
    page = (studies / name).read_text(encoding="utf-8")
    assert page == (DOCS / "studies" / name).read_text(encoding="utf-8"), "run python docs/build_studies.py"
    assert page.count("| ") > 50


@pytest.mark.parametrize("question", [1, 2, 3])
def test_a_study_has_its_picture(question, studies):
    drawn = (studies / f"open_question_{question}.svg").read_text(encoding="utf-8")
    kept = (DOCS / "studies" / f"open_question_{question}.svg").read_text(encoding="utf-8")
    assert drawn.count("<path") == kept.count("<path") > 20


def test_kept_results_are_small_enough_for_the_repository():
    sizes = {path.name: path.stat().st_size for path in (DOCS / "studies" / "data").iterdir()}
    assert len(sizes) >= 7
    assert max(sizes.values()) < MOST
