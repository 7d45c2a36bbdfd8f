"""What users, the operator and the trainer of xlbench agree on.

Specs that people write, stage files that Jobs are given, manifests that stages leave. Pydantic and
the standard library only; it must import neither `xlbench_operator` nor `xlbench_trainer`, which
both import it.
"""
