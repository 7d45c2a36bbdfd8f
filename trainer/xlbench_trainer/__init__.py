"""Runs the stages of a plan: one recipe a file for encoder, prepare, train and evaluate.

Called as `xlbench-trainer STAGE_FILE`. It must import neither a Kubernetes client nor
`xlbench_operator`: what it is told and what it leaves is in `xlbench_specs`.
"""
