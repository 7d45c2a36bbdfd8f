"""The workshop: encoders and prepared sets of one process, loaded from the store once.

A Job runs many stages on the same encoder, so its weights stay in memory; what a model changes
of them is put in and taken out again. The only place that turns keys into loaded things.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from xlbench_specs.documents import Document
from xlbench_specs.manifests import Manifest
from xlbench_specs.stages import DROPOUT, EncoderParams, Kind, Stage, StageRuntime
from xlbench_specs.store import Store, finished, payload_file, payload_folder
from xlbench_specs.tasks import TaskKind

from xlbench_trainer import tokens
from xlbench_trainer.devices import ALONE, Devices
from xlbench_trainer.encoders import Encoder, load
from xlbench_trainer.frozen import frozen_outputs
from xlbench_trainer.models import Head, Heads, HeadShape
from xlbench_trainer.packing import Source
from xlbench_trainer.tokens import PreparedSet

MODEL_FILE, WEIGHTS_FILE, OPTIMIZER_FILE = (
    "model.json",
    "weights.safetensors",
    "optimizer.safetensors",
)
SNAPSHOT_WEIGHTS = "model.safetensors"
ENCODER, HEAD = "encoder.", "head."
ROWS, INDEX = "@rows", "@index"
"""Suffixes of an embedding of which only the rows that differ are stored."""


class MissingInputError(RuntimeError):
    """An input has no manifest; running its stage first helps."""


class StoredHead(Document):
    """A head in a train payload."""

    kind: TaskKind
    """Kind of the head's task."""
    labels: int
    """Number of outputs."""


class StoredModel(Document):
    """What a train payload says of its model: `model.json`."""

    encoder: str
    """Key of the encoder that the weights are relative to."""
    heads: dict[str, StoredHead]
    """Head of each task of the chain."""


@dataclass(frozen=True, slots=True)
class Model:
    """An encoder with the weights of one model in it, and its heads."""

    key: str
    encoder_key: str
    encoder: Encoder
    heads: Heads
    changed: frozenset[str]
    """Names of the encoder's parameters that differ from the snapshot's."""

    def frozen_depth(self, wanted: int) -> int:
        """So many of the `wanted` lowest layers, and the embeddings, are the snapshot's own."""
        if any(name.startswith("embeddings.") for name in self.changed):
            return 0
        depth = min(wanted, len(self.encoder.layers))
        layers = (name.split(".")[2] for name in self.changed if name.startswith("encoder.layer."))
        return min([depth, *(int(layer) for layer in layers)])


class Workshop:
    """What one process has loaded."""

    def __init__(
        self,
        store: Store,
        runtime: StageRuntime,
        stages: Sequence[Stage] = (),
        devices: Devices = ALONE,
    ) -> None:
        """Load from `store`; keep frozen outputs where `runtime` says, else for this process.

        `stages`: what this process is going to be asked for; `devices`: the processes that train
        together, this one among them.
        """
        self.store = store
        self.devices = devices
        self.runtime = runtime
        self.stages = stages
        self._own_scratch = None if runtime.scratch else TemporaryDirectory(prefix="xlbench-")
        self._encoders: dict[str, Encoder] = {}
        self._snapshots: dict[str, Mapping[str, Tensor]] = {}
        self._changed: dict[str, frozenset[str]] = {}
        self._sets: dict[str, PreparedSet] = {}
        self.answers: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
        """Evaluate key to what its model says of its data, where another stage asked it too."""

    def close(self) -> None:
        """Remove what was kept for this process alone."""
        if self._own_scratch is not None:
            self._own_scratch.cleanup()

    @property
    def scratch(self) -> Path:
        """Folder for what may be lost."""
        if self._own_scratch is not None:
            return Path(self._own_scratch.name)
        return Path(self.runtime.scratch or "")

    def manifest(self, stage: Stage, role: str) -> Manifest:
        """The manifest of an input; raises `MissingInputError`."""
        key = stage.inputs[role]
        kinds = _kinds_of(role)
        for kind in kinds:
            found = finished(self.store, kind, key)
            if found is not None:
                return found
        message = f"{stage.kind} stage {stage.key}: its input {role} = {key} has no manifest"
        raise MissingInputError(message)

    def prepared(self, manifest: Manifest) -> PreparedSet:
        """The prepared set of a finished prepare stage."""
        if manifest.key not in self._sets:
            names = {file.path for file in manifest.files} & {*tokens.FILES, *tokens.SOME_FILES}
            paths = {name: payload_file(self.store, manifest, name) for name in names}
            self._sets[manifest.key] = tokens.read(paths)
        return self._sets[manifest.key]

    def model(self, manifest: Manifest) -> Model:
        """The model that an encoder or train stage left, its weights put into the encoder."""
        if manifest.stage.kind == "encoder":
            encoder = self._encoder(manifest)
            self._put(manifest.key, {})
            return Model(manifest.key, manifest.key, encoder, Heads(), frozenset())
        stored = StoredModel.model_validate_json(
            payload_file(self.store, manifest, MODEL_FILE).read_bytes()
        )
        source = finished(self.store, "encoder", stored.encoder)
        if source is None:
            message = f"train stage {manifest.key}: its encoder {stored.encoder} has no manifest"
            raise MissingInputError(message)
        encoder = self._encoder(source)
        weights = load_file(payload_file(self.store, manifest, WEIGHTS_FILE))
        changed = self._put(stored.encoder, _of(weights, ENCODER))
        heads = _heads(stored, encoder, _of(weights, HEAD)).to(encoder.device)
        return Model(manifest.key, stored.encoder, encoder, heads, changed)

    def optimizer(self, manifest: Manifest) -> dict[str, Tensor]:
        """The optimiser state that a train stage left for the next; raises `NotFoundError`."""
        return load_file(payload_file(self.store, manifest, OPTIMIZER_FILE))

    def touched(self, encoder_key: str, names: frozenset[str]) -> None:
        """Note that training changes these parameters of the loaded encoder."""
        self._changed[encoder_key] = self._changed[encoder_key] | names

    def outputs(
        self,
        model: Model,
        depth: int,
        prepared: PreparedSet,
        data_keys: Sequence[str],
        examples: NDArray[np.int64] | None = None,
    ) -> Source | None:
        """Kept outputs of the model's `depth` lowest layers on a prepared set, or some of it.

        `data_keys`: the prepare stages whose sets it was joined from; `examples`: ascending numbers
        of those that will be asked for, None for all.
        """
        if depth == 0:
            return None
        return frozen_outputs(
            model.encoder,
            depth,
            prepared,
            None if examples is None else prepared.sequences_of(examples),
            encoder_key=model.encoder_key,
            data_keys=data_keys,
            scratch=self.scratch,
            scratch_bytes=self.runtime.scratch_bytes,
        )

    def snapshot(self, encoder_key: str) -> Mapping[str, Tensor]:
        """The parameters of an encoder as its snapshot has them, read when asked for."""
        return self._snapshots[encoder_key]

    def folder(self, manifest: Manifest) -> Path:
        """The snapshot's folder, its files verified."""
        return payload_folder(self.store, manifest, self.scratch / f"payload-{manifest.key}")

    def _encoder(self, manifest: Manifest) -> Encoder:
        key = manifest.key
        if key not in self._encoders:
            params = manifest.stage.params
            if not isinstance(params, EncoderParams):
                raise TypeError(manifest.stage.kind)
            folder = self.folder(manifest)
            self._encoders[key] = load(folder, params.model, DROPOUT)
            # Opened once and for all: a store's local copy may go when others need its room.
            self._snapshots[key] = _Snapshot(folder / SNAPSHOT_WEIGHTS)
            self._changed[key] = frozenset()
        return self._encoders[key]

    def _put(self, encoder_key: str, weights: Mapping[str, Tensor]) -> frozenset[str]:
        """Put a model's weights into the encoder, and the snapshot's where the model has none."""
        names = {name.removesuffix(ROWS) for name in weights if not name.endswith(INDEX)}
        snapshot = self.snapshot(encoder_key)
        parameters = dict(self._encoders[encoder_key].model.named_parameters())
        rows = {name.removesuffix(ROWS) for name in weights if name.endswith(ROWS)}
        with torch.no_grad():
            for name in (self._changed[encoder_key] - names) | rows:
                parameters[name].copy_(snapshot[name])
            for name in names - rows:
                parameters[name].copy_(weights[name])
            for name in rows:
                parameter = parameters[name]
                index, values = weights[name + INDEX].long(), weights[name + ROWS]
                parameter[index.to(parameter.device)] = values.to(parameter.device)
        self._changed[encoder_key] = frozenset(names)
        return frozenset(names)


