"""ComfyUI's HTTP and WebSocket API, for its clients and its editor; each route at ``/X`` and ``/api/X``."""
