"""ComfyUI's HTTP and WebSocket API, for its clients and its editor; each route at ``/X`` and ``/api/X``."""

from bridge.comfy.clerk import PictureClerk
from bridge.comfy.editor import editor_folder, editor_routes
from bridge.comfy.routes import comfy_routes
from bridge.comfy.standing import House, standing_routes

__all__ = ["House", "PictureClerk", "comfy_routes", "editor_folder", "editor_routes", "standing_routes"]
