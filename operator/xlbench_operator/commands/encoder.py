"""`xlbench encoder hash DIR`: the revision of a local encoder folder, as a spec wants it."""

from pathlib import Path
from typing import Annotated

import typer
from xlbench_specs.exits import CommandExit
from xlbench_specs.store import folder_hash

CONFIG = "config.json"

encoder = typer.Typer(no_args_is_help=True, help="Look at encoders.")


@encoder.callback()
def main() -> None:
    """Look at encoders."""


@encoder.command("hash")
def hash_folder(
    folder: Annotated[Path, typer.Argument(help="Folder of an encoder.", show_default=False)],
) -> None:
    """Print the revision that pins a local encoder: a hash of all its files.

    Exit code 2 if the folder holds no encoder.
    """
    if not (folder / CONFIG).is_file():
        typer.echo(f"{folder}: an encoder's folder holds {CONFIG}; this one does not", err=True)
        raise typer.Exit(CommandExit.BAD_SPEC)
    typer.echo(folder_hash(folder))
