"""XTREME-R's means of tasks and groups, and what keeps ours from being XTREME-R's. Pure.

Means are taken as XTREME-R's own script takes them: over the languages of a task, English among
them, then over the tasks of a group, every one alike. Three quirks of the script stand in the
table and are kept: XCOPA is in two groups, LAReQA in none, and for questions the mean of F1 and
exact match counts. One is not: the script lists no language for LAReQA, and so never comes to its
mean of all tasks. Called by `xlbench_operator.analysis.summary`.

Source: google-research/xtreme 838c13b6, `evaluate.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from xlbench_specs.results import BenchmarkMean, CellScores, ScheduleScores, rounded


class Member(NamedTuple):
    """A task of XTREME-R."""

    task: str
    """Our row."""
    languages: frozenset[str]
    """Languages that its mean is taken over."""
    metrics: tuple[str, ...]
    """What is averaged in a language."""
    differs: str | None = None
    """What makes our score another than XTREME-R's; None: nothing that is known."""


def _member(
    task: str, languages: str, metrics: tuple[str, ...], differs: str | None = None
) -> Member:
    return Member(task, frozenset(languages.split(",")), metrics, differs)


_SQUAD = ("squad_f1", "squad_em")
_SUBSTITUTE = "trained on squadshifts-wiki, which is not SQuAD"
MEMBERS: Mapping[str, Member] = {
    "XNLI": _member(
        "xnli",
        "ar,bg,de,el,en,es,fr,hi,ru,sw,th,tr,ur,vi,zh",
        ("accuracy",),
        "trained on mnli-dev20k, which is not MultiNLI",
    ),
    "XCOPA": _member(
        "xcopa",
        "et,ht,id,it,qu,sw,ta,th,tr,vi,zh",
        ("accuracy",),
        "what is asked is put right where the published files are wrong",
    ),
    "UD-POS": _member(
        "udpos",
        "af,ar,bg,de,el,en,es,et,eu,fa,fi,fr,he,hi,hu,id,it,ja,kk,ko,mr,nl,pt,ru,ta,te,th,tl,tr,"
        "ur,vi,yo,zh,lt,pl,uk,wo,ro",
        ("xtreme_f1",),
        "test tags are ToPro's, and German and Russian are Universal Dependencies' own files",
    ),
    "WikiANN-NER": _member(
        "wikiann",
        "ar,he,vi,id,jv,ms,tl,eu,ml,ta,te,af,nl,en,de,el,bn,hi,mr,ur,fa,fr,it,pt,es,bg,ru,ja,ka,"
        "ko,th,sw,yo,my,zh,kk,tr,et,fi,hu,qu,pl,uk,az,lt,pa,gu,ro",
        ("span_f1",),
        "scored on PAN-X's development data",
    ),
    "XQuAD": _member("xquad", "en,es,de,el,ru,tr,ar,vi,th,zh,hi,ro", _SQUAD, _SUBSTITUTE),
    "MLQA": _member(
        "mlqa",
        "en,es,de,ar,hi,vi,zh",
        ("mlqa_f1", "mlqa_em"),
        f"{_SUBSTITUTE}; scored on its development data",
    ),
    "TyDiQA-GoldP": _member("tydiqa", "en,ar,bn,fi,id,ko,ru,sw,te", _SQUAD),
    "Tatoeba": _member(
        "tatoeba",
        "ar,he,vi,id,jv,tl,eu,ml,ta,te,af,nl,de,el,bn,hi,mr,ur,fa,fr,it,pt,es,bg,ru,ja,ka,ko,th,"
        "sw,zh,kk,tr,et,fi,hu,az,lt,pl,uk,ro",
        ("accuracy_from_english",),
        "of the vectors that the encoder's family is compared by; XTREME-R's are of layer 8",
    ),
    "LAReQA": _member(
        "lareqa",
        "ar,de,el,en,es,hi,ru,th,tr,vi,zh",
        ("map_at_20",),
        "not trained for; searched in nine of eleven languages; a mean of languages, not of all "
        "questions",
    ),
    "Mewsli-X": _member("mewsli-x", "ar,de,en,es,fa,ja,pl,ro,ta,tr,uk", ("map_at_20",)),
}
"""The ten tasks by their published names."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "classification": ("XNLI", "XCOPA"),
    "tagging": ("UD-POS", "WikiANN-NER"),
    "question answering": ("XQuAD", "MLQA", "TyDiQA-GoldP"),
    "retrieval": ("Tatoeba", "Mewsli-X"),
    "multiple choice": ("XCOPA",),
    "all tasks": tuple(MEMBERS),
}
"""Groups by name; the last has all."""

LEAST = 2
"""Tasks of XTREME-R that an experiment must score before their means are of any use."""


def benchmark_means(cells: Sequence[CellScores]) -> list[BenchmarkMean]:
    """The means of every schedule on every encoder; none where fewer than `LEAST` tasks are."""
    targets = {cell.task for cell in cells if cell.task == cell.target}
    if len(targets & {member.task for member in MEMBERS.values()}) < LEAST:
        return []
    pairs = dict.fromkeys((cell.encoder, row.schedule) for cell in cells for row in cell.schedules)
    return [mean for encoder, schedule in pairs for mean in _means(cells, encoder, schedule)]


def _means(cells: Sequence[CellScores], encoder: str, schedule: str) -> Iterator[BenchmarkMean]:
    """Tasks that are scored, then the groups that have one of them."""
    tasks = {}
    for name, member in MEMBERS.items():
        scores = _scores(cells, encoder, schedule, member)
        if scores:
            tasks[name] = BenchmarkMean(
                encoder=encoder,
                schedule=schedule,
                name=name,
                value=rounded(sum(scores) / len(scores)),
                scored=len(scores),
                planned=len(member.languages),
                differs=[member.differs] if member.differs else [],
            )
    yield from tasks.values()
    for name, members in GROUPS.items():
        there = [tasks[each] for each in members if each in tasks]
        if there:
            missing = [each for each in members if each not in tasks]
            values = [each.value for each in there if each.value is not None]
            yield BenchmarkMean(
                encoder=encoder,
                schedule=schedule,
                name=name,
                value=None if missing else rounded(sum(values) / len(values)),
                scored=len(there),
                planned=len(members),
                differs=[f"{each}: {why}" for each in members for why in _differs(tasks.get(each))],
                missing=missing,
            )


def _differs(mean: BenchmarkMean | None) -> Iterator[str]:
    """What makes a task's mean another than XTREME-R's."""
    if mean is None:
        return
    yield from mean.differs
    if mean.scored < mean.planned:
        yield f"{mean.scored} of {mean.planned} languages"


def _scores(
    cells: Sequence[CellScores], encoder: str, schedule: str, member: Member
) -> list[float]:
    """The score of every language that has one in every metric that is averaged."""
    found = []
    for cell in cells:
        if (cell.encoder, cell.target, cell.task) != (encoder, member.task, member.task):
            continue
        for row in cell.schedules:
            values = [_value(cell, row, metric) for metric in member.metrics]
            known = [value for value in values if value is not None]
            if row.schedule == schedule and cell.language in member.languages and known == values:
                found.append(sum(known) / len(known))
    return found


def _value(cell: CellScores, row: ScheduleScores, metric: str) -> float | None:
    return row.mean if metric == cell.metric else row.other_metrics.get(metric)
