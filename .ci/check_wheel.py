"""Fail when the wheel's top level or its data files are not what they should be."""

import sys
import zipfile

PACKAGES = {"leakboard", "leakboard_plugins", "leakboard_defenses", "leakboard_reports"}
NEEDED = (
    "leakboard/py.typed",
    "leakboard/store/migrations/env.py",
    "leakboard_plugins/attacks.toml",
    "leakboard_plugins/data/fashion_mnist.npz",
    "leakboard_plugins/data/fashion_mnist_wide.npz",
    "leakboard_plugins/data/emoji.npz",
    "leakboard_plugins/data/openclipart.npz",
    "leakboard_plugins/data/openclipart_copies.csv",
    "leakboard_plugins/data/LICENSE-openclipart.txt",
    "leakboard_plugins/data/LICENSE-fashion-mnist.txt",
    "leakboard_plugins/data/LICENSE-noto-emoji.txt",
    "leakboard_plugins/weights/fashion_ddpm/moderate/unet/diffusion_pytorch_model.safetensors",
    "leakboard_plugins/weights/fashion_ddpm/moderate/manifest.json",
    "leakboard_plugins/weights/fashion_sd/moderate/vae/diffusion_pytorch_model.safetensors",
    "leakboard_plugins/weights/fashion_sd/moderate/manifest.json",
    "leakboard_plugins/weights/emoji_sd/moderate/tokenizer/vocab.json",
    "leakboard_plugins/weights/emoji_sd/moderate/manifest.json",
    "leakboard_reports/templates/index.html.j2",
    "leakboard_reports/static/board.js",
)


def main(path: str) -> None:
    """Check one wheel."""
    names = zipfile.ZipFile(path).namelist()
    top = {name.split("/")[0] for name in names}
    packages = {name for name in top if not name.endswith(".dist-info")}
    if packages != PACKAGES:
        sys.exit(f"top level of the wheel is {sorted(packages)}, expected {sorted(PACKAGES)}")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        sys.exit(f"the wheel lacks {', '.join(missing)}")
    print(f"{path}: {len(names)} files, top level {', '.join(sorted(packages))}")


main(sys.argv[1])
