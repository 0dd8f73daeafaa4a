"""The compact dual encoder behind the packaged model: EfficientNet-Lite0 for tiles, MiniLM for words."""
