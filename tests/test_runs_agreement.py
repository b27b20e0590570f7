"""A worker elsewhere that is not like the run gets no task, and says what differs."""

import hashlib

import pytest

import leakboard
from leakboard.runs import agreement
from leakboard.runs.agreement import CALL, HERE, Refused, Terms, answer, code_here, differences


@pytest.fixture
def terms(tmp_path, write, monkeypatch):
    """What a run says whose plugin file imports another that lies beside it."""
    monkeypatch.chdir(tmp_path)
    write("beside.py", "one = 1\n")
    plugin = write("plugin.py", "import beside\n")
    agreement._objection.cache_clear()
    return Terms(str.upper, code_here([plugin]), str(tmp_path))


def refusal(terms):
    agreement._objection.cache_clear()
    answered = answer(terms, CALL)
    assert isinstance(answered, Refused)
    assert answer(terms, "task") == answered
    return answered.reason


def test_a_worker_with_the_same_code_works(terms):
    assert answer(terms, CALL) == HERE
    assert answer(terms, "task") == "TASK"


def test_packages_and_files_are_told_by_name(terms, tmp_path):
    names = [name for name, _ in terms.code]
    assert names[:4] == ["leakboard", "leakboard_defenses", "leakboard_plugins", "leakboard_reports"]
    assert names[4:] == [str(tmp_path / "plugin.py"), str(tmp_path / "beside.py")]
    assert dict(terms.code)["leakboard"].startswith(f"{leakboard.__version__} ")


@pytest.mark.parametrize("name", ["plugin.py", "beside.py"])
def test_another_version_of_a_file_is_refused_with_both_digests(terms, tmp_path, name):
    mine = dict(terms.code)[str(tmp_path / name)]
    (tmp_path / name).write_text("import beside\n# changed\n")
    theirs = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert f"{name} is {theirs[:12]} there and {mine[:12]} here" in refusal(terms)


def test_a_worker_without_the_file_is_refused(terms, tmp_path):
    (tmp_path / "plugin.py").unlink()
    assert f"plugin.py is missing there and {dict(terms.code)[str(tmp_path / 'plugin.py')][:12]} here" in refusal(terms)


def test_another_leakboard_is_refused_with_its_version(terms, monkeypatch):
    monkeypatch.setattr(leakboard, "__version__", "9.9")
    assert refusal(terms).startswith("leakboard is 9.9 ")


def test_a_package_that_a_worker_lacks_is_told():
    assert differences((("leakboard", "1 " + "a" * 64), ("more", "b" * 64)), (("leakboard", "1 " + "a" * 64),)) == [
        "more is missing there and bbbbbbbbbbbb here"
    ]


def test_a_worker_that_does_not_see_the_payload_files_is_refused(terms, tmp_path):
    unseen = Terms(terms.work, terms.code, terms.folder, seen=str(tmp_path / "artifacts" / "runs" / "x.seen"))
    assert refusal(unseen) == f"it does not see the folder of payload files {tmp_path / 'artifacts'}"


def test_a_worker_without_the_device_is_refused(terms):
    assert "no device 'cuda:77'" in refusal(Terms(terms.work, terms.code, terms.folder, device="cuda:77"))


def test_paths_of_a_grid_begin_in_the_folder_of_the_run(terms, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    agreement._objection.cache_clear()
    assert answer(terms, CALL) == HERE
    assert tmp_path.samefile(".")
