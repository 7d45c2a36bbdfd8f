"""How long planning takes and how much memory: `make bench` prints it, nothing judges it.

The goal is 10,000 stages in under 2 s and 300 MiB. Each size is planned in a process of its own,
so that the peak is that plan's and not the largest's.
"""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, resource, sys, time
from xlbench_operator.planning.plan import local_uid, make_plan
from xlbench_specs.experiment import ExperimentSpec
from xlbench_specs.tasks import task_table

target = {"task": "$target"}
slots, names = {"task": "ha-slots"}, {"task": "cldr-names"}
chain = [{"tasks": [slots]}, {"tasks": [names]}, {"tasks": [target]}]
schedules = [{"name": "sequential", "orders": {"mode": "per-seed"}, "phases": chain}] + [
    {"name": f"control-{n}", "role": "control", "phases": [{"tasks": [target], "updates": 60 + n}]}
    for n in range(int(sys.argv[1]))
]
document = ExperimentSpec.parse({
    "apiVersion": "xlbench.dev/v1alpha1", "kind": "ExperimentSpec", "metadata": {"name": "bench"},
    "spec": {
        "encoders": [{"name": "e5", "model": "builtin/e5-small-q4"}],
        "targets": [{"task": "ha-intent"}], "languages": {"all": True}, "seeds": list(range(10)),
        "schedules": schedules, "budget": {"intermediate": 120, "target": 60},
    },
})
table = task_table()
before_s, before_kib = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
plan = make_plan(document, table, uid=local_uid(document))
planned_s = time.perf_counter() - before_s
text = plan.text()
total_s = time.perf_counter() - before_s
peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
mib = [before_kib / 2**10, peak_kib / 2**10, len(text) / 2**20]
print(json.dumps([len(plan.stages), planned_s, total_s, *mib]))
"""
COLUMNS = ("stages", "plan s", "with text s", "imports MiB", "peak MiB", "plan.json MiB")


@pytest.mark.bench
def test_planning_grows_with_the_number_of_stages(capsys):
    with capsys.disabled():
        print("\n" + "".join(f"{column:>15}" for column in COLUMNS))  # noqa: T201
        for schedules in (1, 5, 20, 40):
            done = subprocess.run(
                [sys.executable, "-c", PROGRAM, str(schedules)], capture_output=True, check=True
            )
            stages, *rest = json.loads(done.stdout)
            print(f"{stages:>15,}" + "".join(f"{each:>15.2f}" for each in rest))  # noqa: T201
