"""Style targets: each style is a function of a view, a look and a noise field."""

from training.styles.fields import Fields
from training.styles.look import (
    COLOURS,
    LORA_STYLES,
    MATERIALS,
    MOODS,
    STYLES,
    SYNONYMS,
    WORDS,
    Look,
    random_look,
)
from training.styles.stylise import stylise

__all__ = [
    "COLOURS",
    "LORA_STYLES",
    "MATERIALS",
    "MOODS",
    "STYLES",
    "SYNONYMS",
    "WORDS",
    "Fields",
    "Look",
    "random_look",
    "stylise",
]
