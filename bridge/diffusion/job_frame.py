"""The frame that a running node looks at."""

from bridge.engine import current_job
from bridge.errors import InputError
from bridge.protocol import Frame


def job_frame() -> Frame:
    """Return what the 3D tool has captured for this job.

    Raises:
        InputError: ``no_frame``.
    """
    frame = current_job().frame
    if frame is None:
        raise InputError(
            "the workflow looks at a viewport, and no frame came with it",
            code="no_frame",
            hint="Run it from Blender or Unreal, or give a captured frame: --frame FILE.npz.",
        )
    return frame


def frame_digest() -> str:
    """Return what changes when the view does, for the fingerprints of nodes."""
    frame = current_job().frame
    return frame.digest if frame else ""
