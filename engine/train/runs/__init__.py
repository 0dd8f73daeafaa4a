"""What trainings under Lightning Fabric share: settings, loop, checkpoints, augmentation, report and curves."""
