"""MPS-CLIP written out step by step in float64, from its description alone: one head, one position, one pair at a time.

It shares nothing with the engine or open_clip but the names of the weights, and is slow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]


@dataclass(frozen=True)
class Sizes:
    embed_dim: int = 24
    vision_width: int = 48
    vision_layers: int = 2
    head_width: int = 12
    patch: int = 8
    image: int = 24
    text_width: int = 32
    text_heads: int = 2
    text_layers: int = 3
    context: int = 9
    vocabulary: int = 50
    bottleneck: int = 32
    adapter_heads: int = 4
    views: int = 3
    mlp_ratio: int = 2
    quick_gelu: bool = False
    temperature: float = 0.11

    def description(self) -> dict[str, Any]:
        return {
            "kind": "mps_clip",
            "embed_dim": self.embed_dim,
            "vision": {
                "layers": self.vision_layers,
                "width": self.vision_width,
                "head_width": self.head_width,
                "patch_size": self.patch,
                "image_size": self.image,
            },
            "text": {
                "context_length": self.context,
                "vocab_size": self.vocabulary,
                "width": self.text_width,
                "heads": self.text_heads,
                "layers": self.text_layers,
            },
            "quick_gelu": self.quick_gelu,
            "mpr_views": self.views,
            "temperature": self.temperature,
            "margin": 0.3,
            "gamma": 1.5,
            "lambda_contrastive": 0.4,
            "lambda_triplet": 0.7,
            "adapter_bottleneck": self.bottleneck,
            "adapter_heads": self.adapter_heads,
        }


def random_weights(sizes: Sizes, seed: int = 0) -> State:
    """A released checkpoint of these sizes: no norm, bias or gate at a value that hides it."""
    random = torch.Generator().manual_seed(seed)
    state: State = {}

    def matrix(name: str, *shape: int, scale: float | None = None) -> None:
        state[name] = torch.randn(shape, generator=random) * (scale or shape[-1] ** -0.5)

    def linear(name: str, out: int, inside: int, bias: bool = True) -> None:
        matrix(f"{name}.weight", out, inside)
        if bias:
            matrix(f"{name}.bias", out, scale=0.3)

    def norm(name: str, width: int) -> None:
        state[f"{name}.weight"] = 1 + torch.randn(width, generator=random) * 0.3
        matrix(f"{name}.bias", width, scale=0.3)

    def attention(name: str, width: int) -> None:
        matrix(f"{name}.in_proj_weight", 3 * width, width)
        matrix(f"{name}.in_proj_bias", 3 * width, scale=0.3)
        linear(f"{name}.out_proj", width, width)

    def tower(name: str, width: int, layers: int) -> None:
        inner = sizes.bottleneck
        for layer in range(layers):
            block = f"{name}.transformer.resblocks.{layer}"
            norm(f"{block}.ln_1", width)
            norm(f"{block}.ln_2", width)
            attention(f"{block}.attn", width)
            linear(f"{block}.mlp.c_fc", sizes.mlp_ratio * width, width)
            linear(f"{block}.mlp.c_proj", width, sizes.mlp_ratio * width)
            adapter = f"{block}.g2adapter"
            linear(f"{adapter}.down_proj", inner, width)
            attention(f"{adapter}.self_attention", inner)
            linear(f"{adapter}.attention_proj", inner, inner)
            linear(f"{adapter}.up_proj", width, inner)
            state[f"{adapter}.gate"] = torch.randn((), generator=random)
            ga = f"{adapter}.global_attention"
            norm(f"{ga}.attn.attn_in_norm", inner)
            attention(f"{ga}.attn.attn", inner)
            norm(f"{ga}.attn.norm", inner)
            matrix(f"{ga}.mlp.fc1.conv.weight", 2 * inner, inner, 1, scale=inner**-0.5)
            matrix(f"{ga}.mlp.dwconv.weight", 2 * inner, 1, 5)
            matrix(f"{ga}.mlp.dwconv.bias", 2 * inner, scale=0.3)
            matrix(f"{ga}.mlp.fc2.conv.weight", inner, 2 * inner, 1, scale=inner**-0.5)

    tokens = (sizes.image // sizes.patch) ** 2 + 1
    matrix("model.visual.class_embedding", sizes.vision_width, scale=1.0)
    matrix("model.visual.positional_embedding", tokens, sizes.vision_width, scale=0.5)
    matrix("model.visual.conv1.weight", sizes.vision_width, 3, sizes.patch, sizes.patch, scale=0.1)
    norm("model.visual.ln_pre", sizes.vision_width)
    norm("model.visual.ln_post", sizes.vision_width)
    matrix("model.visual.proj", sizes.vision_width, sizes.embed_dim)
    tower("model.visual", sizes.vision_width, sizes.vision_layers)
    matrix("model.token_embedding.weight", sizes.vocabulary, sizes.text_width, scale=1.0)
    matrix("model.positional_embedding", sizes.context, sizes.text_width, scale=0.5)
    norm("model.ln_final", sizes.text_width)
    matrix("model.text_projection", sizes.text_width, sizes.embed_dim)
    tower("model", sizes.text_width, sizes.text_layers)
    state["model.logit_scale"] = torch.tensor(2.1)
    state["temp"] = torch.tensor(sizes.temperature)
    for k in range(sizes.views):
        linear(f"mpr_head.heads.{k}.0", sizes.embed_dim, sizes.embed_dim)
        linear(f"mpr_head.heads.{k}.2", sizes.embed_dim, sizes.embed_dim)
    return state


def random_inputs(sizes: Sizes, batch: int = 4, regions: int = 2, seed: int = 1) -> State:
    random = torch.Generator().manual_seed(seed)
    tokens = torch.zeros(batch, sizes.context, dtype=torch.int64)
    for row in range(batch):
        length = 2 + row % (sizes.context - 2)
        tokens[row, :length] = torch.randint(1, sizes.vocabulary - 1, (length,), generator=random)
        tokens[row, length] = sizes.vocabulary - 1  # end of text: the largest id
    mask = torch.randint(0, 2, (batch, regions), generator=random, dtype=torch.uint8)
    mask[0], mask[1] = 0, 1  # one image without, one with all
    return {
        "image": torch.randn(batch, 3, sizes.image, sizes.image, generator=random),
        "regions": torch.randn(batch, regions, 3, sizes.image, sizes.image, generator=random),
        "region_mask": mask,
        "token_ids": tokens,
        "image_id": torch.tensor([7, 3, 7, 5][:batch]),
    }


class NaiveMpsClip:
    def __init__(self, sizes: Sizes, state: State) -> None:
        self.sizes = sizes
        self.w = {name: value.double() for name, value in state.items()}

    def linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        variance = (centred**2).mean(-1, keepdim=True)
        return centred / (variance + 1e-5).sqrt() * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def attention(self, x: Tensor, name: str, heads: int, causal: bool = False) -> Tensor:
        """``(L, D)`` of one sequence to the same shape."""
        length, width = x.shape
        q, k, v = (x @ self.w[f"{name}.in_proj_weight"].T + self.w[f"{name}.in_proj_bias"]).split(width, dim=1)
        step, out = width // heads, []
        for h in range(heads):
            part = slice(h * step, (h + 1) * step)
            weights = q[:, part] @ k[:, part].T / math.sqrt(step)
            if causal:
                for row in range(length):
                    weights[row, row + 1 :] = -math.inf
            out.append(weights.softmax(1) @ v[:, part])
        return self.linear(torch.cat(out, 1), f"{name}.out_proj")

    def block(self, x: Tensor, name: str, heads: int, causal: bool) -> Tensor:
        x = x + self.attention(self.norm(x, f"{name}.ln_1"), f"{name}.attn", heads, causal)
        hidden = self.linear(self.norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc")
        hidden = hidden * torch.sigmoid(1.702 * hidden) if self.sizes.quick_gelu else gelu(hidden)
        return self.adapter(x + self.linear(hidden, f"{name}.mlp.c_proj"), f"{name}.g2adapter")

    def adapter(self, x: Tensor, name: str) -> Tensor:
        heads = self.sizes.adapter_heads
        h = self.attention(gelu(self.linear(x, f"{name}.down_proj")), f"{name}.self_attention", heads)
        t = self.linear(h, f"{name}.attention_proj")  # (L, bottleneck)
        ga = f"{name}.global_attention"
        length, width = t.shape
        encoding = torch.zeros(length, width, dtype=torch.float64)
        for p in range(length):
            for i in range(width // 2):
                encoding[p, 2 * i] = math.sin(p * 10000 ** (-2 * i / width))
                encoding[p, 2 * i + 1] = math.cos(p * 10000 ** (-2 * i / width))
        n = self.norm(t, f"{ga}.attn.attn_in_norm") + encoding
        t = t + self.norm(t + self.attention(n, f"{ga}.attn.attn", heads), f"{ga}.attn.norm")
        hidden = t @ self.w[f"{ga}.mlp.fc1.conv.weight"][:, :, 0].T
        kernel, bias = self.w[f"{ga}.mlp.dwconv.weight"][:, 0], self.w[f"{ga}.mlp.dwconv.bias"]
        rows = []
        for p in range(length):
            row = bias.clone()
            for offset in range(-2, 3):
                if 0 <= p + offset < length:
                    row = row + kernel[:, offset + 2] * hidden[p + offset]
            rows.append(row.clamp_min(0))
        t = t + torch.stack(rows) @ self.w[f"{ga}.mlp.fc2.conv.weight"][:, :, 0].T
        return x + self.linear(torch.sigmoid(self.w[f"{name}.gate"]) * t, f"{name}.up_proj")

    def image_tokens(self, image: Tensor) -> Tensor:
        """``(3, H, W)`` to all tokens in the shared space, unit length: ``(1 + N, E)``."""
        s, w = self.sizes, self.w
        grid = s.image // s.patch
        x = [w["model.visual.class_embedding"]]
        for row in range(grid):
            for column in range(grid):
                patch = image[:, row * s.patch : (row + 1) * s.patch, column * s.patch : (column + 1) * s.patch]
                x.append((w["model.visual.conv1.weight"] * patch.double()).sum((1, 2, 3)))
        tokens = self.norm(torch.stack(x) + w["model.visual.positional_embedding"], "model.visual.ln_pre")
        for layer in range(s.vision_layers):
            name = f"model.visual.transformer.resblocks.{layer}"
            tokens = self.block(tokens, name, s.vision_width // s.head_width, causal=False)
        return unit(self.norm(tokens, "model.visual.ln_post") @ w["model.visual.proj"])

    def words(self, ids: Tensor) -> Tensor:
        """``(L,)`` to every token in the shared space, unit length: ``(L, E)``."""
        x = self.w["model.token_embedding.weight"][ids] + self.w["model.positional_embedding"]
        for layer in range(self.sizes.text_layers):
            x = self.block(x, f"model.transformer.resblocks.{layer}", self.sizes.text_heads, causal=True)
        return unit(self.norm(x, "model.ln_final") @ self.w["model.text_projection"])

    def results(self, inputs: State, constants: dict[str, Any]) -> State:
        """Every output and loss of a reference file of the kind ``mps_clip``."""
        images = torch.stack([self.image_tokens(image) for image in inputs["image"]])
        words = torch.stack([self.words(ids) for ids in inputs["token_ids"]])
        ends = [int(ids.argmax()) for ids in inputs["token_ids"]]
        i, t = images[:, 0], torch.stack([row[end] for row, end in zip(words, ends, strict=True)])
        batch, means, features = len(i), [], []
        for b in range(batch):
            valid = [self.image_tokens(r)[0] for r in inputs["regions"][b][inputs["region_mask"][b].bool()]]
            means.append(unit(torch.stack(valid).mean(0)) if valid else torch.zeros_like(i[b]))
            features.append(means[b] if valid else i[b])
        views = []
        for k in range(self.sizes.views):
            hidden = gelu(self.linear(torch.stack(features), f"mpr_head.heads.{k}.0"))
            v = self.linear(hidden, f"mpr_head.heads.{k}.2")
            views.append(v / (v.norm(dim=-1, keepdim=True) + 1e-8))
        scale, tau = self.w["model.logit_scale"].exp(), self.w["temp"]
        best = torch.stack([torch.stack([max(v[a] @ t[b] for v in views) for b in range(batch)]) for a in range(batch)])
        scores = i @ t.T
        ids = inputs["image_id"].tolist()
        weight = (constants["margin"], constants["gamma"])
        losses = {
            "loss_contrastive_ids": cross_entropies(scores / tau, ids),
            "loss_contrastive_diag": cross_entropies(scores / tau, list(range(batch))),
            "loss_triplet": triplet(scores, *weight, hardest=False),
            "loss_triplet_hardest": triplet(scores, *weight, hardest=True),
            "loss_view_contrastive": cross_entropies(scale * best, list(range(batch))),
            "loss_view_triplet": triplet(best, *weight, hardest=False),
        }
        losses["loss_total_contrastive"] = (
            losses["loss_contrastive_ids"] + constants["lambda_contrastive"] * losses["loss_view_contrastive"]
        )
        losses["loss_total_triplet"] = (
            losses["loss_triplet"] + constants["lambda_triplet"] * losses["loss_view_triplet"]
        )
        outputs = {
            "out_image_global": i,
            "out_patch_features": images[:, 1:],
            "out_text": t,
            "out_word_features": words,
            "out_region_mean": torch.stack(means),
            "out_image_fused": unit(0.5 * (i + torch.stack(means))),
            "out_views": torch.stack(views),
            "out_view_logits_max": scale * best,
        }
        numbers = {name: value.reshape(1) for name, value in {**losses, "logit_scale_exp": scale}.items()}
        return {name: value.float() for name, value in {**outputs, **numbers}.items()}


def cross_entropies(logits: Tensor, ids: list[int]) -> Tensor:
    """Mean of both directions; the target of a pair is spread evenly over all pairs of its image."""
    batch, total = len(ids), torch.zeros((), dtype=torch.float64)
    for table in (logits, logits.T):
        for a in range(batch):
            same = [b for b in range(batch) if ids[b] == ids[a]]
            normaliser = table[a].exp().sum().log()
            total += sum((normaliser - table[a, b]) / len(same) for b in same) / batch / 2
    return total


def triplet(scores: Tensor, margin: float, gamma: float, hardest: bool) -> Tensor:
    batch, total = len(scores), torch.zeros((), dtype=torch.float64)
    for table in (scores, scores.T):
        for a in range(batch):
            costs = []
            for b in range(batch):
                if a != b:
                    cost = (margin + table[a, b] - table[a, a]).clamp_min(0)
                    costs.append((1 - torch.exp(-cost)) ** gamma * cost)
            total += 0.5 * (max(costs) if hardest else sum(costs))
    return total


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=-1, keepdim=True)
