"""The command line: what each command takes. What it does lies in a module beside this one.

This module imports nothing heavy, so that ``framebridge --help`` answers at once; a command's own module
is imported when the command runs.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from bridge import __version__
from bridge.cli.jobs import history_app, queue_app
from bridge.cli.models import models_app
from bridge.cli.options import (
    AsJson,
    Combinations,
    CustomNodes,
    Device,
    DType,
    InDType,
    Models,
    OnDevice,
    Only,
    PromptFile,
    PromptInputs,
    PromptTexts,
    Variants,
    Wildcards,
)
from bridge.cli.packs import packs_app
from bridge.cli.request import Prompts, Request
from bridge.cli.serving import add_daemon_commands
from bridge.cli.streams import give_up_output, is_output_lost, replace_closed_streams
from bridge.errors import BridgeError, InputError, WorkflowError, shown

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TAKEN = 3
EXIT_NO_DAEMON = 4
EXIT_INTERRUPTED = 130

EXIT_CODES = {
    "already_running": EXIT_TAKEN,
    "port_in_use": EXIT_TAKEN,
    "no_daemon": EXIT_NO_DAEMON,
    "connection_lost": EXIT_NO_DAEMON,
    "cancelled": EXIT_INTERRUPTED,
    "no_connection": EXIT_FAILED,
    "bad_answer": EXIT_FAILED,
    **dict.fromkeys(
        (
            "checksum_differs",
            "consent_needed",
            "job_not_found",
            "model_not_found",
            "model_unsupported",
            "not_a_model",
            "not_https",
            "pack_not_found",
            "private_address",
            "source_not_found",
            "unsafe_host",
            "unsafe_model",
        ),
        EXIT_USAGE,
    ),
}
"""Error code → exit code, where ``exit_code`` cannot tell by the kind of error or the code's first word."""

app = typer.Typer(
    name="framebridge",
    help="See a 3D scene through a diffusion model.",
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage or input, 3 port or daemon taken, 4 no daemon, "
    "130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

package_app = typer.Typer(
    help="Build the add-ons for users and web servers.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(package_app, name="package")

presets_app = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(presets_app, name="presets")


WorkflowFile = Annotated[
    Path | None,
    typer.Argument(metavar="WORKFLOW.json|PICTURE.png", help="A workflow, or a picture that holds one."),
]
PresetName = Annotated[
    str, typer.Option("--preset", metavar="NAME", help="A preset instead of a workflow: stylize.")
]
Values = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NODE.INPUT=VALUE",
        help="Change an input, 3.seed=42, or a preset's control, steps=4; may be repeated.",
    ),
]
FrameFile = Annotated[
    Path | None,
    typer.Option("--frame", metavar="FILE.npz", help="The captured frame that ViewportFrame sees."),
]
Pictures = Annotated[
    list[str] | None,
    typer.Option(
        "--picture",
        metavar="[NAME=]FILE",
        help="A picture that the preset wants, as a reference; color=FILE is one in place of the view.",
    ),
]

OutFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where pictures are written.")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """See a 3D scene through a diffusion model."""
    if version:
        typer.echo(f"framebridge {__version__}")
        raise typer.Exit


@app.command()
def demo(
    out: OutFolder = Path("out"),
    device: OnDevice = Device.AUTO,
    as_json: AsJson = False,
) -> None:
    """Restyle a real Blender viewport with the built-in model and write a contact sheet."""
    _run("showcase", "demo", out, device.value, as_json)


@app.command()
def run(
    workflow: WorkflowFile = None,
    preset: PresetName = "",
    out: OutFolder = Path("out"),
    models: Models = None,
    device: OnDevice = Device.AUTO,
    dtype: InDType = DType.AUTO,
    values: Values = None,
    frame: FrameFile = None,
    pictures: Pictures = None,
    custom_nodes: CustomNodes = None,
    only: Only = None,
    prompts: PromptFile = None,
    prompt: PromptTexts = None,
    prompt_input: PromptInputs = None,
    wildcards: Wildcards = None,
    variants: Variants = 1,
    combinations: Combinations = False,
    as_json: AsJson = False,
) -> None:
    """Run a workflow or preset without a daemon, once or for many prompts, and write its pictures."""
    request = Request(
        workflow,
        preset,
        out,
        models or [],
        device.value,
        dtype.value,
        values or [],
        frame,
        pictures or [],
        custom_nodes or [],
        as_json,
    )
    if not (prompts or prompt):
        if prompt_input or wildcards or variants > 1 or combinations:
            raise typer.BadParameter("this option is about prompts: give --prompts FILE.txt or --prompt TEXT")
        _run("workflow", "run", request, only or [])
    if only:
        raise typer.BadParameter("--only runs a single picture; leave it or the prompts out")
    texts = Prompts(prompts, prompt or [], prompt_input or [], wildcards or [], variants, combinations)
    _run("batch", "run_prompts", request, texts)


@app.command()
def grid(
    x: Annotated[
        str,
        typer.Option(
            "--x",
            metavar="INPUT=VALUES",
            help="Along the rows: 3.seed=1,2,3 or 3.seed=1..4; in a preset steps=1..4.",
        ),
    ],
    workflow: WorkflowFile = None,
    y: Annotated[
        str,
        typer.Option("--y", metavar="INPUT=VALUES", help='Down the columns: 6.text="a cat, asleep",a dog.'),
    ] = "",
    preset: PresetName = "",
    out: OutFolder = Path("out"),
    models: Models = None,
    device: OnDevice = Device.AUTO,
    dtype: InDType = DType.AUTO,
    values: Values = None,
    frame: FrameFile = None,
    pictures: Pictures = None,
    custom_nodes: CustomNodes = None,
    as_json: AsJson = False,
) -> None:
    """Compare pictures over one or two inputs: a contact sheet, and each of its pictures as a file."""
    request = Request(
        workflow,
        preset,
        out,
        models or [],
        device.value,
        dtype.value,
        values or [],
        frame,
        pictures or [],
        custom_nodes or [],
        as_json,
    )
    _run("grid", "grid", request, x, y)


@app.command()
def nodes(
    name: Annotated[str, typer.Argument(metavar="[NODE]", help="Show one node with its inputs.")] = "",
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/nodes.md.")] = False,
) -> None:
    """List the nodes that workflows may use."""
    _run("listing", "nodes", name, as_json, as_markdown)


@app.command()
def doctor(
    models: Models = None,
    as_json: AsJson = False,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE.zip", help="Also write a file to send to whoever helps you."),
    ] = None,
) -> None:
    """Check this machine link by link, and say what to do about each fault."""
    _run("diagnosis", "doctor", models or [], as_json, bundle)


@presets_app.callback(invoke_without_command=True)
def presets_root(context: typer.Context, models: Models = None, as_json: AsJson = False) -> None:
    """List the presets that every host offers, or make one of a workflow."""
    if context.invoked_subcommand is None:
        _run("presets", "show_all", models or [], as_json)


@presets_app.command("list")
def list_presets(models: Models = None, as_json: AsJson = False) -> None:
    """List the presets, what each does, and which models it lacks."""
    _run("presets", "show_all", models or [], as_json)


@presets_app.command("show")
def show_preset(
    name: Annotated[str, typer.Argument(metavar="PRESET", help="Its name, as in the list.")],
    models: Models = None,
    as_json: AsJson = False,
) -> None:
    """Show one preset with its controls."""
    _run("presets", "show", name, models or [], as_json)


@presets_app.command("save")
def save_preset(
    workflow: Annotated[
        Path,
        typer.Argument(metavar="WORKFLOW.json|PICTURE.png", help="A workflow, or a picture that holds one."),
    ],
    title: Annotated[str, typer.Option("--title", help="What panels call it.")],
    description: Annotated[str, typer.Option("--description", help="One sentence on what it does.")] = "",
    shown: Annotated[
        list[str] | None,
        typer.Option(
            "--show",
            metavar="NODE.INPUT[=LABEL]",
            help="An input that panels show; may be repeated. Without any: prompt, seed, steps and models.",
        ),
    ] = None,
    feeds: Annotated[
        list[str] | None,
        typer.Option(
            "--feed",
            metavar="NODE=PLANE",
            help="What the host sends takes the place of a loaded picture: color, depth, canny, normal, "
            "mask, edges, or reference (a picture that the artist chooses); may be repeated.",
        ),
    ] = None,
    replaces: Annotated[bool, typer.Option("--replace", help="Replace your preset of this title.")] = False,
) -> None:
    """Make a preset of a workflow, for every host's panel."""
    _run("presets", "save", workflow, title, description, shown or [], feeds or [], replaces)


