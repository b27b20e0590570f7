"""The command line. Each command is a few lines around a function that a notebook could call too."""

from __future__ import annotations

import os
from typing import Any

import click

from leakboard import __version__
from leakboard.cli import checking, looking, making, power, running, storing, training
from leakboard.errors import LeakboardError
from leakboard.texts import escaped

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
INTERNAL = 70
"""Exit code of a fault that nobody foresaw (``EX_SOFTWARE``); mistakes in what was given are 2."""


class _Program(click.Group):
    """Shows a user's mistakes, and faults of our own, without a traceback unless LEAKBOARD_TRACEBACK=1 asks for it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("LEAKBOARD_TRACEBACK") == "1":
                raise
            if isinstance(error, LeakboardError):
                click.echo(escaped(f"error: {error}"), err=True)
                ctx.exit(INTERRUPTED if isinstance(error.__cause__, KeyboardInterrupt) else 2)
            click.echo(escaped(f"internal error: {' '.join(f'{type(error).__name__}: {error}'.split())}"), err=True)
            click.echo("  try: the same with LEAKBOARD_TRACEBACK=1 in the environment, for the traceback", err=True)
            ctx.exit(INTERNAL)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order they are added below, the way people come to need them."""
        return list(self.commands)


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="leakboard")
def main() -> None:
    """Measure how much an image diffusion model leaks about its training set."""
    # Threads that spin while they wait slow torch down several times when another process runs.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")


for command in (
    running.run,
    running.plan,
    power.power,
    looking.list_plugins,
    looking.show,
    checking.check,
    making.new,
    storing.report,
    storing.export,
    looking.failures,
    storing.merge,
    storing.pack,
    storing.verify,
    looking.doctor,
    training.train,
    storing.cache,
):
    main.add_command(command)
