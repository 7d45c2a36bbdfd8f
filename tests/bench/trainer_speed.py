"""The trainer against other loops: `make bench-trainer` measures, and writes JSON and a table.

Each loop takes its turn in a process of its own, all loops once a round, each round beginning
with another one; what is compared are turns of one round. All on one thread and in CPU time, so
that a busy machine disturbs little. Nothing is judged here: the tables go to docs/benchmarks.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from trainer_world import CASES, LANGUAGES, SHAPES, World

HERE = Path(__file__).parent
TURN_S = 1800
"""A turn that takes longer has hung."""
UPDATES = {
    "base": {"xtreme": 1, "hf-padded": 1, "hf-grouped": 3, "xlbench": 3},
    "small": {"xtreme": 3, "hf-padded": 6, "hf-grouped": 10, "xlbench": 10},
}
"""Updates of a turn that are counted, by shape and loop."""
LOOPS = {
    "train": ("xtreme", "hf-padded", "hf-grouped", "xlbench"),
    "evaluate": ("xtreme", "hf-8", "hf-32", "xlbench"),
}
MEMORY = {"train": ["peak GB"], "evaluate": []}
"""No peak of evaluation: our turn runs three Jobs in one process, to take the loading away."""
NAMES = {
    "xtreme": "XTREME's loop",
    "hf-padded": "Trainer, dynamic padding",
    "hf-grouped": "Trainer, grouped by length, tuned",
    "hf-8": "Trainer, batches of 8",
    "hf-32": "Trainer, batches of 32",
    "xlbench": "xlbench",
}
PER_LANGUAGE = ", ".join(
    f"{shape.per_language} examples of each at *{name}*" for name, shape in SHAPES.items()
)
VERSIONS = ("torch", "transformers", "accelerate", "numpy")


def main():
    """Measure what the arguments ask for; both files are written after each round."""
    asked = _arguments()
    asked.world.mkdir(parents=True, exist_ok=True)
    out = asked.out.with_suffix(".json")
    kept = json.loads(out.read_text())["turns"] if asked.append and out.is_file() else []
    places = [(shape, case) for shape in asked.shapes for case in asked.cases]
    for shape, case in places:
        World(asked.world, shape, case).make()
    first = 1 + max((turn["round"] for turn in kept), default=-1)
    for number in range(first, first + asked.rounds):
        for shape, case in places:
            for phase in asked.phases:
                loops = [loop for loop in LOOPS[phase] if loop in asked.loops]
                kept += _round(asked.world, phase, shape, case, number=number, loops=loops)
                found = {"machine": _machine(), "turns": kept}
                out.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
                asked.out.with_suffix(".md").write_text(page(found))


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", type=Path, required=True, help="folder for encoders and texts")
    parser.add_argument("--out", type=Path, required=True, help="files to write, without ending")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--phases", nargs="+", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--loops", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--append", action="store_true", help="add to the rounds of --out")
    return parser.parse_args()


def _round(
    world: Path, phase: str, shape: str, case: str, *, number: int, loops: list[str]
) -> Iterator[dict]:
    start = number % len(loops)
    for loop in loops[start:] + loops[:start]:
        place = {"phase": phase, "shape": shape, "case": case, "loop": loop, "round": number}
        words = [text for name, value in place.items() for text in (f"--{name}", str(value))]
        updates = UPDATES[shape][loop] if phase == "train" else 0
        done = subprocess.run(
            [
                *(sys.executable, HERE / "trainer_turn.py", "--world", world),
                *(*words, "--updates", str(updates)),
            ],
            env=os.environ | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
            stdout=subprocess.PIPE,
            timeout=TURN_S,
            check=True,
            text=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])  # the Trainer prints too
        sys.stderr.write(f"{place} {found['tokens'] / found['cpu_s']:.0f} tokens/s\n")
        yield {**place, **found}


def _machine() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0],
        "cores": os.cpu_count(),
        "threads": 1,
        "python": platform.python_version(),
        **{name: version(name) for name in VERSIONS},
    }


def page(found: dict) -> str:
    """The measurements as Markdown."""
    machine, turns = found["machine"], found["turns"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", *VERSIONS))
    parts = [
        "# The trainer against other loops\n",
        f"Machine: {machine['cpu']}, {machine['cores']} cores, one thread used; {versions}.",
        f"Load average of the machine, these turns among it: {_loads(turns)}.\n",
        WORDS,
    ]
    for phase in LOOPS:
        for shape in SHAPES:
            for case in CASES:
                chosen = [
                    turn
                    for turn in turns
                    if (turn["phase"], turn["shape"], turn["case"]) == (phase, shape, case)
                ]
                if chosen:
                    parts.append(_table(phase, shape, case, chosen))
    return "\n".join(parts)


WORDS = f"""Made by `make bench-trainer`; the JSON beside this page holds every turn. Random
weights, a vocabulary of 250,002 pieces, dropout 0.1, AdamW, batches of 32 examples, fp32. *base*:
12 layers x 768; *small*: 4 x 256. Texts, all real: *ha*: commands of `ha-intent`; *xnli*: pairs of
MultiNLI, and of XNLI for evaluation; *udpos*: sentences of XTREME's part-of-speech task. Evaluation
is of {LANGUAGES} languages, {PER_LANGUAGE}.

