"""WordPiece over a pruned BERT vocabulary: words that were cut out are spelled from shorter pieces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from torch import Tensor

PADDING, UNKNOWN, START, END = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def build_tokenizer(vocabulary: Sequence[str], max_length: int) -> Tokenizer:
    """An uncased BERT tokenizer whose piece ids are the positions in ``vocabulary``; longer texts are cut."""
    ids = {piece: i for i, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    tokenizer.enable_truncation(max_length)
    tokenizer.enable_padding(pad_id=ids[PADDING], pad_token=PADDING)
    return tokenizer


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Texts to ids ``(B, L)`` int64 and mask ``(B, L)`` bool, padded to the longest of them."""
    encodings = tokenizer.encode_batch(list(texts))
    ids = torch.tensor([e.ids for e in encodings], dtype=torch.long)
    mask = torch.tensor([e.attention_mask for e in encodings], dtype=torch.bool)
    return ids, mask


def prune_vocabulary(vocabulary: Sequence[str], corpus: Iterable[str], size: int) -> list[str]:
    """The special pieces, every piece that spells the corpus, single characters, then the most frequent others.

    BERT's vocabulary lists whole words by falling frequency, so its order stands for frequency. Pieces outside ASCII
    are left out: the model knows English alone.

    Args:
        vocabulary: the full list, in the order of its ids.
        corpus: texts whose spelling must not change.
        size: how many pieces to keep.
    """
    full = build_tokenizer(vocabulary, 512)
    needed = set(SPECIAL)
    for encoding in full.encode_batch(list(corpus)):
        needed.update(encoding.tokens)
    needed.update(p for p in vocabulary if p.isascii() and len(p.removeprefix("##")) == 1)
    for piece in vocabulary:
        if len(needed) >= size:
            break
        if piece.isascii() and not piece.startswith("["):
            needed.add(piece)
    rank = {piece: i for i, piece in enumerate(vocabulary)}
    return sorted(needed, key=rank.__getitem__)
