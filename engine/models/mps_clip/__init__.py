"""MPS-CLIP (arXiv 2601.18190): a frozen CLIP, adapters after its blocks, and perspective heads on its regions."""
