"""Saves a picture larger than the disk it stands on, and says what came of it."""

import json
from pathlib import Path

import numpy as np

from bridge.errors import ExecutionError
from bridge.imaging import encode_png, save_numbered, writing_to

noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
try:
    with writing_to(Path("out")):
        save_numbered(Path("out").resolve(), "large", encode_png(noise))
except ExecutionError as error:
    reason = error.message.rsplit(": ")[-1]
    print(json.dumps({"errno": reason, "left": [path.name for path in Path("out").iterdir()]}))
