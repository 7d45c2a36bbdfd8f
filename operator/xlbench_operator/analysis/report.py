"""The report of an experiment: built from a plan and a store, written beside the plan.

`build_report` reads and computes, `publish` writes and commits; what lies between is pure. Called
by `xlbench run` at its end, by `xlbench report`, and by the operator's report Job. Nothing here
trains, and nothing needs the trainer.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from xlbench_specs import drill, layout
from xlbench_specs.documents import digest
from xlbench_specs.experiment import Analysis
from xlbench_specs.manifests import FileEntry, Manifest, Provenance, ReportRecord
from xlbench_specs.plans import Plan
from xlbench_specs.results import PROVENANCE_FILE, RESULTS_FILE, SUMMARY_FILE, Summary
from xlbench_specs.runs import ReportProvenance
from xlbench_specs.stages import Stage
from xlbench_specs.store import Store, commit
from xlbench_specs.tasks import Task, task_table

from xlbench_operator.analysis import run_tables, score_tables
from xlbench_operator.analysis.entries import MINUS, Table, duration, metric_names
from xlbench_operator.analysis.evidence import Evidence, read_evidence
from xlbench_operator.analysis.figures import figures
from xlbench_operator.analysis.provenance import provenance_of
from xlbench_operator.analysis.resampling import RESAMPLES
from xlbench_operator.analysis.rows import results_table
from xlbench_operator.analysis.summary import summarise
from xlbench_operator.analysis.wording import points


@dataclass(frozen=True)
class Report:
    """Everything a finished experiment leaves for people."""

    stage: Stage
    """The report stage: its key names the plan, the analysis and how every score came out."""
    summary: Summary
    provenance: ReportProvenance
    results: pa.Table
    figures: Mapping[str, str]
    """Name to SVG."""
    markdown: str
    html: str

    @property
    def sentences(self) -> list[str]:
        """The answer on each encoder."""
        return [answer.sentence for answer in self.summary.answers]

    def files(self) -> dict[str, bytes]:
        """Name to content of every file of the report."""
        parquet = io.BytesIO()
        pq.write_table(self.results, parquet)
        return {
            RESULTS_FILE: parquet.getvalue(),
            SUMMARY_FILE: self.summary.text().encode(),
            PROVENANCE_FILE: self.provenance.text().encode(),
            "report.md": self.markdown.encode(),
            "report.html": self.html.encode(),
            **{f"figures/{name}.svg": svg.encode() for name, svg in self.figures.items()},
        }


def build_report(
    store: Store,
    plan: Plan,
    *,
    analysis: Analysis | None = None,
    tasks: Mapping[str, Task] | None = None,
    resamples: int = RESAMPLES,
) -> Report:
    """Read what the plan's stages left and say what it means; writes nothing.

    Args:
        store: Where the manifests are.
        plan: The plan, as stored.
        analysis: What is compared; default: what the plan was accepted with.
        tasks: The task table; default: the packaged one.
        resamples: Joint resamples of the test items.

    Raises:
        CorruptError: A payload file is not the one its manifest names.
    """
    evidence = read_evidence(store, plan)
    return report_of(
        evidence,
        task_table() if tasks is None else tasks,
        plan.spec.spec.analysis if analysis is None else analysis,
        resamples=resamples,
    )


def report_of(
    evidence: Evidence, tasks: Mapping[str, Task], analysis: Analysis, *, resamples: int
) -> Report:
    """The report as a pure function of evidence."""
    plan, evaluated = evidence.plan, evidence.plan.stages_of("evaluate")
    summary = summarise(evidence, tasks, analysis, resamples=resamples)
    provenance = provenance_of(evidence, digest(analysis.plain()))
    drawn = figures(summary, provenance)
    page = _page(summary, provenance, drawn)
    templates = _templates()
    return Report(
        stage=plan.report_stage(analysis, {key: evidence.statuses[key] for key in evaluated}),
        summary=summary,
        provenance=provenance,
        results=results_table(evidence, tasks, summary.design.metrics),
        figures=drawn,
        markdown=templates.get_template("report.md.j2").render(page),
        html=templates.get_template("report.html.j2").render(page),
    )


def publish(store: Store, plan: Plan, report: Report, made: Provenance, attempt: str) -> str:
    """Copy the report's files beside the plan and commit its stage.

    The copies may be replaced by those of a later report; the stage's payload is not. They come
    before the manifest: once that is there, nobody on a cluster makes this report again.

    Returns:
        The experiment's folder in the store, which holds `report.html`.
    """
    files = report.files()
    payload = layout.payload("report", report.stage.key, attempt)
    for name, data in files.items():
        store.put(f"{payload}/{name}", data)
    entries = [
        FileEntry(path=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        for name, data in sorted(files.items())
    ]
    manifest = Manifest(
        key=report.stage.key,
        stage=report.stage,
        attempt=attempt,
        files=entries,
        record=ReportRecord(verdict=" ".join(report.sentences)),
        provenance=made,
    )
    drill.point("report")
    folder = layout.experiment(plan.name, plan.uid)
    for name, data in files.items():
        store.put(f"{folder}/{name}", data)
    drill.point("copies")
    commit(store, manifest)
    return folder


def _page(
    summary: Summary, provenance: ReportProvenance, drawn: Mapping[str, str]
) -> dict[str, object]:
    """What the templates are given."""
    encoders = [answer.encoder for answer in summary.answers]
    tests = list(dict.fromkeys((row.target, row.task) for row in summary.cells))
    return {
        "summary": summary,
        "provenance": provenance,
        "figures": {name: Markup(svg) for name, svg in drawn.items()},  # noqa: S704
        "encoders": [
            {
                "answer": answer,
                "schedules": score_tables.schedules_table(summary, provenance, answer.encoder),
                "scopes": score_tables.scopes_table(summary, answer.encoder),
                "tests": [
                    {
                        "task": task,
                        "figure": f"languages-{answer.encoder}-{target}-{task}",
                        "languages": score_tables.languages_table(
                            summary, answer.encoder, target, task
                        ),
                        "others": score_tables.other_metric_tables(
                            summary, answer.encoder, target, task
                        ),
                        "seeds": score_tables.seeds_table(summary, answer.encoder, target, task),
                    }
                    for target, task in tests
                ],
            }
            for answer in summary.answers
        ],
        "metrics": metric_names(summary),
        "several": len(encoders) > 1,
        "ledger": run_tables.ledger_table(summary),
        "forgetting": run_tables.forgetting_table(summary),
        "probes": score_tables.probes_table(summary),
        "xtreme_r": score_tables.xtreme_r_table(summary),
        "contamination": run_tables.contamination_table(summary),
        "collapsed": run_tables.collapsed_table(summary),
        "missing": run_tables.missing_table(summary),
        "costs": run_tables.costs_table(provenance),
    }


def _templates() -> Environment:
    """The templates with the filters they use."""
    environment = Environment(
        loader=PackageLoader("xlbench_operator.analysis"),
        autoescape=select_autoescape(enabled_extensions=("html.j2",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = _typeset
    environment.filters["markdown"] = _markdown
    environment.filters["points"] = points
    environment.filters["duration"] = duration
    return environment


def _typeset(text: str) -> Markup:
    """Text for the page: true minus signs before numbers and between names, unbroken units."""
    shown = text.replace(" - ", f" {MINUS} ")
    if shown[:1] == "-" and shown[1:2].isdigit():
        shown = MINUS + shown[1:]
    return escape(
        shown.replace("[-", f"[{MINUS}").replace(", -", f", {MINUS}").replace("= -", f"= {MINUS}")
    )


def _markdown(table: Table) -> str:
    """A table as GitHub's Markdown."""

    def line(entries: Sequence[str]) -> str:
        return "| " + " | ".join(entry.replace("|", "\\|") for entry in entries) + " |"

    rules = ["---:" if column.numeric else "---" for column in table.columns]
    heads = [column.label for column in table.columns]
    rows = [[entry.text for entry in row] for row in table.rows]
    return "\n".join(line(row) for row in (heads, rules, *rows))
