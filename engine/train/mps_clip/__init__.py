"""Training of MPS-CLIP (arXiv 2601.18190) under Lightning Fabric: ``mpsclip train mps-clip``."""
