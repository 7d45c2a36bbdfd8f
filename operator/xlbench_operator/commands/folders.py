"""Whether a folder that a command was told to fill can be filled, asked before work is begun.

Makes and writes nothing, so that a dry run can ask too. Called by `run` and `data fetch`.
"""

import os
from pathlib import Path


def check_fillable(folder: Path) -> None:
    """See that the folder, or the nearest one above it that is there, can be written in.

    Raises: `OSError` if it cannot.
    """
    whole = folder.absolute()
    there = next(each for each in (whole, *whole.parents) if os.path.lexists(each))
    if not there.is_dir():
        raise NotADirectoryError(f"{there} is not a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{there} may not be written in")
