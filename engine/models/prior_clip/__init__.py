"""PriorCLIP (arXiv 2405.10160): features of a scene classifier, the prior, guide what is read from an image."""
