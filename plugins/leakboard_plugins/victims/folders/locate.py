"""Where a pipeline is: a folder, or the local hub cache."""

from __future__ import annotations

import re
from pathlib import Path

from leakboard.api import LeakboardError
from leakboard_plugins.victims.folders.known import known_single
from leakboard_plugins.victims.folders.layout import LAYOUT, SAVE


def locate(model: str, revision: str | None = None, layout: str = LAYOUT, key: str = "model") -> Path:
    """The folder of a pipeline: a path, or a hub id that is in the local hub cache. Nothing is downloaded.

    Args:
        model: path or hub id.
        revision: branch, tag or commit of a hub id; None is its main branch.
        layout: what is expected there, in words.
        key: of the victim's parameter that names it.

    Raises:
        LeakboardError: it is neither, it is a file, the cache lacks the revision, or a folder is given with a revision.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise LeakboardError(
                f"a folder has no revision, but revision={revision!r} is given",
                where=f"{key}={model!r}",
                expected="a revision beside a hub id only",
                next="leave revision out, or check that revision out into the folder first",
            )
        return folder
    if folder.is_file():
        raise known_single(folder)
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", model):
        raise LeakboardError(f"there is no folder {model!r}", where=f"{key}={model!r}", expected=layout, next=SAVE)
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        cached = Path(constants.HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
        command = f"hf download {model}" + (f" --revision {revision}" if revision else "")
        there = [path.name for part in ("refs", "snapshots") for path in sorted(cached.glob(f"{part}/*"))]
        what = f"{model!r} is neither a folder nor a pipeline in the local hub cache"
        if there:
            what = f"{model!r} is in the local hub cache, but not its revision {revision or 'main'!r}"
        raise LeakboardError(
            what,
            where=f"{key}={model!r}, hub cache {constants.HF_HUB_CACHE}",
            expected=f"{layout}, as {cached / 'snapshots' / '<commit>'} with that commit in "
            f"{cached / 'refs' / (revision or 'main')}" + (f"; there is {', '.join(there)}" if there else ""),
            next=f"{command}, or copy the pipeline into a folder and give its path",
        ) from error
