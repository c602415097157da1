"""Depth in metres, and the inverse map that depth ControlNets were trained on.

Those networks saw MiDaS output: relative inverse depth (disparity), near is bright. Inverting a
normalised *linear* depth instead leaves the subject a handful of grey levels as soon as the scene has
a floor that runs far back; 1/z does not.
"""

from dataclasses import dataclass

import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import Array, Depth, Mask

SAMPLES = 65_536
"""Pixels looked at to find a range; a percentile of more is no better and costs milliseconds."""

NEAR_PERCENTILE = 99.5
FAR_PERCENTILE = 1.0
"""Percentiles of nearness taken as its ends, so that one stray pixel does not set the range."""


@dataclass(frozen=True, slots=True)
class DepthRange:
    """Which distances become white and black; freeze it over a shot so that brightness does not pump.

    Args:
        near: Metres; here and nearer is white.
        far: Metres; here, beyond, and sky is black.
    """

    near: float
    far: float

    def __post_init__(self) -> None:
        if not 0 < self.near < self.far:
            raise InputError(
                f"depth range {self.near:g} m to {self.far:g} m is empty or not in front of the camera",
                code="bad_depth",
                hint="Near must be above 0 and below far.",
            )


def check_depth(depth: Depth) -> None:
    """Refuse a depth map that says nothing, or nonsense.

    Raises:
        InputError: ``bad_depth`` where a value is NaN, zero or negative, or where all is sky.
    """
    if not depth.size:
        raise InputError("the depth map is empty", code="bad_depth")
    low, high = float(depth.min()), float(depth.max())  # NaN anywhere makes both NaN
    if np.isnan(low):
        _refuse(np.isnan(depth), "not a number (NaN)", "Sky is inf, everything else is metres.")
    if low <= 0:
        _refuse(depth <= 0, "zero or negative", "Depth is metres in front of the camera; sky is inf.")
    if low == np.inf:
        raise InputError(
            "the depth map holds nothing but sky",
            code="bad_depth",
            hint="Nothing lies between the camera's clipping planes: turn the view, or move them.",
        )
    assert high > 0


def _refuse(faults: Array, what: str, hint: str) -> None:
    share = 100 * float(faults.mean())
    amount = f"{share:.0f} %" if share >= 1 else f"{share:.2g} %"
    raise InputError(f"{amount} of the depth map is {what}", code="bad_depth", hint=hint)


def nearness(depth: Depth, is_perspective: bool = True) -> Depth:
    """Return what grows towards the viewer and is affine on screen over a plane; sky is the least.

    Args:
        depth: Checked.
        is_perspective: 1/z if so, else −z: an orthographic view has no disparity.

    Returns:
        Shape (H, W); sky is 0 in perspective, −inf otherwise.
    """
    return np.reciprocal(depth) if is_perspective else -depth


def find_range(depth: Depth, is_perspective: bool = True) -> DepthRange:
    """Find the distances worth grey levels: those of nearly all pixels that are not sky.

    The far end leaves a little room, so that the farthest surface stays apart from the black of the sky.

    Args:
        depth: Checked.
        is_perspective: Whether the camera is.
    """
    step = max(1, int(np.ceil(np.sqrt(depth.size / SAMPLES))))
    sample = depth[::step, ::step]
    solid = sample[np.isfinite(sample)]
    if not solid.size:
        solid = depth[np.isfinite(depth)]
    far, near = np.percentile(nearness(solid, is_perspective), (FAR_PERCENTILE, NEAR_PERCENTILE)).tolist()
    if is_perspective:
        far = min(max(0.8 * far, far - 0.1 * (near - far)), near / 1.05)
        return DepthRange(1 / near, 1 / far)
    return DepthRange(-near, max(-far + 0.1 * (near - far), -near * 1.001))


def depth_to_control(
    depth: Depth, depth_range: DepthRange | None = None, is_perspective: bool = True
) -> tuple[Mask, DepthRange]:
    """Turn view-space depth into the inverse map that depth ControlNets expect.

    Args:
        depth: Shape (H, W), metres along the view axis; ``inf`` is sky.
        depth_range: What becomes white and black; found from the picture if ``None``.
        is_perspective: Whether the camera is; an orthographic map is linear in depth.

    Returns:
        The map, shape (H, W), 0..1, bright is near; and the range that was used.

    Raises:
        InputError: ``bad_depth``, see ``check_depth``.

    Source: MiDaS relative inverse depth, Ranftl et al. 2020, §3.
    """
    check_depth(depth)
    used = depth_range or find_range(depth, is_perspective)
    near, far = (1 / used.near, 1 / used.far) if is_perspective else (-used.near, -used.far)
    scaled = nearness(depth, is_perspective)
    scaled -= np.float32(far)
    scaled *= np.float32(1 / (near - far))
    return np.clip(scaled, 0.0, 1.0, out=scaled), used


def quantise_depth(depth: Depth, near: float, far: float) -> Array:
    """Pack metres into 16 bits of inverse depth, the small form of the wire.

    Distances outside the range are clipped to it. Inside, 1/z is off by at most half a step of
    (1/near − 1/far) / 65534: with near 0.1 m that moves a point by 0.008 px when the camera moves 0.1 m.

    Args:
        depth: Checked.
        near: Metres of the value 65535.
        far: Metres of the value 1.

    Returns:
        Shape (H, W), u16; 0 is sky.
    """
    DepthRange(near, far)
    steps = np.rint((1.0 / depth.astype(np.float64) - 1 / far) * (65534 / (1 / near - 1 / far)))
    return np.where(np.isfinite(depth), 1 + np.clip(steps, 0, 65534), 0).astype(np.uint16)


def restore_depth(packed: Array, near: float, far: float) -> Depth:
    """Unpack what ``quantise_depth`` packed.

    Args:
        packed: Shape (H, W), u16; 0 is sky.
        near: Metres of the value 65535.
        far: Metres of the value 1.
    """
    DepthRange(near, far)
    inverse = 1 / far + np.arange(-1, 65535) / 65534 * (1 / near - 1 / far)
    inverse[0] = 1.0
    metres = (1.0 / inverse).astype(np.float32)
    metres[0] = np.inf
    return metres[packed]
