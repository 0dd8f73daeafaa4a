"""The region study against a naive version: every image by itself, nothing kept, sorted in plain Python."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.datasets.rsicd import CaptionedImage, load_pixels, read_split
from engine.evaluate.region_gallery import frequent_nouns, with_regions, without_regions
from engine.evaluate.region_rerank import rerank
from engine.evaluate.region_study import RegionStudy
from engine.evaluate.regions import StudySettings, study_regions, table_lines
from engine.models.contract import ScoreMode, fuse, region_mean
from engine.models.registry import load_model
from engine.segment.contract import Segment
from engine.segment.relevance import RelevanceSegmenter
from engine.text.local import LocalKeywordExtractor
from engine.types import UInt8Array
from tests.support.colour_model import GROUND, ColourModel

EXTRACTOR = LocalKeywordExtractor()
WORDS = ("water", "sand", "brick")


class PlainColours:
    """Outlines the pixels that have a keyword's colour exactly, and counts what it is asked."""

    identity = "plain-colours"

    def __init__(self) -> None:
        self.asked: Counter[tuple[bytes, str]] = Counter()

    def segment(self, tiles: Sequence[UInt8Array], keywords: Sequence[Sequence[str]]) -> list[list[Segment]]:
        found = []
        for tile, words in zip(tiles, keywords, strict=True):
            self.asked.update((tile.tobytes(), word) for word in words)
            masks = {word: (tile == np.array(GROUND[word])).all(2) for word in words if word in GROUND}
            found.append([Segment(word, mask, 1.0) for word, mask in masks.items() if mask.any()])
        return found


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[CaptionedImage]:
    """Twelve pictures of two or three coloured strips of random widths, each with two captions that name some."""
    folder = tmp_path_factory.mktemp("strips")
    rng = np.random.default_rng(4)
    found = []
    for i in range(12):
        names = list(rng.permutation(list(GROUND))[: 2 + i % 2])
        edges = sorted(rng.choice(np.arange(20, 200), len(names) - 1, replace=False))
        pixels = np.zeros((224, 224, 3), np.uint8)
        for name, start, stop in zip(names, [0, *edges], [*edges, 224], strict=True):
            pixels[:, start:stop] = GROUND[name]
        Image.fromarray(pixels).save(folder / f"{i}.png")
        captions = (f"there is {names[0]} beside {names[1]}", f"a piece of {names[-1]}")
        found.append(CaptionedImage(folder / f"{i}.png", None, captions, ()))
    return found


@pytest.fixture
def segmenter() -> PlainColours:
    return PlainColours()


@pytest.fixture
def study(images: list[CaptionedImage], segmenter: PlainColours) -> RegionStudy:
    return RegionStudy(ColourModel(), segmenter, EXTRACTOR, images)


def naive_fused(image: CaptionedImage, keywords: Sequence[str]) -> torch.Tensor:
    """normalise(0.5 (global + mean of the regions)) of one image."""
    model, pixels = ColourModel(), load_pixels([image])
    whole = model.encode_images(model.preprocess(pixels))
    [segments] = PlainColours().segment(list(pixels), [keywords])
    cut = [np.where(segment.mask[..., None], pixels[0], np.uint8(0)) for segment in segments]
    if not cut:
        return whole
    regions = model.encode_images(model.preprocess(np.stack(cut)))[None]
    return fuse(whole, region_mean(regions, torch.ones(1, len(cut))))


def naive_hits(scores: list[float], right: int, k: int) -> float:
    """Chance that the right one is among the first k when ties fall at random."""
    ahead = sum(score > scores[right] + 1e-6 for score in scores)
    ties = sum(abs(score - scores[right]) <= 1e-6 for score in scores)
    return min(1.0, max(0.0, (k - ahead) / ties))


def test_reranking_is_what_each_query_would_find_by_itself(images: list[CaptionedImage], study: RegionStudy) -> None:
    found = rerank(study, captions=20, top=5, timed=0, seed=1)
    model = ColourModel()
    before, after = np.zeros(3), np.zeros(3)
    for number in found.chosen:
        caption, right = study.captions[number], int(study.owner[number])
        text = model.encode_texts([caption])
        plain = [float(naive_fused(image, ()) @ text.T) for image in images]
        first = np.argsort(-(study.texts[[number]] @ study.embeddings.T)[0], kind="stable")[:5]
        keywords = EXTRACTOR.extract(caption).positives
        ranked = [score - 10 for score in plain]
        for image in first:
            ranked[image] = float(naive_fused(images[image], keywords) @ text.T)
        before += [100 / 20 * naive_hits(plain, right, k) for k in (1, 5, 10)]
        after += [100 / 20 * naive_hits(ranked, right, k) for k in (1, 5, 10)]
    assert found.before.expected == pytest.approx(before, abs=1e-6)
    assert found.after.keys() == {ScoreMode.FUSED}
    assert found.after[ScoreMode.FUSED].expected == pytest.approx(after, abs=1e-6)
    assert found.after[ScoreMode.FUSED] != found.before
    assert len(set(found.chosen.tolist())) == 20


