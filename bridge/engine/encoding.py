"""Pictures on their way to clients that want files: previews as JPEG, results as PNG.

The daemon opens no picture; so the worker encodes them, and only the worker imports this.
"""

from dataclasses import replace

from bridge.imaging import packed
from bridge.protocol import Message, Preview, Result


def with_encoded_pictures(message: Message) -> Message:
    """Return a message with its pictures encoded: previews for the eye, results without loss."""
    if isinstance(message, Preview | Result):
        codec = "jpeg" if isinstance(message, Preview) else "png"
        return replace(message, planes=tuple(packed(plane, codec) for plane in message.planes))
    return message
