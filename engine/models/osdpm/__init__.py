"""OSDPM: "Object Semantic and Dual-attention Perception Model", remote sensing image-text retrieval.

No code was released. What is here is written from the paper's abstract (Chinese and English), its tables and its
ablation; each file names the readings chosen, with the words they follow from. docs/osdpm.md has them side by side.
"""
