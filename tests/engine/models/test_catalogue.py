from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ModelError, UsageError
from engine.models.catalogue import CLIP_MEAN, CLIP_STD, DEFAULT_MODEL, catalogue, read_catalogue

ENTRY: dict[str, Any] = {
    "id": "tiny",
    "title": "A tiny model",
    "kind": "open_clip",
    "architecture": "ViT-B-32",
    "source": {"type": "hub", "repo": "someone/tiny", "filename": "ckpt/tiny.pt", "revision": None},
    "sha256": None,
    "size_mb": 1.5,
    "licence": None,
    "paper": None,
    "image_size": 224,
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
}


def write(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "models.json"
    path.write_text(json.dumps({"models": list(entries)}))
    return path


def test_shipped_catalogue_is_valid_and_starts_with_the_packaged_model() -> None:
    first = catalogue().models[0]
    assert (first.id, first.kind) == (DEFAULT_MODEL, "packaged")
    assert {
        "openai-vit-b-32",
        "remoteclip-vit-b-32",
        "georsclip-vit-b-32",
        "skyclip-vit-b-32",
        "laion-vit-b-32",
    } <= set(catalogue().ids)


def test_shipped_open_clip_entries_use_clips_normalisation_and_known_architectures() -> None:
    import open_clip

    entries = [entry for entry in catalogue().models if entry.kind == "open_clip"]
    assert {(entry.mean, entry.std) for entry in entries} == {(CLIP_MEAN, CLIP_STD)}
    for entry in entries:
        assert open_clip.get_model_config(entry.architecture)["vision_cfg"]["image_size"] == entry.image_size


def test_digests_are_stored_without_the_name_of_their_kind(tmp_path: Path) -> None:
    source = {**ENTRY["source"], "revision": "commit:" + "ab" * 20}
    (entry,) = read_catalogue(write(tmp_path, {**ENTRY, "sha256": "sha256:" + "cd" * 32, "source": source})).models
    assert (entry.sha256, getattr(entry.source, "revision", None)) == ("cd" * 32, "ab" * 20)


def test_unknown_model_is_answered_with_the_known_ones_and_the_closest() -> None:
    with pytest.raises(UsageError, match="Did you mean remoteclip-vit-b-32") as caught:
        catalogue().get("remoteclip-vitb32")
    assert caught.value.data["known"] == catalogue().ids
    assert all(name in str(caught.value) for name in catalogue().ids)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"colour": "red"}, "models.0.colour"),
        ({"sha256": "abc"}, "models.0.sha256"),
        ({"std": [0.5, 0.0, 0.5]}, "models.0.std.1"),
        ({"mean": [0.5, 0.5]}, "models.0.mean"),
        ({"source": {"type": "ftp", "url": "ftp://x"}}, "models.0.source"),
        ({"source": {"type": "url", "url": "http://plain.example/x.pt"}}, "models.0.source.url.url"),
        ({"source": {"type": "hub", "repo": "a/b", "filename": "x.pt", "revision": "main"}}, "revision"),
        ({"source": {"type": "hub", "repo": "a/b", "filename": "../x.pt", "revision": None}}, "filename"),
        ({"kind": "packaged"}, "models.0"),
    ],
)
def test_broken_entry_is_refused_and_the_field_named(tmp_path: Path, change: dict[str, Any], place: str) -> None:
    with pytest.raises(ModelError, match=place):
        read_catalogue(write(tmp_path, {**ENTRY, **change}))


def test_field_left_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"models\.0\.licence"):
        read_catalogue(write(tmp_path, {key: value for key, value in ENTRY.items() if key != "licence"}))


def test_two_entries_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="stand twice: tiny"):
        read_catalogue(write(tmp_path, ENTRY, ENTRY))


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_unreadable_catalogue_is_a_model_error_that_names_the_file(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "models.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError, match=str(path)):
        read_catalogue(path)
