"""What ComfyUI's clients ask about the machine and the server."""

import importlib.metadata
import os
import sys
from collections.abc import Mapping
from typing import Any

import psutil
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.bodies import MAX_UPLOAD_BYTES
from bridge.jobs import JobService
from bridge.server import as_json

COMFYUI_VERSION = "0.3.64"
"""Whose contract is kept; clients decide by it what they may ask."""

FEATURES: Mapping[str, Any] = {"supports_preview_metadata": True, "max_upload_size": MAX_UPLOAD_BYTES}
"""What a client is told of what this server can do."""


def system_routes(service: JobService) -> list[Route]:
    """Return the routes about machine and server.

    Args:
        service: Knows the device, and what the worker measures.
    """

    async def stats(request: Request) -> Response:
        return as_json({"system": _system(), "devices": [_device(service, await service.measure())]})

    async def features(request: Request) -> Response:
        return as_json(dict(FEATURES))

    return [Route("/system_stats", stats), Route("/features", features)]


def _system() -> Mapping[str, Any]:
    memory = psutil.virtual_memory()
    return {
        "os": os.name,
        "ram_total": memory.total,
        "ram_free": memory.available,
        "comfyui_version": COMFYUI_VERSION,
        "required_frontend_version": _version("comfyui-frontend-package"),
        "installed_templates_version": None,
        "required_templates_version": None,
        "python_version": sys.version,
        "pytorch_version": _version("torch"),
        "embedded_python": False,
        "argv": ["framebridge"],  # the rest could name folders
    }


def _device(service: JobService, measured: Mapping[str, float]) -> Mapping[str, Any]:
    device = service.state.device or "cpu"
    kind, _, index = device.partition(":")
    memory = psutil.virtual_memory()
    figures = {
        "vram_total": memory.total,
        "vram_free": memory.available,
        "torch_vram_total": memory.total,
        "torch_vram_free": memory.available,
    }
    for name in figures:
        figures[name] = int(measured.get(f"{name}_bytes", figures[name]))
    return {"name": device, "type": kind, "index": int(index) if index else None, **figures}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
