"""The page docs/families.md: writing it, and reading its table."""

import math
from collections.abc import Mapping
from importlib.metadata import version

from tests.families.workflows import MODES, Mode

Cells = Mapping[tuple[str, Mode], str]
"""Name of a model and mode → what the table says."""

REFUSED, RUNS = "refused", "runs"
_TRANSFORMERS = "Transformer"
"""Head of the second table."""

_TEXT = """\
# Families and modes

What each published kind of checkpoint does here, and how near the result is to that of diffusers' own
pipeline. `python -m tests.families` writes this page; `tests/families` runs every cell.

{table}

- **< 1e-5** and the like: it runs, and this bounds the relative error of the latents (the norm of the
  difference by that of diffusers' latents), in float32 on a CPU, against diffusers {diffusers}.
- **runs**: it runs, and diffusers has no pipeline that does the same.
- **refused**: the sampler says that the checkpoint cannot see a picture to edit, and what would do instead.

## What is run

Each row is a randomly initialised file in the key layout in which such models are published: a single
checkpoint in the original names, with its VAE and text encoders; Lightning is a UNet alone, in diffusers'
names, beside two text encoders and a VAE in files of their own. Levels, blocks and the places of
cross-attention are as published, and so are the widths of prompt embeddings and text towers. Reduced are the
channels (64 and 128 in the UNet, 32 in the VAE), the transformer blocks of SDXL (1 and 2 instead of 2 and 10)
and of its refiner (2 instead of 4), the residual blocks of the VAE (1 instead of 2) and the layers of the
text towers (2 instead of 12 to 32).

Each cell is a workflow in API JSON, run by the engine on the real nodes. The pipeline gets the networks that
diffusers' own converters read from the same file, and the same prompts, pictures, noise and noise levels.
Both solve with Euler's method in four steps, or in the last two of four from a picture; Turbo takes one step,
and Lightning the levels of `sgm_uniform`, both without guidance.

| Mode | Workflow | Pipeline |
|---|---|---|
| txt2img | from noise alone | plain; Inpaint that sees nothing; InstructPix2Pix of no picture |
| img2img | from an encoded picture | Img2Img; Inpaint that sees nothing |
| inpaint | SetLatentNoiseMask, or for nine channels InpaintModelConditioning | Inpaint |
| outpaint | the same after ImagePadForOutpaint | Inpaint, of a picture padded by the test |
| ControlNet | in the original names for SD, in diffusers' for SDXL | ControlNet, -Inpaint or -Img2Img |
| LoRA | of UNet and text encoders, in kohya's names | `load_lora_weights` |
| IP-Adapter | a plain one with its CLIP vision model | `load_ip_adapter` |
| instruct | InstructPixToPixConditioning, DualCFGGuider | InstructPix2Pix |
| upscale | Real-ESRGAN, then img2img | Img2Img from there; diffusers has no such enlarging |

ControlNets, LoRAs and IP-Adapters are tried on what the model was made for: text alone, inpainting,
instructions, or for the refiner a picture. Those that were made for another family are refused:

{refusals}

## SD3, Flux and PixArt

{transformers}

Words mean what they mean above; **refused** also says that no such part for the model is supported, and that
one for another family is refused.

Each row is a transformer of random weights in the original names; text encoders and VAEs are in files of
their own. Latents, pooled embeddings and CLIP are as wide as published. Reduced are the blocks (one to three)
and their width (96 and 128), Flux's heads and T5 (64 channels each), the layers of T5 and CLIP (two) and the
largest picture of SD3, which reads prompts with CLIP-L alone. Both sides get the same embeddings; what text
encoders make of words is compared in `tests/diffusion`. Two steps are taken, or the last two of four from a
picture.

| Mode | Workflow | Pipeline |
|---|---|---|
| txt2img | from noise alone; fill, depth and canny see an empty picture | plain; Control |
| img2img | from an encoded picture, whose edges depth and canny see | Img2Img; ControlImg2Img |
| inpaint | SetLatentNoiseMask; for fill InpaintModelConditioning | Inpaint, Control-, Kontext-; Fill |
| outpaint | the same after ImagePadForOutpaint | the same, of a picture padded by the test |
| ControlNet | InstantX's, in diffusers' names | ControlNet |
| LoRA | of the transformer, for Flux in kohya's names, else in PEFT's | `load_lora_weights` |
| IP-Adapter | XLabs' with its CLIP vision model | `load_ip_adapter` |
| instruct | InstructPixToPixConditioning of Canny's lines; for Kontext ReferenceLatent | Control; Kontext |
| upscale | Real-ESRGAN, then img2img | Img2Img from there |

ControlNets, LoRAs and IP-Adapters are tried on what the model was made for: text alone, inpainting, edges, or
a picture to go by. The depth or canny LoRA is in the layout of Black Forest Labs, with biases and norms.
Parts for Stable Diffusion 1.x are refused:

{transformer_refusals}
"""


def write_page(
    errors: Mapping[tuple[str, Mode], float | str],
    refusals: list[tuple[str, str, str]],
    transformers: Mapping[tuple[str, Mode], float | str],
    transformer_refusals: list[tuple[str, str, str]],
) -> str:
    """Return the page.

    Args:
        errors: The relative error of each cell; or ``RUNS`` or ``REFUSED``.
        refusals: Model, mode and message for parts of another family.
        transformers: As ``errors``, of the second table.
        transformer_refusals: As ``refusals``.
    """
    return _TEXT.format(
        table=_table("", {f"**{name}**": cells for name, cells in _rows(errors).items()}),
        refusals=_said(refusals),
        transformers=_table(_TRANSFORMERS, _rows(transformers)),
        transformer_refusals=_said(transformer_refusals),
        diffusers=version("diffusers"),
    )


def read_page(page: str) -> Cells:
    """Return what the table of the page says."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line[:1] == "|"]
    header = next(row for row in rows if row[0] == "")
    start = rows.index(header) + 2
    modes = [mode for mode in MODES if mode in header]
    return {
        (row[0].strip("*"), mode): cell
        for row in rows[start:]
        if row[0].startswith("**")
        for mode, cell in zip(modes, row[1:], strict=True)
    }


def read_transformers(page: str) -> dict[tuple[str, str], str]:
    """Return what the second table of the page says."""
    lines = page.split(f"| {_TRANSFORMERS} |")[1].splitlines()[2:]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[: lines.index("")]]
    return {(row[0], mode): cell for row in rows for mode, cell in zip(MODES, row[1:], strict=True)}


def _shown(error: float | str) -> str:
    return error if isinstance(error, str) else f"< 1e{math.floor(math.log10(error)) + 1}"


def _rows(errors: Mapping[tuple[str, Mode], float | str]) -> dict[str, list[str]]:
    """Return the cells of each model by its name."""
    names = dict.fromkeys(name for name, _ in errors)
    return {name: [_shown(errors[name, mode]) for mode in MODES] for name in names}


def _table(corner: str, rows: Mapping[str, list[str]]) -> str:
    head = [[corner, *MODES], ["---"] * (1 + len(MODES))]
    return _markdown([*head, *([name, *cells] for name, cells in rows.items())])


def _said(refusals: list[tuple[str, str, str]]) -> str:
    return _markdown([["Model", "Mode", "Message"], ["---"] * 3, *map(list, refusals)])


def _markdown(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
