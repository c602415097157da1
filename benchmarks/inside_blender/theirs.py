"""One picture the way of other add-ons: a temporary PNG, an upload, polling, a download, a loaded file."""

import json
import time
from http.client import HTTPConnection
from pathlib import Path

import bpy

BOUNDARY = "----framebridge-benchmark"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="view.png"\r\n'
    "Content-Type: image/png\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()


class Theirs:
    """The client of ``file_peer``.

    Args:
        port: Of the server.
        poll_s: Seconds from asking for the picture to the first look whether it is there, and between looks.
        folder: For the temporary files.
    """

    def __init__(self, port: int, poll_s: float, folder: str) -> None:
        self._http = HTTPConnection("127.0.0.1", port)
        self._poll_s = poll_s
        self._folder = Path(folder)

    def run(self, size: int) -> dict[str, float]:
        """Make one; returns the seconds of its parts."""
        sent, received = self._folder / "sent.png", self._folder / "received.png"
        moments = [time.monotonic()]
        _render(size)
        moments.append(time.monotonic())
        bpy.data.images["Render Result"].save_render(str(sent))
        moments.append(time.monotonic())
        job = self._submit(sent.read_bytes())
        moments.append(time.monotonic())
        name = self._wait(job)
        moments.append(time.monotonic())
        received.write_bytes(self._ask("GET", f"/view?filename={name}"))
        moments.append(time.monotonic())
        image = bpy.data.images.load(str(received))
        assert len(image.pixels) == size * size * 4  # Blender reads the file when somebody looks at it
        moments.append(time.monotonic())
        bpy.data.images.remove(image)
        names = ("render", "write a PNG", "upload", "wait", "download", "load")
        parts = {name: end - begin for name, begin, end in zip(names, moments[:-1], moments[1:], strict=True)}
        return parts | {"all": moments[-1] - moments[0]}

    def _submit(self, picture: bytes) -> str:
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        uploaded = json.loads(self._ask("POST", "/upload/image", HEAD + picture + TAIL, kind))
        prompt = json.dumps({"image": uploaded["name"]}).encode()
        return json.loads(self._ask("POST", "/prompt", prompt))["prompt_id"]

    def _wait(self, job: str) -> str:
        while True:
            time.sleep(self._poll_s)
            found = json.loads(self._ask("GET", f"/history/{job}"))
            if job in found:
                return found[job]["image"]

    def _ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        self._http.request(method, path, body, headers or {})
        response = self._http.getresponse()
        content = response.read()
        assert response.status == 200, content
        return content


def _render(size: int) -> None:
    render = bpy.context.scene.render
    render.engine = "BLENDER_WORKBENCH"
    render.resolution_x = render.resolution_y = size
    render.resolution_percentage = 100
    if hasattr(render.image_settings, "media_type"):  # Blender 5
        render.image_settings.media_type = "IMAGE"
    render.image_settings.file_format = "PNG"
    render.image_settings.color_mode = "RGB"
    bpy.ops.render.render()
