"""The commands about the daemon: what each takes. What they do lies in ``service`` and ``page``."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.options import AsJson, CustomNodes, Device, DType, InDType, Models, OnDevice, Out
from bridge.cli.request import Serving

MOST = 1e6
"""Of minutes, days or gigabytes."""


def _measure(value: float) -> float:
    if not value <= MOST:  # as NaN is not, either
        raise typer.BadParameter(f"{value:g} is no number up to {MOST:,.0f}.")
    return value


Host = Annotated[
    str, typer.Option(help="Which loopback address (127.0.0.1 or ::1); other machines: --listen.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")]
IdleMinutes = Annotated[
    float,
    typer.Option(min=0, callback=_measure, help="Leave after so long without a client or a job; 0 stays."),
]
HangMinutes = Annotated[
    float,
    typer.Option(min=0.1, callback=_measure, help="End a job that says nothing for so long: it has hung."),
]
ComfyCompatible = Annotated[
    bool, typer.Option("--comfy-compatible", help="Let local ComfyUI clients in without a token.")
]
WebhookHosts = Annotated[
    list[str] | None,
    typer.Option(help="A host besides this one that POST /run may send results to; repeatable."),
]
HistoryDays = Annotated[
    float, typer.Option(min=0, callback=_measure, help="Jobs that ended longer ago are forgotten.")
]
HistoryGigabytes = Annotated[
    float,
    typer.Option(
        min=0, callback=_measure, help="The oldest are forgotten when they and their results take more."
    ),
]
SurvivesPowerCuts = Annotated[
    bool,
    typer.Option(
        "--survive-power-cuts", help="Wait for the disk whenever a job comes or ends; some milliseconds each."
    ),
]
OnlyPrint = Annotated[
    bool, typer.Option("--print", help="Print an address that opens the page once, and open nothing.")
]
Listen = Annotated[
    str,
    typer.Option(
        "--listen",
        metavar="ADDRESS",
        help="Listen to other machines, too, at this address; needs TLS and a token of your own.",
    ),
]
ListenPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="For --listen; 8190 if left out, 0 takes a free one.")
]
Certificate = Annotated[Path | None, typer.Option("--tls-cert", metavar="FILE.pem", help="For --listen.")]
Key = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE.pem", help="For --listen.")]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="The token to ask for instead of a new one at every start; 32 letters that only you can read.",
    ),
]
Name = Annotated[
    list[str] | None,
    typer.Option(
        "--name",
        help="For --listen: what others call this machine; repeatable; without it, --listen's ADDRESS.",
    ),
]


def add_daemon_commands(app: typer.Typer, run: Callable[..., None]) -> None:
    """Add ``serve``, ``stop``, ``status`` and ``open``.

    Args:
        app: Gets the commands.
        run: Runs a function of a module beside this one, given both names and its arguments.
    """
    _add_serve(app, run)

    @app.command()
    def stop() -> None:
        """Stop the running daemon."""
        run("service", "stop")

    @app.command()
    def status(as_json: AsJson = False) -> None:
        """Say whether a daemon runs, on what, and what it is doing."""
        run("service", "status", as_json)

    @app.command("open")
    def open_page(
        only_print: OnlyPrint = False,
    ) -> None:
        """Show the daemon's page in the browser: what runs, what waits, and the pictures so far."""
        run("page", "open_page", only_print)


def _add_serve(app: typer.Typer, run: Callable[..., None]) -> None:
    @app.command()
    def serve(
        host: Host = "127.0.0.1",
        port: Port = 8189,
        models: Models = None,
        out: Out = None,
        device: OnDevice = Device.AUTO,
        dtype: InDType = DType.AUTO,
        idle_minutes: IdleMinutes = 30,
        hang_minutes: HangMinutes = 10,
        comfy_compatible: ComfyCompatible = False,
        webhook_host: WebhookHosts = None,
        custom_nodes: CustomNodes = None,
        listen: Listen = "",
        listen_port: ListenPort = None,
        tls_cert: Certificate = None,
        tls_key: Key = None,
        token_file: TokenFile = None,
        name: Name = None,
        history_days: HistoryDays = 30,
        history_gb: HistoryGigabytes = 2,
        survive_power_cuts: SurvivesPowerCuts = False,
    ) -> None:
        """Run the daemon that owns the GPU; Blender, Unreal and scripts connect to it."""
        serving = Serving(
            host=host,
            port=port,
            models=models or [],
            out=out,
            device=device.value,
            dtype=dtype.value,
            idle_minutes=idle_minutes,
            hang_minutes=hang_minutes,
            comfy_compatible=comfy_compatible,
            webhook_hosts=webhook_host or [],
            custom_nodes=custom_nodes or [],
            listen=listen,
            listen_port=listen_port,
            certificate=tls_cert,
            key=tls_key,
            token_file=token_file,
            names=name or [],
            history_days=history_days,
            history_gb=history_gb,
            survives_power_cuts=survive_power_cuts,
        )
        run("service", "serve", serving)
