"""`django-messages`: find the English original of a message of Django's interface.

Retrieval without training: the pool is all English originals of the same file, so accuracy is
conditional on the language's pool. Read from the compiled catalogues; Django is not imported.
"""

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel.messages.mofile import read_mo
from xlbench_specs.tasks import TaskKind

from xlbench_trainer.tasks.examples import Example, example
from xlbench_trainer.tasks.packages import PINS, package_folder
from xlbench_trainer.tasks.streams import digest

PACKAGES = {name: PINS[name] for name in ("babel", "django")}
REVISION = f"django-{PINS['django']}+messages-1"
LICENCE = "BSD-3-Clause (Django and its translators)"

MIN_MESSAGES = 200
MIN_PAIRS = 90

_LOCALES = {"zh": "zh_Hans"}
"""Our code to Django's, where they differ; regional variants are left out."""


KIND: TaskKind = "retrieval"
SPLITS: tuple[str, ...] = ("test",)


def labels() -> tuple[str, ...]:
    """None: the answer is another text of the pool."""
    return ()


@cache
def candidates() -> tuple[str, ...]:
    """Codes of the languages that the source has."""
    folders = (package_folder("django", "django") / "conf" / "locale").iterdir()
    plain = {folder.name for folder in folders if folder.is_dir() and "_" not in folder.name}
    return tuple(sorted((plain | set(_LOCALES)) - {"en", "__pycache__"}))


def why_excluded(language: str) -> str | None:
    """Why a language is not tested, or None."""
    messages, pairs = len(_messages(language)), len(_pairs(language))
    if messages < MIN_MESSAGES:
        return f"{messages} messages, fewer than {MIN_MESSAGES}"
    if pairs < MIN_PAIRS:
        return f"{pairs} messages of two words or more, fewer than {MIN_PAIRS}"
    return None


def load(split: str, language: str) -> list[Example]:  # noqa: ARG001 - the one split is `test`
    """All examples of a split in a language."""
    found = []
    for english, translated in _pairs(language):
        message_id = digest(english)[:16]
        found.append(
            example(
                [translated, english],
                language=language,
                parallel_id=message_id,
                cluster_id=f"{language}:{message_id}",
            )
        )
    return found


@cache
def _messages(language: str) -> Mapping[str, str]:
    """English to translation, of messages without placeholders and markup."""
    found: dict[str, str] = {}
    for path in _catalogues(language):
        with path.open("rb") as file:
            for message in read_mo(file):
                if isinstance(message.id, str) and isinstance(message.string, str):
                    found.setdefault(message.id, message.string)
    return {
        english: translated
        for english, translated in sorted(found.items())
        if english and translated and not set("%{}<>&\n") & set(english)
    }


def _catalogues(language: str) -> list[Path]:
    pattern = f"locale/{_LOCALES.get(language, language)}/LC_MESSAGES/django.mo"
    django = package_folder("django", "django")
    return [django / "conf" / pattern, *sorted((django / "contrib").glob(f"*/{pattern}"))]


@cache
def _pairs(language: str) -> tuple[tuple[str, str], ...]:
    """The messages of two words or more that are translated, each to a text of its own."""
    messages = _messages(language)
    uses = Counter(translated.casefold() for translated in messages.values())
    return tuple(
        (english, translated)
        for english, translated in messages.items()
        if len(english.split()) > 1
        and translated.casefold() != english.casefold()
        and uses[translated.casefold()] == 1
    )
