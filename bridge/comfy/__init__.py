"""ComfyUI's HTTP and WebSocket API, for its clients and its editor; each route at ``/X`` and ``/api/X``."""

from bridge.comfy.routes import comfy_routes

__all__ = ["comfy_routes"]
