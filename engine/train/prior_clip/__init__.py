"""Training of PriorCLIP (arXiv 2405.10160)."""
