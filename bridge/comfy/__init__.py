"""The HTTP and WebSocket API of ComfyUI, for its clients and its editor; each route at ``/X`` and ``/api/X``."""