Each loop takes its turn in a process of its own, all loops once a round. A ratio is the median over
rounds of (real tokens a CPU second) / (the same of the rival in the same round), its range in
brackets. MFU: FLOPs of the model on real tokens / what torch's own matrix products of
1024 x 768 x 3072 reached in the same process; above 1 where a loop's are faster than torch's. Peak:
of the whole process, imports and loading included. The Trainer
grouped by length runs batches spread evenly over the fifty that it sorts together; the other loops
run the first of the same fifty as they were drawn.
"""


def _loads(turns: list[dict]) -> str:
    loads = sorted(turn["load"] for turn in turns if "load" in turn)
    if not loads:
        return "not noted"
    return f"{loads[0]:.0f} to {loads[-1]:.0f}, median {statistics.median(loads):.0f}"


def _table(phase: str, shape: str, case: str, turns: list[dict]) -> str:
    run = {turn["loop"] for turn in turns}
    by_loop = {
        loop: {turn["round"]: turn for turn in turns if turn["loop"] == loop}
        for loop in LOOPS[phase]
        if loop in run
    }
    rivals = [loop for loop in by_loop if loop != "xlbench"]
    lengths = sum(turn["tokens"] for turn in turns) / sum(turn["examples"] for turn in turns)
    unit = "s / 32 examples" if phase == "train" else "examples / s"
    against = [f"vs {NAMES[rival]}" for rival in rivals]
    head = ["loop", "rounds", unit, "real tokens / s", *against, "MFU", *MEMORY[phase]]
    word = {"train": "Training", "evaluate": "Evaluation"}[phase]
    return "\n".join(
        [
            f"## {word}, {shape}, {case}: {lengths:.1f} tokens an example\n",
            _cells(head),
            _cells(["---"] * len(head)),
            *(_cells(_row(phase, loop, by_loop, rivals)) for loop in by_loop),
            "",
        ]
    )


def _row(phase: str, loop: str, by_loop: dict, rivals: list[str]) -> list[str]:
    turns = by_loop[loop].values()
    speeds = [turn["examples"] / turn["cpu_s"] for turn in turns]
    pace = statistics.median(speeds)
    return [
        NAMES[loop],
        str(len(turns)),
        f"{32 / pace:.2f}" if phase == "train" else f"{pace:.1f}",
        f"{statistics.median(_rate(turn) for turn in turns):.0f}",
        *(_ratio(by_loop[loop], by_loop[rival]) for rival in rivals),
        f"{statistics.median(_utilisation(turn) for turn in turns):.2f}",
        *(
            f"{statistics.median(turn['peak_bytes'] for turn in turns) / 1e9:.2f}"
            for _ in MEMORY[phase]
        ),
    ]


def _ratio(mine: dict, other: dict) -> str:
    found = sorted(_rate(mine[number]) / _rate(other[number]) for number in mine.keys() & other)
    return f"{statistics.median(found):.2f} ({found[0]:.2f}-{found[-1]:.2f})"


def _rate(turn: dict) -> float:
    return turn["tokens"] / turn["cpu_s"]


def _utilisation(turn: dict) -> float:
    return turn["flops"] / turn["cpu_s"] / turn["probe_flops_per_s"]


def _cells(values: list[str]) -> str:
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    main()
