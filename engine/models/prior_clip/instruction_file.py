"""Files of PriorCLIP in the open domain, and how a model comes from one, or is made fresh on a backbone."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from engine.errors import ModelError
from engine.models.catalogue import Channels
from engine.models.checkpoint import StateDict, load_strictly, read_state_dict
from engine.models.clip_backbone import BackboneIdentity, BackboneSource, BuiltClip, build_clip, seeded
from engine.models.prior_clip.instruction import require_tower
from engine.models.prior_clip.instruction_network import TEMPERATURE, PriorClip, clip_of
from engine.models.prior_clip.scene_prior import ScenePrior
from engine.models.trained_file import (
    BackboneRecord,
    backbone_fields,
    read_trained_record,
    require_backbone,
    save_trained,
)

FORMAT = "mpsclip-prior-1"
PREFIX = "prior_clip:"
_SCENE = "scene."


class PriorRecord(BackboneRecord):
    """The metadata of a file, besides those of :class:`BackboneRecord`.

    Attributes:
        whole: the file holds the CLIP too, trained; else its instruction alone.
        prior_width: P of the scene prior; 0: there is none.
        scenes: names of what it tells apart, in the order of its logits.
        scene_accuracy: share of val's scenes that it names, percent; None: not measured.
    """

    whole: bool
    prior_width: int
    scenes: tuple[str, ...]
    scene_accuracy: float | None = None

    @classmethod
    def of(cls, built: BuiltClip | BuiltPriorClip, scene: SceneReading | None, *, whole: bool) -> PriorRecord:
        return cls(
            **backbone_fields(built.backbone, built.mean, built.std),
            whole=whole,
            prior_width=0 if scene is None else scene.prior.hidden.out_features,
            scenes=() if scene is None else scene.scenes,
            scene_accuracy=None if scene is None else scene.accuracy,
        )


class SceneReading(NamedTuple):
    """A trained scene prior, the names of its scenes, and the share of val's that it names (percent, or None)."""

    prior: ScenePrior
    scenes: tuple[str, ...]
    accuracy: float | None


class BuiltPriorClip(NamedTuple):
    """A model and what belongs to it: images are squares of ``image_size`` pixels, normalised by mean and std."""

    model: PriorClip
    tokenizer: Any
    backbone: BackboneIdentity
    image_size: int
    mean: Channels
    std: Channels
    scene: SceneReading | None


def build_backbone(source: BackboneSource) -> BuiltClip:
    """The backbone on the CPU, nothing attached; the global generator is left as it was.

    Raises:
        UsageError: open_clip does not know the architecture, or cannot build it.
        ModelError: it has no fitting ViT, or its file cannot be read or does not fit.
    """
    with seeded(source.seed):
        return build_clip(source, require_tower)


def assemble(
    built: BuiltClip,
    scene: SceneReading | None,
    *,
    seed: int = 0,
    start: Path | None = None,
    temperature: float = TEMPERATURE,
) -> BuiltPriorClip:
    """A PriorCLIP with a fresh instruction on a backbone of :func:`build_backbone`, which is taken over.

    Args:
        built: the backbone; its image tower as it is now becomes the observer.
        scene: the prior; None: no instruction.
        seed: of the instruction.
        start: a file of an earlier stage whose CLIP is gone on with; its instruction and temperatures too, where it
            has the same scene prior.
        temperature: τ at the start.

    Raises:
        ModelError: ``start`` stands on another backbone, or holds no CLIP.
    """
    clip = built.clip
    observer = None if scene is None else deepcopy(clip.visual)
    record = state = None
    if start is not None:
        record, state = read_prior(start)
        require_backbone(record, built.backbone, start, PREFIX)
        load_strictly(clip, clip_of(state, start), start)
    with seeded(seed):
        model = PriorClip(clip, observer, None if scene is None else scene.prior, temperature)
    if record is not None and state is not None and start is not None and _same_scene(state, scene):
        model.load_trained_state_dict(state, start, whole=True)
    return BuiltPriorClip(model, *built[1:], scene)


def save_prior(path: Path, built: BuiltPriorClip, *, whole: bool) -> None:
    """Writes what was trained; an existing file is replaced, and never left half written.

    Args:
        path: ends in ``.safetensors``.
        built: the model and its backbone's identity.
        whole: with the CLIP, because it was trained too.

    Raises:
        OutputError: the file cannot be written.
    """
    record = PriorRecord.of(built, built.scene, whole=whole)
    save_trained(path, built.model.trained_state_dict(whole=whole), FORMAT, record)


def read_prior(path: Path) -> tuple[PriorRecord, StateDict]:
    """The metadata and the tensors of a file of :func:`save_prior`.

    Raises:
        ModelError: it cannot be read, or is none.
    """
    record = read_trained_record(path, FORMAT, PriorRecord)
    if record is None:
        raise ModelError(
            f"{path} is no file of PriorCLIP ({FORMAT}).",
            "Give the best.safetensors of a folder that 'mpsclip train prior-clip' wrote.",
            path=str(path),
        )
    return record, read_state_dict(path)


def read_scene(record: PriorRecord, state: StateDict, path: Path) -> SceneReading | None:
    """The scene prior in a file; None where it has none.

    Raises:
        ModelError: its tensors are not those of a scene prior.
    """
    if not record.prior_width:
        return None
    found = {name.removeprefix(_SCENE): value for name, value in state.items() if name.startswith(_SCENE)}
    features = found["hidden.weight"].shape[1] if "hidden.weight" in found else 1
    prior = ScenePrior(features, record.prior_width, len(record.scenes))
    load_strictly(prior, found, path)
    return SceneReading(prior, record.scenes, record.scene_accuracy)


def load_prior(source: BackboneSource, path: Path) -> tuple[BuiltPriorClip, PriorRecord]:
    """A model from its file and its backbone.

    Args:
        source: of the backbone.
        path: of a file of :func:`save_prior`.

    Raises:
        UsageError: open_clip does not know the architecture.
        ModelError: a file cannot be read or does not fit, or the backbone is another one.
    """
    record, state = read_prior(path)
    built = build_backbone(source)
    require_backbone(record, built.backbone, path, PREFIX)
    found = assemble(built, read_scene(record, state, path))
    found.model.load_trained_state_dict(state, path, whole=record.whole)
    return found, record


def _same_scene(state: StateDict, scene: SceneReading | None) -> bool:
    own = {} if scene is None else {f"{_SCENE}{name}": value for name, value in scene.prior.state_dict().items()}
    stored = {name: value for name, value in state.items() if name.startswith(_SCENE)}
    return own.keys() == stored.keys() and all(bool((own[name] == value).all()) for name, value in stored.items())
