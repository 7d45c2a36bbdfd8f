"""The languages that the platform knows, and the groups that a spec can name.

The table is data (`data/languages.json`, with its sources); this module reads it and adds nothing.
Groups are frozen lists: a group whose members change gets a new version, and the plan holds the
members themselves. Called by the checks, the planner and the report.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from xlbench_specs.documents import Document
from xlbench_specs.errors import SpecError
from xlbench_specs.experiment import LanguageCode
from xlbench_specs.suggestions import unknown

ENGLISH = "en"
LOW_RESOURCE_CLASS = 2
"""Languages of this Joshi class and below count as low-resource."""


class Language(Document):
    """What is known of a language; None is "not known", never a guess."""

    code: LanguageCode
    """BCP-47, shortest subtag; with a script only where a task has the language in two."""
    name: str
    """English name."""
    family: str
    """Language family."""
    branch: str | None
    """Branch of the family, for Indo-European languages."""
    script: Annotated[str, Field(pattern=r"^[A-Z][a-z]{3}$")]
    """ISO 15924 code of the script it is written in here."""
    joshi_class: Annotated[int, Field(ge=0, le=5)] | None
    """Resource class, 0 (none) to 5 (most). Source: Joshi et al. 2020, see the table's sources."""
    cc100_mb: Annotated[float, Field(gt=0)] | None
    """Compressed size of its part of the recreated CC-100 corpus, in MB."""
    mbert: bool | None
    """Whether multilingual BERT (cased) was pre-trained on it."""
    xlm_r: bool | None
    """Whether XLM-R was pre-trained on it."""
    xtreme_r: bool
    """Whether it is one of XTREME-R's fifty."""

    @property
    def low_resource(self) -> bool | None:
        """Whether its class is 2 or below; None where the class is not known."""
        return None if self.joshi_class is None else self.joshi_class <= LOW_RESOURCE_CLASS


class Group(Document):
    """A frozen, named, versioned list of languages. English is in none."""

    name: str
    """What a spec calls it."""
    version: Annotated[int, Field(ge=1)]
    """Raised when the members change."""
    definition: str
    """What the members have in common, in words."""
    languages: tuple[LanguageCode, ...]
    """The members, sorted."""


class _Table(Document):
    schema_version: Literal[1]
    sources: dict[str, str]
    languages: tuple[Language, ...]
    groups: tuple[Group, ...]


_TABLE = _Table.model_validate_json(
    files("xlbench_specs").joinpath("data/languages.json").read_bytes()
)

LANGUAGES: Mapping[str, Language] = MappingProxyType({row.code: row for row in _TABLE.languages})
"""Every language of the table, by code."""

GROUPS: Mapping[str, Group] = MappingProxyType({row.name: row for row in _TABLE.groups})
"""Every group, in its newest version, by name."""


def group(name: str, *, path: str = "spec.languages.group") -> Group:
    """The group of that name, in its newest version.

    Raises: `SpecError` at `path` for a name that is no group's, listing the valid ones.
    """
    try:
        return GROUPS[name]
    except KeyError:
        raise SpecError.at(path, name, unknown("language group", name, GROUPS)) from None


def low_resource_count(codes: Iterable[str]) -> int:
    """How many of these languages are known to be of Joshi class 2 or below."""
    return sum(LANGUAGES[code].low_resource is True for code in codes)
