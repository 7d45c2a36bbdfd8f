"""The two errors that the trainer tells from all others; `running` turns them into exit codes."""


class BadTaskError(Exception):
    """The task, its data or its parameters are wrong: trying again cannot help."""


class Interrupted(Exception):  # noqa: N818 - an order, not an error
    """A signal asked this process to stop; a checkpoint holds what was done."""
