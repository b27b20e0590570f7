"""What a result was made with: versions, machine, and the state of the source tree."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "leakboard", "torch", "torchvision", "diffusers", "transformers", "accelerate", "numpy", "scipy", "scikit-learn",
    "lpips", "pandas", "sqlalchemy", "safetensors", "pydantic",
)  # fmt: skip


def provenance() -> dict[str, Any]:
    """JSON facts about this process; reading them loads no package."""
    return {
        "python": sys.version.split()[0],
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "git": _git(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_gb() -> float:
    import psutil

    return round(psutil.virtual_memory().total / 2**30, 1)


def _git() -> dict[str, Any]:
    """Commit of the folder the program was started in, and whether it has changes; empty outside a repository."""
    try:
        commit = _run_git("rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_run_git("status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.SubprocessError):
        return {}


def _run_git(*arguments: str) -> str:
    command = ["git", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 - fixed words
    return done.stdout.strip()
