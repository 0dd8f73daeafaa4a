"""Small models with random weights in the file layouts of the released ones, for the real code of samgeo.

They find things at random, always the same: weights are drawn from fixed seeds.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import torch
from torch import nn

WORDS = ("water", "moss", "sand", "brick", "red", "roof", "tennis", "court", "a", "the")


def tiny_sam_builder(checkpoint: str | None = None) -> nn.Module:
    """What a builder in segment_anything's registry does, with an image encoder of width 32 and two layers."""
    return importlib.import_module("segment_anything.build_sam")._build_sam(32, 2, 2, [1], checkpoint)


def save_sam(path: Path) -> None:
    """SAM as one file."""
    torch.manual_seed(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(tiny_sam_builder().state_dict(), path)


def save_sam3(folder: Path) -> None:
    """SAM 3 as a folder of the hub's layout."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, Sam3Config, Sam3ImageProcessor, Sam3Model, Sam3Processor

    torch.manual_seed(0)
    names = ("<pad>", "<s>", "</s>", "<unk>", *WORDS)
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    layers = {**small, "num_layers": 1}
    config = Sam3Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam3_vit_model", **small, "num_hidden_layers": 2, "image_size": 224, "patch_size": 14,
                "window_size": 8, "global_attn_indexes": [1], "pretrain_image_size": 112,
            },
            "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[64, 64], [32, 32], [16, 16]],
        },
        text_config={
            "model_type": "clip_text_model", **small, "num_hidden_layers": 1, "projection_dim": 32,
            "vocab_size": len(names), "max_position_embeddings": 32, "bos_token_id": 1, "eos_token_id": 2,
            "pad_token_id": 0,
        },
        geometry_encoder_config=layers,
        detr_encoder_config=layers,
        detr_decoder_config={**layers, "num_queries": 10},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )  # fmt: skip
    Sam3Model(config).save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )
    Sam3Processor(
        image_processor=Sam3ImageProcessor(size={"height": 224, "width": 224}), tokenizer=fast
    ).save_pretrained(folder)


def save_dino(folder: Path, encoder_prefix: str = "") -> None:
    """GroundingDINO (Swin-T backbone, one layer each way, 20 queries) with its BERT's settings and vocabulary.

    Args:
        folder: of the weights.
        encoder_prefix: of the names in the file, such as ``"module."`` as training on several GPUs leaves it.
    """
    from transformers import BertConfig, BertTokenizerFast

    from engine.segment.samgeo.dino import dino_model
    from engine.segment.samgeo.weights import BERT, DINO, DINO_SETTINGS

    torch.manual_seed(2)
    bert = folder / BERT.path
    bert.mkdir(parents=True)
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *WORDS)
    (bert / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    BertTokenizerFast(vocab={name: i for i, name in enumerate(names)}).save_pretrained(bert)
    BertConfig(
        vocab_size=len(names), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    ).save_pretrained(bert)
    # The width stays: the positions of the queries are of no other.
    settings = {"backbone": "swin_T_224_1k", "enc_layers": 1, "dec_layers": 1, "num_queries": 20, "dim_feedforward": 64}
    (folder / DINO_SETTINGS).write_text(json.dumps(settings), encoding="utf-8")
    state = {f"{encoder_prefix}{name}": tensor for name, tensor in dino_model(folder).state_dict().items()}
    torch.save({"model": state | {f"{encoder_prefix}label_enc.weight": torch.zeros(1)}}, folder / DINO.needed[0])
