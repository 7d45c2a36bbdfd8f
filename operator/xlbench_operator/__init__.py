"""Plans experiments, runs them, and says what came out; also the command line `xlbench`.

A pure core (spec -> plan -> decision -> objects) in a thin shell (store, processes, API server).
It must import neither torch nor `xlbench_trainer`: it meets the trainer in `xlbench_specs` only.
"""
