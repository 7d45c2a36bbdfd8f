"""The verbs of the command line `xlbench`, one module each; `cli` wires them."""
