"""PriorCLIP's closed domain written out step by step in float64, from its description alone: one sample, one head.

It shares nothing with the engine but the names of the weights, and is slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from tests.support.naive_mps_clip import State, cross_entropies, gelu, unit


@dataclass(frozen=True)
class Sizes:
    embed_dim: int = 24
    vision_width: int = 10
    text_width: int = 14
    prior_width: int = 9
    heads: int = 3
    filter_size: int = 4
    layers: int = 3
    cycles: int = 2
    temperature: float = 0.13
    temperature_affiliation: float = 0.31

    def description(self) -> dict[str, Any]:
        return {
            "kind": "prior_pae",
            "embed_dim": self.embed_dim,
            "vision_width": self.vision_width,
            "text_width": self.text_width,
            "prior_width": self.prior_width,
            "heads": self.heads,
            "filter_size": self.filter_size,
            "instruction_layers": self.layers,
            "cycle_steps": self.cycles,
            "dropout": 0.2,
            "temperature": self.temperature,
            "temperature_affiliation": self.temperature_affiliation,
            "margin": 0.3,
        }


def random_weights(sizes: Sizes, seed: int = 0) -> State:
    """Weights by their released names; no norm, bias or head at a value that hides it."""
    random = torch.Generator().manual_seed(seed)
    state: State = {}

    def linear(name: str, out: int, inside: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, inside, generator=random) * inside**-0.5
        state[f"{name}.bias"] = torch.randn(out, generator=random) * 0.3

    def norm(name: str, width: int) -> None:
        state[f"{name}.weight"] = 1 + torch.randn(width, generator=random) * 0.3
        state[f"{name}.bias"] = torch.randn(width, generator=random) * 0.3

    width = sizes.embed_dim
    for name, inside in (
        ("vision_proj", sizes.vision_width),
        ("text_proj", sizes.text_width),
        ("conv_proj", sizes.prior_width),
    ):
        linear(name, width, inside)
    for kind, mapping, head, steps in (
        ("img", "mapping_img", "head_img", sizes.layers),
        ("txt", "mapping_txt", "head_txt", sizes.cycles),
    ):
        linear(head, width, width)
        for step in range(steps):
            linear(f"{mapping}.{step}", width, width)
            for layer, attention in (("sa", "mhatt"), ("ca", "mhatt_cross")):
                name = f"{kind}_{layer}.{step}"
                for part in ("q", "k", "v", "merge"):
                    linear(f"{name}.{attention}.linear_{part}", width, width)
                norm(f"{name}.norm1", width)
                linear(f"{name}.ffn.0", 2 * width, width)
                norm(f"{name}.ffn.1", 2 * width)
                linear(f"{name}.ffn.3", width, 2 * width)
                norm(f"{name}.norm2", width)
    state["temp"] = torch.tensor(sizes.temperature)
    state["temp2"] = torch.tensor(sizes.temperature_affiliation)
    return state


def random_inputs(sizes: Sizes, tokens: int = 7, words: int = 5, batch: int = 4, seed: int = 1) -> State:
    random = torch.Generator().manual_seed(seed)
    return {
        "vision_tokens": torch.randn(batch, tokens, sizes.vision_width, generator=random),
        "prior_features": torch.randn(batch, sizes.prior_width, generator=random),
        "text_tokens": torch.randn(batch, words, sizes.text_width, generator=random),
        "loss_image": unit(torch.randn(6, 11, generator=random)),
        "loss_text": unit(torch.randn(6, 11, generator=random)),
        "label": torch.tensor([2, -1, 2, 0, -1, 2]),
    }


class NaivePriorPAE:
    def __init__(self, sizes: Sizes, state: State) -> None:
        self.sizes = sizes
        self.w = {name: value.double() for name, value in state.items()}

    def linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        variance = (centred**2).mean(-1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def attention(self, query: Tensor, source: Tensor, name: str) -> Tensor:
        """Queries ``(Q, E)`` and a source ``(L, E)`` to ``(Q, E)``."""
        q, k, v = (self.linear(x, f"{name}.linear_{p}") for x, p in ((query, "q"), (source, "k"), (source, "v")))
        step, out = q.shape[1] // self.sizes.heads, []
        for head in range(self.sizes.heads):
            part = slice(head * step, (head + 1) * step)
            out.append((q[:, part] @ k[:, part].T / math.sqrt(step)).softmax(1) @ v[:, part])
        return self.linear(torch.cat(out, 1), f"{name}.linear_merge")

    def rest(self, x: Tensor, name: str) -> Tensor:
        """What both layers do after their attention."""
        x = self.norm(x, f"{name}.norm1")
        hidden = gelu(self.norm(self.linear(x, f"{name}.ffn.0"), f"{name}.ffn.1"))
        return self.norm(x + self.linear(hidden, f"{name}.ffn.3"), f"{name}.norm2")

    def image(self, tokens: Tensor, prior: Tensor) -> Tensor:
        v, p = self.linear(tokens.double(), "vision_proj"), self.linear(prior.double(), "conv_proj")
        belief = [float(token @ p) for token in v]
        order = sorted(range(len(v)), key=lambda place: -belief[place])
        f = v[order[: self.sizes.filter_size]]
        for s in range(self.sizes.layers):
            a = self.rest(f + self.attention(f, f, f"img_sa.{s}.mhatt"), f"img_sa.{s}")
            asked = self.linear(p, f"mapping_img.{s}").repeat(len(f), 1)
            f = self.rest(a + self.attention(asked, a, f"img_ca.{s}.mhatt_cross"), f"img_ca.{s}")
        return unit(v[0] + self.linear(f[0], "head_img"))

    def text(self, tokens: Tensor) -> Tensor:
        t = first = self.linear(tokens.double(), "text_proj")
        for s in range(self.sizes.cycles):
            asked = self.linear(t, f"mapping_txt.{s}")
            a = self.rest(t + self.attention(t, t, f"txt_sa.{s}.mhatt"), f"txt_sa.{s}")
            t = self.rest(a + self.attention(asked, a, f"txt_ca.{s}.mhatt_cross"), f"txt_ca.{s}")
        return unit(first[0] + self.linear(t[0], "head_txt"))

    def results(self, inputs: State, constants: dict[str, Any]) -> State:
        """Every output and loss of a reference file of the kind ``prior_pae``."""
        images = [self.image(v, p) for v, p in zip(inputs["vision_tokens"], inputs["prior_features"], strict=True)]
        texts = [self.text(tokens) for tokens in inputs["text_tokens"]]
        i, t, labels = inputs["loss_image"].double(), inputs["loss_text"].double(), inputs["label"].tolist()
        count, triplet = len(i), torch.zeros((), dtype=torch.float64)
        scores = i @ t.T
        for a in range(count):
            for b in range(count):
                if a != b:
                    triplet = triplet + max(0, constants["margin"] + scores[a, b] - scores[a, a])
                    triplet = triplet + max(0, constants["margin"] + scores[b, a] - scores[a, a])
        losses = {
            "loss_contrastive": cross_entropies(scores / self.w["temp"], list(range(count))),
            "loss_affiliation": affiliation(i, t, labels, self.w["temp2"]),
            "loss_triplet": triplet,
        }
        numbers = {name: value.reshape(1) for name, value in losses.items()}
        outputs = {"out_vision": torch.stack(images), "out_text": torch.stack(texts)}
        return {name: value.float() for name, value in {**outputs, **numbers}.items()}


def affiliation(images: Tensor, texts: Tensor, labels: list[int], temperature: Tensor) -> Tensor:
    """Pair j's image against the text centres, and its image centre against the texts."""
    count, total = len(labels), torch.zeros((), dtype=torch.float64)

    def centre(rows: Tensor, j: int) -> Tensor:
        return torch.stack([rows[k] for k in range(count) if k == j or labels[k] == labels[j] >= 0]).mean(0)

    for j in range(count):
        to_centres = torch.stack([images[j] @ centre(texts, c) / temperature for c in range(count)])
        to_texts = torch.stack([text @ centre(images, j) / temperature for text in texts])
        total = total - (to_centres.log_softmax(0)[j] + to_texts.log_softmax(0)[j]) / (2 * count)
    return total
