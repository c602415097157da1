"""Options that several commands take. Nothing heavy is imported here."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Device(StrEnum):
    """Where the models run."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


class DType(StrEnum):
    """The number format the models run in."""

    AUTO = "auto"
    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


Models = Annotated[
    list[Path] | None,
    typer.Option(
        "--models",
        metavar="DIR",
        help="A model folder (ComfyUI's or A1111's layout); may be repeated.",
        exists=True,
        file_okay=False,
    ),
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where pictures are written.")]
OnDevice = Annotated[Device, typer.Option("--device", help="Where the models run.")]
InDType = Annotated[DType, typer.Option("--dtype", help="The number format the models run in.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script instead of text.")]