class _Snapshot(Mapping[str, Tensor]):
    """Tensors of a safetensors file, by name, read when asked for."""

    def __init__(self, path: Path) -> None:
        """Open the file; a tensor is read when it is asked for."""
        self._file: Any = safe_open(path, framework="pt")  # the library is untyped
        self._names: list[str] = list(self._file.keys())

    def __getitem__(self, name: str) -> Tensor:
        """The tensor of that name."""
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Number of tensors."""
        return len(self._names)


def save_model(folder: Path, model: Model, snapshot: Mapping[str, Tensor]) -> None:
    """Write a train payload: the parameters in `model.changed` that differ, and all heads."""
    weights: dict[str, Tensor] = {}
    parameters = dict(model.encoder.model.named_parameters())
    for name in sorted(model.changed):
        by_row = parameters[name] is model.encoder.vocabulary
        tensor = parameters[name].detach().cpu()
        weights.update(_difference(name, tensor, snapshot[name], by_row=by_row))
    shapes = model.heads.shapes
    for task in sorted(shapes):
        for name, tensor in model.heads.get(task).state_dict().items():
            weights[f"{HEAD}{task}/{name}"] = tensor.detach().cpu().contiguous()
    save_file(weights, folder / WEIGHTS_FILE)
    stored = StoredModel(
        encoder=model.encoder_key,
        heads={
            task: StoredHead(kind=shape.kind, labels=shape.labels) for task, shape in shapes.items()
        },
    )
    (folder / MODEL_FILE).write_text(stored.text())


def _difference(name: str, tensor: Tensor, original: Tensor, *, by_row: bool) -> dict[str, Tensor]:
    """What to store of a parameter: nothing, the rows of an embedding that differ, or all."""
    if torch.equal(tensor, original):
        return {}
    if not by_row:
        return {ENCODER + name: tensor.contiguous()}
    rows = (tensor != original).any(dim=1).nonzero().reshape(-1)
    return {
        ENCODER + name + INDEX: rows.to(torch.int32),
        ENCODER + name + ROWS: tensor[rows].contiguous(),
    }


def _heads(stored: StoredModel, encoder: Encoder, weights: Mapping[str, Tensor]) -> Heads:
    heads = Heads()
    for task, shape in sorted(stored.heads.items()):
        head = Head(HeadShape(shape.kind, shape.labels), encoder, DROPOUT)
        head.load_state_dict(_of(weights, f"{task}/"))
        heads.put(task, head)
    return heads


def _of(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in weights.items()
        if name.startswith(prefix)
    }


def _kinds_of(role: str) -> tuple[Kind, ...]:
    match role:
        case "init" | "model":
            return ("train", "encoder")
        case "tokeniser":
            return ("encoder",)
        case _:
            return ("prepare",)
