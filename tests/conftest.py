"""What several test files share."""

import shutil
import textwrap

import pytest

from leakboard.registry.find import Registry, shared


@pytest.fixture
def registry():
    """The plugins that come with Leakboard."""
    return shared(())


@pytest.fixture
def write(tmp_path):
    """Write a text file below the test's folder, dedented, and return its path."""

    def write_file(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


@pytest.fixture
def load(write):
    """A registry with one more plugin file of the given text."""
    return lambda text, name="extra.py": Registry.load([write(name, text)])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folders of tiny pipelines by prediction type; read only."""
    from helpers.pixel_models import PREDICTIONS, save_tiny

    root = tmp_path_factory.mktemp("tiny")
    return {kind: save_tiny(root / kind, kind) for kind in PREDICTIONS}


@pytest.fixture(scope="session")
def models(tiny):
    """The tiny pipelines, opened as victims."""
    from leakboard_plugins.victims.pixel.ddpm import Ddpm

    return {kind: Ddpm(model=str(folder)).open("cpu") for kind, folder in tiny.items()}


@pytest.fixture(scope="session")
def tiny_flow(tmp_path_factory):
    """The folder of a tiny pixel pipeline that matches flows; read only."""
    from helpers.pixel_models import save_tiny_flow

    return save_tiny_flow(tmp_path_factory.mktemp("flow") / "flow")


@pytest.fixture
def batch():
    """Five images of the tiny pipelines' size, and as much noise."""
    import torch

    from helpers.pixel_models import SIZE

    generator = torch.Generator().manual_seed(3)
    return torch.rand(5, 1, SIZE, SIZE, generator=generator), torch.randn(5, 1, SIZE, SIZE, generator=generator)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def grid(write):
    """A grid file of few cells and little work."""
    from helpers.command_line import GRID

    return str(write("grid.toml", GRID))


@pytest.fixture
def store(tmp_path):
    """A filled store, as its URL."""
    from helpers.small_stores import fill
    from leakboard.store import Store

    path = tmp_path / "filled.db"
    fill(Store(path, create=True))
    return str(path)


@pytest.fixture(scope="module")
def clothes():
    return shared(()).one("dataset", "fashion_mnist").only.load()


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of tiny latent pipelines by kind; read only."""
    from helpers.latent_pipelines import Lazily, save_latent

    root = tmp_path_factory.mktemp("latents")
    return Lazily(lambda kind: save_latent(root / kind, kind))


@pytest.fixture(scope="session")
def opened(folders):
    """The tiny latent pipelines as victims with all parameters left out."""
    from helpers.latent_pipelines import Lazily
    from leakboard_plugins.victims.latent.stable_diffusion import StableDiffusion

    return Lazily(lambda kind: StableDiffusion(model=str(folders[kind])).open("cpu"))


@pytest.fixture
def samples():
    """Six captioned images, for observers."""
    from helpers.spied_victim import captioned

    return captioned()


@pytest.fixture
def model():
    """A pixel model that notes what it is asked."""
    from helpers.spied_victim import Spied

    return Spied()


@pytest.fixture
def answers(model):
    """The answers of that model, whatever the batch."""
    from leakboard.oracle.memo import Memo

    return Memo(model, batch_size=64)


@pytest.fixture
def enter(answers, samples):
    """Opens the door that an observer asks through."""
    from helpers.spied_victim import entrance

    return entrance(answers, samples)


@pytest.fixture(scope="module")
def browser():
    """Chromium."""
    from helpers.browsing import chromium

    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser):
    """Opens a page in it, offline."""
    from helpers.browsing import visits

    with visits(browser) as open_page:
        yield open_page


@pytest.fixture(scope="session")
def latent(tmp_path_factory):
    """A tiny latent pipeline; read only."""
    from helpers.latent_pipelines import save_latent

    return save_latent(tmp_path_factory.mktemp("latent") / "sd1", "sd1")


@pytest.fixture
def copy(latent, tmp_path):
    """A latent pipeline to spoil."""
    return shutil.copytree(latent, tmp_path / "copy")


@pytest.fixture
def pixel(tmp_path):
    """A pixel pipeline to spoil."""
    from helpers.pixel_models import save_tiny

    return save_tiny(tmp_path / "pixel")


@pytest.fixture(scope="session")
def s3_of_all():
    """An S3 server, and an environment that leads to it; the library keeps its connection for the whole process."""
    from helpers.s3 import ENVIRONMENT, s3_server

    with s3_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": server.url}.items():
            patch.setenv(name, value)
        yield server


@pytest.fixture
def s3(s3_of_all, tmp_path, monkeypatch):
    """The same with an empty cache, and no faults left over."""
    monkeypatch.setenv("LEAKBOARD_CACHE", str(tmp_path / "cache"))
    s3_of_all.fault = lambda method, path: None
    s3_of_all.asked.clear()
    yield s3_of_all
    s3_of_all.fault = lambda method, path: None


@pytest.fixture
def bucket(s3):
    """The URL of an empty bucket there."""
    import uuid

    from leakboard.store.buckets import _file_system

    name = f"box-{uuid.uuid4().hex}"
    _file_system("s3").mkdir(name)
    return f"s3://{name}"
