"""Watches, which wake and carry no state: a lost event costs time and nothing else.

A watch that breaks, in whatever way, is opened anew after a pause that grows, and everybody is
woken, as nobody knows what was missed. Called by `service`; one thread runs each watch.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from xlbench_specs.crd import KubeObject

from xlbench_operator.cluster.connection import ApiError, Connection, UnreachableError
from xlbench_operator.operating.loop import pause
from xlbench_operator.operating.reconcile import Key

LOG = logging.getLogger(__name__)

OPEN_S = 240
"""How long the server keeps a watch open, all being well."""
SILENCE_S = 150.0
"""Silence after which a watch is taken for dead: the server sends a bookmark about every minute."""
LONGEST_PAUSE_S = 15.0


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched, and whom its events wake."""

    path: str
    """Of the collection."""
    query: Mapping[str, str]
    """Such as a label selector."""
    keys: Callable[[KubeObject, str], Iterable[Key]]
    """Whom an object of this event type concerns."""
    wake: Callable[[Iterable[Key]], None]
    wake_all: Callable[[], None]


def watch(connection: Connection, watched: Watch, stop: threading.Event) -> None:
    """Watch until told to stop; runs in a thread of its own."""
    version, failures = "", 0
    while not stop.is_set():
        try:
            for seen in _versions(connection, watched, version, stop):
                version, failures = seen, 0
        except (ApiError, UnreachableError, ValueError, KeyError) as error:
            failures += 1
            pause_s = pause(failures, LONGEST_PAUSE_S)
            LOG.warning("watch broke: %s; again in %.1f s", error, pause_s)
            version = ""
            stop.wait(pause_s)
            watched.wake_all()


def _versions(
    connection: Connection, watched: Watch, version: str, stop: threading.Event
) -> Iterable[str]:
    """Wake for each event; the version that each leads to, from which a next watch goes on.

    Without a version the server begins with all that is there.
    """
    query = {
        **watched.query,
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(OPEN_S),
        **({"resourceVersion": version} if version else {}),
    }
    for event in connection.watch(watched.path, query=query, silence_s=SILENCE_S):
        if stop.is_set():
            return
        seen = event["object"]
        if event["type"] != "BOOKMARK":
            watched.wake(watched.keys(seen, event["type"]))
        yield seen["metadata"]["resourceVersion"]
