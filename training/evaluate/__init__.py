"""Measure an exported model on scenes and models that training never saw."""
