"""The command line, called in this process and in one of its own."""

import os
import subprocess
import sys

from click.testing import CliRunner

from leakboard.cli import main

GRID = """
    [run]
    samples = 16
    shard = 16

    [grid]
    dataset = ["fashion_mnist"]
    victim = ["fashion_ddpm(level='light')"]
    defense = ["none", "box_blur"]
    observer = ["blind", "one_shot(steps=1)"]
    distance = ["psnr", "rmse"]
    classifier = ["threshold"]
    """
BROKEN = """
    from dataclasses import dataclass
    from typing import ClassVar
    from leakboard import hookimpl
    from leakboard.api import Distance

    @dataclass(frozen=True, kw_only=True)
    class Sad(Distance):
        "A distance that fails."
        name: ClassVar[str] = "sad"

        def measure(self, pair):
            raise ArithmeticError("no number today")

    @hookimpl
    def leakboard_distances():
        return [Sad]
    """


def call(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def really(*arguments, code=0, **environment):
    """The program in a process of its own."""
    command = [sys.executable, "-m", "leakboard", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def loaded(statement, *modules):
    """Which of some modules a fresh process has loaded after a statement."""
    code = f"import sys\n{statement}\nprint(sorted(set({modules!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def invoked(*arguments):
    return f"from leakboard.cli import main\nmain({list(arguments)!r}, standalone_mode=False)"
