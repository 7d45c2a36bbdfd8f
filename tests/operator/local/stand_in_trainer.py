"""A trainer without torch: speaks the contract, and misbehaves when a file in ORDERS says so.

Usage: stand_in_trainer.py ORDERS --store URL STAGE_FILE. The file ORDERS/<key> holds one word a
line, the first one is for the next time the stage is begun: ok, fail, hopeless, crash, vanish
(exit 0 without a manifest), refuse (exit 65), slow (half a second), hang (until SIGTERM), babble.
"""

import json
import os
import signal
import sys
import time
import uuid
from pathlib import Path

from finished_stages import failure_of, manifest_of
from xlbench_specs import layout
from xlbench_specs.exits import TrainerExit
from xlbench_specs.stages import StageFile
from xlbench_specs.store import commit, finished, open_store


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Trainer:
    def __init__(self, orders, url, path):
        self.orders = Path(orders)
        self.store = open_store(url)
        self.file = StageFile.model_validate_json(self.store.read(path).data)
        self.stopping = False
        self.lost, self.done = set(), set()
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *_):
        self.stopping = True

    def say(self, stage, event, **facts):
        say(json.dumps({"event": event, "stage": stage.key, **facts}))

    def word(self, stage):
        """The next order for a stage, which is taken away."""
        path = self.orders / stage.key
        if not path.is_file():
            return "ok"
        first, *rest = path.read_text().split("\n")
        path.write_text("\n".join(rest)) if rest else path.unlink()
        return first

    def run(self):
        for stage in self.file.stages:
            self.say(stage, "begin")
            with (self.orders / "begun").open("a") as log:
                log.write(f"{os.getpid()} {stage.key}\n")
            if finished(self.store, stage.kind, stage.key):
                self.say(stage, "reused")
            elif self.lost & set(stage.inputs.values()):
                self.lost.add(stage.key)
                self.say(stage, "skipped")
            elif not self.obey(stage):
                return TrainerExit.INTERRUPTED
        if not self.lost:
            return TrainerExit.DONE
        return TrainerExit.PARTIAL if self.done else TrainerExit.FAILED

    def obey(self, stage):  # noqa: C901 - a table of misfortunes
        """Do what is ordered at a stage; False if a signal came."""
        match word := self.word(stage):
            case "fail" | "hopeless":
                said = "Traceback\nValueError: no luck"
                failure = failure_of(stage, retryable=word == "fail", message=said)
                path = layout.failure(self.file.experiment, stage.key)
                self.store.put(path, failure.text().encode())
                self.lost.add(stage.key)
                self.say(stage, "failed")
                return True
            case "crash":
                sys.stderr.write("about to crash\n")
                os.kill(os.getpid(), signal.SIGKILL)
            case "vanish":
                sys.exit(0)
            case "refuse":
                sys.exit(TrainerExit.WRONG_RECIPE)
            case "babble":
                for line in ("not json", '{"event": 3}', "[]", '{"event": "done", "stage": "x"}'):
                    say(line)
                self.say(stage, "done")  # a lie: there is no manifest yet
            case "slow":
                time.sleep(0.5)
            case "hang":
                while not self.stopping:
                    time.sleep(0.02)
        if self.stopping:
            return False
        self.finish(stage)
        return True

    def finish(self, stage):
        self.say(stage, "step", done=1, total=2)
        commit(self.store, manifest_of(stage, uuid.uuid4().hex))
        self.done.add(stage.key)
        self.say(stage, "done")


if __name__ == "__main__":
    folder, _, url, path = sys.argv[1:]
    sys.exit(Trainer(folder, url, path).run())
