"""`xlbench encoder hash DIR`: the revision of a local encoder folder, as a spec wants it."""

import json
from pathlib import Path
from typing import Annotated

import typer
from xlbench_specs.encoders import FAMILY_SETTING, EncoderFamily, family_of
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

    On stderr, the family that it is read as. Exit code 2 if the folder holds no encoder, or names a
    family that there is not.
    """
    if not (folder / CONFIG).is_file():
        typer.echo(f"{folder}: an encoder's folder holds {CONFIG}; this one does not", err=True)
        raise typer.Exit(CommandExit.BAD_SPEC)
    try:
        family = _family(folder)
    except ValueError as error:
        typer.echo(f"{folder}: {error}", err=True)
        raise typer.Exit(CommandExit.BAD_SPEC) from error
    typer.echo(f"{folder}: family {family.name}: {family.description}", err=True)
    typer.echo(folder_hash(folder))


def _family(folder: Path) -> EncoderFamily:
    """The family of a folder, which has no name but its own word.

    Raises: `ValueError` if its configuration is no JSON object, or names a family that there is
        not.
    """
    try:
        config = json.loads((folder / CONFIG).read_bytes())
    except ValueError as error:
        raise ValueError(f"{CONFIG}: not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG}: must be a JSON object")  # noqa: TRY004 - a user's, not a bug
    model_type = config.get("model_type", "")
    if not isinstance(model_type, str):
        raise ValueError(f"{CONFIG}: model_type = {model_type!r}: must be text")  # noqa: TRY004 - as above
    said = config.get(FAMILY_SETTING)
    return family_of("folder", model_type, said if said is None else str(said))
