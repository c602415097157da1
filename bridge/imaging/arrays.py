"""What the arrays of this package mean. One picture each, no batch axis unless a docstring says so."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from bridge.protocol import ITEM_BYTES

Array = NDArray[Any]
"""An array whose docstring at the place of use says the rest."""

Image = Annotated[NDArray[np.float32], "(H, W, 3), 0..1, sRGB"]
"""A picture, display-referred."""

ImageBytes = Annotated[NDArray[np.uint8], "(H, W, 3), 0..255, sRGB"]
"""A picture at a border: wire, file, OpenCV."""

Mask = Annotated[NDArray[np.float32], "(H, W), 0..1"]
"""One value a pixel: a mask, a control map of one channel."""

Depth = Annotated[NDArray[np.float32], "(H, W), metres along the view axis, inf is sky"]
"""Planar depth."""

Normals = Annotated[
    NDArray[np.float32], "(H, W, 3), unit vectors in view space, (0, 0, 1) where there is no surface"
]
"""X right, Y up, Z towards the viewer."""

ObjectIds = Annotated[NDArray[np.int64], "(H, W), equal where the object is the same"]
"""Which object a pixel shows."""

DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(f"<{name[0]}{size}") for name, size in ITEM_BYTES.items()}
"""Plane dtypes as numpy knows them."""
