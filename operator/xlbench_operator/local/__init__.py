"""The local run: a plan's stages as trainer processes on this machine, into a folder.

`graph`, `board`, `schedule` and `rates` compute; `execute` starts processes and listens to them;
`display` shows what it hears; `trainer` finds what to start. Called by `xlbench run`.
"""
