"""Is this installation able to run a grid, and are the shipped files what they should be?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from leakboard.errors import LeakboardError
from leakboard.faults import blamed, contained
from leakboard.registry.fields import fields_of, is_required
from leakboard.registry.find import Registry, shared
from leakboard.runs.provenance import PACKAGES, provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from leakboard.api import Victim


def examine(plugins: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Findings as rows: check, ok, detail."""
    registry = shared(tuple(plugins))
    checks: list[tuple[str, Callable[[], tuple[bool, str]]]] = [
        ("packages", _packages),
        ("plugins", lambda: _plugins(registry)),
        ("shipped files", lambda: _shipped(registry)),
        ("devices", _devices),
        ("threads", _threads),
        ("disk", _disk),
    ]
    findings = []
    for name, check in checks:
        with contained() as caught:
            ok, detail = check()
        if caught.fault:
            ok, detail = False, caught.fault.error
        findings.append({"check": name, "ok": ok, "detail": detail})
    return findings


def _packages() -> tuple[bool, str]:
    found = provenance()["packages"]
    missing = [name for name in PACKAGES if name not in found]
    versions = ", ".join(f"{name} {found[name]}" for name in found)
    return not missing, f"missing {', '.join(missing)}; {versions}" if missing else versions


def _plugins(registry: Registry) -> tuple[bool, str]:
    broken = "; ".join(f"{item.source}: {item.reason}" for item in registry.broken)
    counts = ", ".join(f"{len(known)} {kind}s" for kind, known in (registry.classes | registry.values).items() if known)
    return not broken, f"not loaded: {broken}" if broken else counts


def _shipped(registry: Registry) -> tuple[bool, str]:
    """Asks every victim that can be made without parameters to compare what comes with it with its manifests."""
    checked, wrong = [], []
    for name, cls in sorted(registry.classes["victim"].items()):
        if any(is_required(field) for field in fields_of(cls)):
            continue
        try:
            # one victim's faulty code must not hide what the others say
            with blamed(name, "check_shipped()"):
                checked += [f"{name} {part}" for part in cast("Victim", cls()).check_shipped()]
        except LeakboardError as error:
            wrong.append(str(error))
    return not wrong, "; ".join(wrong) or f"match their manifests: {', '.join(checked) or 'no plugin ships any'}"


def _devices() -> tuple[bool, str]:
    import torch

    found = ["cpu"]
    found += [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    found += ["mps"] if torch.backends.mps.is_available() else []
    return True, ", ".join(found)


def _threads() -> tuple[bool, str]:
    policy = os.environ.get("OMP_WAIT_POLICY", "")
    detail = f"{os.cpu_count()} cores, OMP_WAIT_POLICY={policy or 'unset'}"
    return policy.lower() == "passive", detail


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    return free > 1, f"{free:.1f} GiB free in the current folder"
