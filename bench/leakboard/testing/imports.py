"""What importing a module loads, found out in a process of its own."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap

from leakboard.testing.checks import Declined


def imports_no_torch(module: str) -> None:
    """Assert that a module imports no torch.

    Raises:
        Declined: it was not imported from a file.
    """
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:
        raise Declined("it was not imported from a file")
    found = _loaded_by(module, path)
    assert not found, f"importing {module} imports {found}; import it where it is used"


@functools.cache
def _loaded_by(module: str, path: str) -> str:
    code = """
        import importlib, sys
        from pathlib import Path
        sys.path[:] = {paths!r}
        try:
            importlib.import_module({module!r})
        except ModuleNotFoundError:
            from leakboard.registry.contract import load_file
            load_file(Path({path!r}))
        print("torch" if "torch" in sys.modules else "")
    """
    program = textwrap.dedent(code).format(paths=sys.path, module=module, path=path)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program
    assert done.returncode == 0, f"{module} cannot be imported alone: {done.stderr.strip().splitlines()[-1]}"
    return done.stdout.strip()