@presets_app.command("remove")
def remove_preset(
    name: Annotated[str, typer.Argument(metavar="PRESET", help="Its name, as in the list.")],
) -> None:
    """Take a preset of your own away."""
    _run("presets", "remove", name)


@package_app.command("blender")
def package_blender(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the zip and index.json are written.")
    ] = Path("dist"),
    as_json: AsJson = False,
) -> None:
    """Build and check the Blender add-on, with the listing from which Blender updates it.

    The zip installs in Blender 4.2 and later by Preferences ▸ Get Extensions ▸ Install from Disk.

    To have Blender update it, put the zip and index.json into one folder of any web server, and add the
    address of index.json by Preferences ▸ Get Extensions ▸ Repositories ▸ + ▸ Add Remote Repository.
    """
    _run("package", "blender", out, as_json)


@package_app.command("unreal")
def package_unreal(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the zip is written.")] = Path(
        "dist"
    ),
    as_json: AsJson = False,
) -> None:
    """Build and check the Unreal plugin, for UE 5.4 and later.

    Unpack the zip into the Plugins folder of a project, and enable Framebridge under Edit ▸ Plugins.
    """
    _run("package", "unreal", out, as_json)


def _run(module: str, function: str, *arguments: Any) -> None:
    """Import a command's module and call its function; what it raises becomes a message and an exit code."""
    try:
        code = getattr(import_module(f"bridge.cli.{module}"), function)(*arguments)
    except BridgeError as error:
        report(error)
        raise typer.Exit(exit_code(error)) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    raise typer.Exit(code or 0)


def report(error: BridgeError) -> None:
    """Print every fault with its place and its hint on standard error."""
    for problem in error.problems:
        place = "".join(
            (problem.node_id and f" node {problem.node_id}", problem.input_name and f".{problem.input_name}")
        )
        kind = typer.style("warning", fg="yellow") if problem.is_warning else typer.style("error", fg="red")
        typer.echo(f"{kind} " + shown(f"[{problem.code}]{place}: {problem.message}"), err=True)
        if problem.hint:
            typer.echo(shown(f"  hint: {problem.hint}"), err=True)


def exit_code(error: BridgeError) -> int:
    """Return the exit code that tells a script what kind of fault it was."""
    from_input = isinstance(error, WorkflowError | InputError) or error.code.startswith(
        ("bad_", "file_", "frame_", "image_", "no_", "unknown_")
    )
    return EXIT_CODES.get(error.code, EXIT_USAGE if from_input else EXIT_FAILED)


add_daemon_commands(app, _run)
app.add_typer(models_app(_run), name="models")
app.add_typer(packs_app(_run), name="packs")
app.add_typer(queue_app(_run), name="queue")
app.add_typer(history_app(_run), name="history")


def main() -> None:
    """Run the command line."""
    replace_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if not is_output_lost(error):
            raise
        give_up_output()
        if not isinstance(error, BrokenPipeError):
            hint = "Make room on the disk that it goes to, or send it elsewhere."
            message = f"what was to be printed cannot be written: {error.strerror}"
            report(BridgeError(message, code="output_lost", hint=hint))
        sys.exit(EXIT_FAILED)
