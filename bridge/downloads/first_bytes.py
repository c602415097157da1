"""Judging a file by its first bytes, before the rest is fetched."""

from bridge.downloads.sizes import gigabytes
from bridge.downloads.web import Reply
from bridge.errors import BridgeError, ModelError
from bridge.models import Header, read_header_from

MOST_HEADER_BYTES = 32 * 1024 * 1024
HEADER_S = 120.0
"""How long a source may take to send them."""


def fetch_header(reply: Reply, name: str) -> tuple[Header, bytes, int]:
    """Fetch the header of a file.

    Args:
        reply: The answer for the file; its body is read as far as the header goes.
        name: Of the file, for messages.

    Returns:
        The header, the bytes up to its end, and how long the file must be.

    Raises:
        BridgeError: ``not_a_model``, ``unsafe_model``, ``model_unsupported``, ``size_differs``; ``Cut``.
    """
    start = bytearray()
    reply.limit(HEADER_S)

    def read(count: int) -> bytes:
        if len(start) + count > MOST_HEADER_BYTES:
            raise ModelError(
                f'"{name}" claims a header of {gigabytes(count)}, which no model has',
                code="not_a_model",
                hint="Get the model from another place.",
            )
        data = reply.read(count)
        start.extend(data)
        return data

    try:
        header, expected = read_header_from(name, read, reply.size)
    except ModelError as error:
        raise _not_wanted(error, reply.host) from error
    length = 8 + int.from_bytes(start[:8], "little")
    return header, bytes(start[:length]), expected


def _not_wanted(error: ModelError, host: str) -> BridgeError:
    """Say in terms of the source why what lies there is no model."""
    if "web page" in error.message:
        return BridgeError(
            f'"{host}" sends a web page instead of a model',
            code="not_a_model",
            hint="Copy the address of the file itself: on Hugging Face that of its download arrow, on "
            "Civitai that of the model's page. Some files want you to be logged in.",
        )
    if error.code == "model_corrupt" and "incomplete" in error.message:
        return BridgeError(
            f'what lies at "{host}" is not whole: {error.message}',
            code="size_differs",
            hint="Its upload may be under way, or was cut. Try another copy of it.",
        )
    code = error.code if error.code != "model_corrupt" else "not_a_model"
    hint = "Only safetensors files are taken; get such a version." if code == "not_a_model" else error.hint
    return BridgeError(f'what lies at "{host}" is refused: {error.message}', code=code, hint=hint)
