"""The smallest experiment: as a file, for commands, and as an object, for operator and clusters.

One encoder, one target, one arm, one seed, one language beside English: eight stages and the
report.
"""

SMALL = """
apiVersion: xlbench.dev/v1alpha1
kind: ExperimentSpec
metadata: {name: small}
spec:
  encoders: [{name: tiny, model: builtin/random-tiny}]
  targets: [{task: ha-intent}]
  languages: {codes: [cy]}
  seeds: [1]
  schedules: [{name: target-only, phases: [{tasks: [{task: $target}]}]}]
  budget: {target: 4}
"""


def small_spec(name="small", languages=("af",), **fields):
    """The object; `fields` replace those of its `spec`. Golden Jobs are made from it."""
    return {
        "apiVersion": "xlbench.dev/v1alpha1",
        "kind": "ExperimentSpec",
        "metadata": {"name": name},
        "spec": {
            "encoders": [{"name": "e5-small", "model": "builtin/e5-small-q4"}],
            "targets": [{"task": "ha-intent"}],
            "languages": {"codes": list(languages)},
            "seeds": [1],
            "schedules": [{"name": "plain", "phases": [{"tasks": [{"task": "$target"}]}]}],
            "budget": {"target": 10},
            **fields,
        },
    }
