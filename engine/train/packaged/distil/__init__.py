"""Self-distillation: several trained packaged models, and each image in four positions, taught to one network.

A network of two towers learns 8,734 images by heart before it has seen enough of them. Models of several runs agree on
what is there and differ in what they learned by heart, so their mean embedding is the better target (ensembles as
teachers: Hinton et al., arXiv 1503.02531; the same views for teacher and student: Beyer et al., arXiv 2106.05237). The
student learns to give these embeddings at once; images and texts are learned one after the other, since their targets
are fixed.
"""