def test_fewer_captions_are_the_beginning_of_more(study: RegionStudy) -> None:
    few, many = (rerank(study, count, top=3, timed=0, seed=0).chosen.tolist() for count in (4, 9))
    assert few == many[:4]


def test_no_image_is_asked_twice_for_a_keyword(study: RegionStudy, segmenter: PlainColours) -> None:
    rerank(study, captions=24, top=12, timed=0, seed=0)
    with_regions(study, [WORDS] * 12, 0, "colour", "val")
    assert set(segmenter.asked.values()) == {1}
    assert {word for _, word in segmenter.asked} >= set(WORDS)


def test_reranking_asks_for_the_keywords_of_the_query_alone(study: RegionStudy, segmenter: PlainColours) -> None:
    found = rerank(study, captions=1, top=4, timed=0, seed=2)
    keywords = EXTRACTOR.extract(study.captions[found.chosen[0]]).positives
    assert len(segmenter.asked) == 4 * len(keywords)
    assert {word for _, word in segmenter.asked} == set(keywords)


def test_a_fixed_vocabulary_gives_the_recalls_of_the_fused_embeddings(
    images: list[CaptionedImage], study: RegionStudy
) -> None:
    found = with_regions(study, [WORDS] * len(images), 0, "colour", "val").after[ScoreMode.FUSED]
    fused = torch.cat([naive_fused(image, WORDS) for image in images])
    scores = (fused @ ColourModel().encode_texts(study.captions).T).tolist()
    columns = list(zip(*scores, strict=True))
    for place, k in enumerate((1, 5, 10)):
        t2i = [naive_hits(list(columns[text]), int(study.owner[text]), k) for text in range(len(study.captions))]
        assert found.t2i.expected[place] == pytest.approx(100 * np.mean(t2i), abs=1e-4)
    plain = without_regions(study, "colour", "val")
    assert plain.t2i.expected != found.t2i.expected
    assert plain.i2t.expected != found.i2t.expected


def test_frequent_nouns_count_singular_and_plural_as_one() -> None:
    texts = [
        ("many trees by a pond", "green trees", "a tree and a road"),
        ("some ponds", "a pond beside a road", "a pond"),
        ("a road", "a tree", "a pond"),
    ]
    images = [CaptionedImage(Path("none"), None, captions, ()) for captions in texts]
    assert frequent_nouns(EXTRACTOR, images, 2) == ("pond", "tree")
    assert frequent_nouns(EXTRACTOR, images, 9) == ("pond", "tree", "road")


def test_a_slice_of_rsicd_with_the_packaged_model(shared_data: Path) -> None:
    model = load_model("rsicd-mini", "cpu")
    data = shared_data / "data" / "rsicd"
    settings = StudySettings(captions=3, top=3, vocabulary=0, caption_guided=True, timed=1, images=4)
    report = study_regions(model, RelevanceSegmenter(model), EXTRACTOR, data, "val", settings)
    assert json.loads(json.dumps(report)) == report
    assert report["images"] == 4
    assert report["rerank"]["captions"] == 3
    assert report["rerank"]["after"].keys() == {"fused"}
    assert 0 < report["rerank"]["share_of_keywords_found"] <= 1
    assert report["rerank"]["seconds_per_query"] > report["rerank"]["seconds_per_query_again"]
    assert "vocabulary" not in report
    assert "leaks" in report["caption_guided_leaking"]["note"]
    assert any("LEAKS" in line for line in table_lines(report))
    assert len(read_split(data, "val")) == 1094


def test_the_command_refuses_a_folder_without_rsicd(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engine.evaluate", "regions", "--data", str(tmp_path), "--vocabulary", "0"]
    done = subprocess.run([*command, "--device", "cpu"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "has no RSICD split 'val'" in done.stderr
    assert "Traceback" not in done.stderr
