import functools
import hashlib
import importlib
import itertools
import subprocess
import sys
import textwrap

import pytest

import leakboard.digests
from leakboard.digests import code_digest, file_digest, function_digest
from leakboard.errors import LeakboardError

FILES = {
    "__init__.py": "from {package}.near import Near\nfrom {package}.far import Far\n",
    "near.py": "from leakboard.api import Distance\nfrom ._tools import mean\n\nclass Near(Distance):\n    f = mean\n",
    "far.py": "from {package}.base import Base\n\nclass Far(Base):\n    pass\n",
    "base.py": "from leakboard.api import Distance\nfrom .deep import tools\n\nclass Base(Distance):\n    f = tools\n",
    "_tools.py": "def mean(x):\n    return x\n",
    "deep/__init__.py": "UNUSED = 1\n",
    "deep/tools.py": "def lazy():\n    from {package}.late import work\n    return work\n",
    "late.py": "import a_package_that_is_not_installed\n\ndef work():\n    return 1\n",
}


@pytest.fixture
def digests(tmp_path, monkeypatch):
    """Digests of the two classes of a package, after changes to some of its files; imported anew each time."""
    numbers = itertools.count()
    monkeypatch.syspath_prepend(str(tmp_path))

    def digests_of(**changes):
        package = f"sample_package_{tmp_path.name}_{next(numbers)}"
        for name, text in {**FILES, **changes}.items():
            path = tmp_path / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            # the name of the package must not count as a change
            path.write_text(text.format(package=package))
        module = importlib.import_module(package)
        return tuple(code_digest(cls) for cls in (module.Near, module.Far))

    return digests_of


def edited(name, old, new):
    return {name: FILES[name].replace(old, new)}


def relative(name):
    return {name: FILES[name].replace("{package}.", "." if "/" not in name else "..")}


@pytest.fixture
def before(digests):
    return digests(**relative("far.py"), **relative("deep/tools.py"))


@pytest.mark.parametrize(
    ("name", "old", "new", "near_changes", "far_changes"),
    [
        ("near.py", "f = mean", "g = mean", True, False),
        ("_tools.py", "return x", "return -x", True, False),
        ("far.py", "pass", "g = 1", False, True),
        ("base.py", "f = tools", "g = tools", False, True),
        ("deep/tools.py", "return work", "return work()", False, True),
        ("late.py", "return 1", "return 2", False, True),
        ("deep/__init__.py", "UNUSED = 1", "UNUSED = 2", False, False),
        ("_tools.py", "return x", "return x  # the mean", False, False),
        ("_tools.py", "def mean(x):\n", "def mean(x):\n    '''The mean.'''\n\n", False, False),
    ],
)
def test_a_change_counts_for_the_classes_that_use_it(digests, before, name, old, new, near_changes, far_changes):
    """Through relative imports, base classes and imports inside functions; nobody else is measured again."""
    files = {**relative("far.py"), **relative("deep/tools.py")}
    files[name] = files.get(name, FILES[name]).replace(old, new)
    near, far = digests(**files)

    assert (near != before[0], far != before[1]) == (near_changes, far_changes)


def test_absolute_imports_are_followed_too(digests):
    """Names of the package are part of such lines, so the digests are compared within one package only."""
    near, far = digests()

    assert near != far


def test_the_digest_imports_nothing():
    """What a plugin imports when it runs (torch, say) must not be imported to find out its identity."""
    code = """
        import sys
        from leakboard.registry.find import shared
        registry = shared(())
        for kind, spec in (
            ("victim", "ddpm(model='x')"), ("distance", "lp"), ("distance", "dssim"), ("classifier", "svm"),
            ("defense", "jpeg"), ("observer", "pia"), ("dataset", "fashion_mnist"),
        ):
            from leakboard.digests import code_digest
            code_digest(type(registry.one(kind, spec).only))
        print(sorted({"torch", "diffusers", "sklearn", "scipy", "skimage"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_built_in_distance_depends_on_its_own_module_only(registry):
    """Editing one distance must not throw away what the others measured."""
    from leakboard import digests

    read = []
    original = digests.ast.parse
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digests.ast, "parse", lambda source: read.append(source) or original(source))
        code_digest.__wrapped__(registry.classes["distance"]["psnr"])

    docstrings = [source.decode().splitlines()[0] for source in read]
    assert any("signal-to-noise" in line for line in docstrings)
    assert not any("learned" in line.lower() or "structural" in line.lower() for line in docstrings)


def test_a_class_without_source_is_refused():
    cls = type("Typed", (), {"__module__": "typed_by_hand"})

    with pytest.raises(LeakboardError, match="source code of Typed is nowhere to be found"):
        code_digest(cls)


def test_a_file_is_read_again_when_it_changed(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    first = file_digest(path)
    path.write_bytes(b"three")

    assert file_digest(path) != first
    path.write_bytes(b"one")
    assert file_digest(path) == first


def test_the_digest_of_a_large_file_is_kept_from_process_to_process(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(leakboard.digests, "LARGE", 4)
    file = tmp_path / "weights"
    file.write_bytes(b"weights")
    expected = hashlib.sha256(b"weights").hexdigest()
    assert file_digest(file) == expected

    leakboard.digests._digest.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(leakboard.digests, "_read_through", None)
        assert file_digest(file) == expected

    file.write_bytes(b"other weights")
    assert file_digest(file) == hashlib.sha256(b"other weights").hexdigest()


def test_a_digest_is_found_where_nothing_can_be_kept(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder belongs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(leakboard.digests, "LARGE", 4)
    (tmp_path / "weights").write_bytes(b"12345")
    assert file_digest(tmp_path / "weights") == hashlib.sha256(b"12345").hexdigest()


TWICE = """
FACTOR = 2

def twice(x):
    return FACTOR * x

class Twice:
    def __call__(self, x):
        return twice(x)
"""


def test_a_function_is_told_by_its_module_and_by_what_is_bound_to_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))

    def functions(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return importlib.import_module(name)

    one, same, other = (
        functions(f"{name}_{tmp_path.name}", text)
        for name, text in {"a": TWICE, "b": "# a comment" + TWICE, "c": TWICE.replace("= 2", "= 3")}.items()
    )
    assert function_digest(one.twice) == function_digest(same.twice) != function_digest(other.twice)
    assert function_digest(one.Twice()) == function_digest(same.Twice()) != function_digest(other.Twice())
    bound = [
        functools.partial(module.twice, x=number) for module, number in ((one, 1), (same, 1), (one, 2), (other, 1))
    ]
    first, second, *others = map(function_digest, bound)
    assert first == second
    assert len({first, *others, function_digest(one.twice)}) == 4


def test_the_harness_tells_its_own_functions_by_the_format_of_their_stage():
    assert function_digest(function_digest) == function_digest(hashlib.sha256)


def test_a_function_without_source_is_refused():
    names = {"__name__": "typed_in"}
    exec("def f(scores, member, threshold): pass", names)

    with pytest.raises(LeakboardError, match="source code of f is nowhere to be found"):
        function_digest(names["f"])
