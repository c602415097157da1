"""What commands may be given. Nothing heavy is imported here."""

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
CustomNodes = Annotated[
    list[Path] | None,
    typer.Option(
        "--custom-nodes",
        metavar="DIR",
        exists=True,
        help="A pack of nodes in ComfyUI's form, or a folder of packs; repeatable. Their code is run.",
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="NODE", help="Run this output node alone, by its id; may be repeated."),
]
PromptFile = Annotated[
    Path | None,
    typer.Option(
        "--prompts", metavar="FILE.txt", help="One picture for each line of a text file; # is a comment."
    ),
]
PromptTexts = Annotated[
    list[str] | None,
    typer.Option("--prompt", metavar="TEXT", help="One picture for this prompt; may be repeated."),
]
PromptInputs = Annotated[
    list[str] | None,
    typer.Option(
        "--prompt-input", metavar="NODE.INPUT", help="Where prompts go, if that is not found by itself."
    ),
]
Wildcards = Annotated[
    list[Path] | None,
    typer.Option(
        "--wildcards",
        metavar="DIR",
        help="Text files that __name__ in a prompt draws from; may be repeated.",
        exists=True,
        file_okay=False,
    ),
]
Variants = Annotated[
    int, typer.Option(min=1, max=1000, help="Pictures for each prompt with {a|b} or __name__ in it.")
]
Combinations = Annotated[
    bool, typer.Option("--combinations", help="Make every combination of {a|b} and __name__ instead.")
]
