"""Training of the packaged model on RSICD train: ``mpsclip train packaged``."""
