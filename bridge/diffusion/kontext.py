"""Sizes of pictures that Flux Kontext was trained on."""

SIZES = (
    (672, 1568), (688, 1504), (720, 1456), (752, 1392), (800, 1328), (832, 1248), (880, 1184), (944, 1104),
    (1024, 1024),
    (1104, 944), (1184, 880), (1248, 832), (1328, 800), (1392, 752), (1456, 720), (1504, 688), (1568, 672),
)  # fmt: skip
"""Width, height. Source: github.com/black-forest-labs/flux (Apache-2.0), ``PREFERED_KONTEXT_RESOLUTIONS``."""


def kontext_size(width: int, height: int) -> tuple[int, int]:
    """Return the size whose shape is nearest to that of a picture."""
    return min(SIZES, key=lambda size: (abs(width / height - size[0] / size[1]), size))
