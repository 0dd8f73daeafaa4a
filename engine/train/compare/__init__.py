"""MPS-CLIP, PriorCLIP and OSDPM on one compact backbone, with the same data and budget."""
