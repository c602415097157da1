"""What our materials do, as HLSL: bodies of custom expressions. ``Projector.paint`` is one of them.

A body returns a float4: colour and how much it covers. The names of its inputs say what feeds them.
Only functions are used that GLSL has under another name, so that the same text runs in a test.
"""

from __future__ import annotations

from .axes import FAR_CM
from .projection import (
    BORDER,
    EDGE_QUALITY,
    LEAST_DEPTH,
    LEAST_QUALITY,
    MAX_VIEWS,
    RELATIVE_TOLERANCE,
    STEEPEST,
    angle_range,
)

NORMAL_INPUT = "Normal"
"""The shader's input that belongs to no view: the surface's normal in the world, unit length."""

SCREEN_INPUT, SIZE_INPUT, SCENE_INPUT = "Screen", "Size", "Scene"
"""float2: place in the viewport from the top left, 0..1, and its size, pixels; float4: what is there."""

STENCIL_INPUT, DEPTH_INPUT, CUSTOM_DEPTH_INPUT = "Stencil", "SceneDepth", "CustomDepth"
"""float4: custom stencil; distance along the view axis of what is there, and of what has a stencil, cm."""

WAY = "Way"
"""From the camera to the point, in single precision: worlds are larger than that, so it is taken before."""

VECTORS = ("Across", "Up", "Forward", "Frame")
"""float3: the axes of ``Projector``; width, height, and 1 in perspective, else 0."""

STRENGTH = "Strength"
"""0 where a view is not in use."""

TEXTURES = ("Picture", "Depth")


def inputs(views: int = MAX_VIEWS) -> tuple[str, ...]:
    """Return the names of the shader's inputs, in the order of the expression."""
    kinds = (WAY, *VECTORS, STRENGTH, *TEXTURES)
    return (NORMAL_INPUT, *(f"{kind}{view}" for view in range(views) for kind in kinds))


def projection_shader(views: int = MAX_VIEWS) -> str:
    """Return the body: its float4 is the blended colour, linear, and how much of the surface it covers."""
    limit, full = angle_range()
    numbers = {
        "far": FAR_CM,
        "relative": RELATIVE_TOLERANCE,
        "steepest": STEEPEST,
        "limit": limit,
        "full": full,
        "border": BORDER,
        "edge": EDGE_QUALITY,
        "least": LEAST_QUALITY,
        "nearest": LEAST_DEPTH,
    }
    constants = {name: f"{value:.9f}" for name, value in numbers.items()}
    return _BEGIN + "".join(_view(view, constants) for view in range(views)) + _END


def thrown_inputs() -> tuple[str, ...]:
    """Return the names of the inputs of ``thrown_shader``."""
    return (f"{WAY}0", *(f"{name}0" for name in VECTORS), f"{STRENGTH}0", "Picture0")


def thrown_shader() -> str:
    """Return the body that throws a picture through a view, onto whatever is there."""
    return _THROWN.replace("@nearest", f"{LEAST_DEPTH:.9f}")


def blend_inputs() -> tuple[str, ...]:
    """Return the names of the inputs of ``blend_shader``."""
    return (SCREEN_INPUT, SIZE_INPUT, SCENE_INPUT, "Opacity", "Split", "Aspect", "Picture0")


def blend_shader() -> str:
    """Return the body that lays a picture over the viewport, after tone mapping.

    There colours are display-referred, while a texture in sRGB is read as linear: it is encoded again. The
    editor keeps the angle from left to right, so a picture of other proportions keeps its width.
    """
    return _BLEND


def stencil_inputs() -> tuple[str, ...]:
    """Return the names of the inputs of ``stencil_shader``."""
    return (STENCIL_INPUT, DEPTH_INPUT, CUSTOM_DEPTH_INPUT)


def stencil_shader() -> str:
    """Return the body that shows custom stencils where nothing is in front: they are drawn through walls."""
    return (
        f"return CustomDepth.r <= SceneDepth.r * {1.0 + RELATIVE_TOLERANCE} ? Stencil.rrrr : 0.0 * Stencil;"
    )


def _view(view: int, constants: dict[str, str]) -> str:
    text = _VIEW
    for name in (WAY, *VECTORS, STRENGTH, *TEXTURES):
        text = text.replace(f"${name}", f"{name}{view}")
    for name, value in constants.items():
        text = text.replace(f"@{name}", value)
    return text


_BEGIN = """\
float3 color = float3(0.0, 0.0, 0.0);
float total = 0.0;
float bare = 1.0;
"""

_END = """\
return float4(color / max(total, 0.000000001), 1.0 - bare);
"""

# Depth is taken in the middles of its pixels, so that no filter mixes two surfaces.
_VIEW = """\
if ($Strength > 0.0)
{
    float depth = dot($Way, $Forward);
    float divisor = $Frame.z > 0.5 ? max(depth, @nearest) : 1.0;
    float2 uv = float2(0.5, 0.5) + float2(0.5, -0.5) * float2(dot($Way, $Across), dot($Way, $Up)) / divisor;
    float2 rim = min(uv, float2(1.0, 1.0) - uv);
    if (depth > @nearest && min(rim.x, rim.y) > 0.0)
    {
        float2 pixel = float2(1.0, 1.0) / $Frame.xy;
        float2 middle = (floor(uv * $Frame.xy) + float2(0.5, 0.5)) * pixel;
        float first = Texture2DSampleLevel($Depth, $DepthSampler, middle, 0.0).r;
        float4 sides = float4(
            Texture2DSampleLevel($Depth, $DepthSampler, middle + float2(pixel.x, 0.0), 0.0).r,
            Texture2DSampleLevel($Depth, $DepthSampler, middle - float2(pixel.x, 0.0), 0.0).r,
            Texture2DSampleLevel($Depth, $DepthSampler, middle + float2(0.0, pixel.y), 0.0).r,
            Texture2DSampleLevel($Depth, $DepthSampler, middle - float2(0.0, pixel.y), 0.0).r);
        float4 nearest = float4(@nearest, @nearest, @nearest, @nearest);
        float level = $Frame.z > 0.5 ? 1.0 / max(first, @nearest) : first;
        float4 levels = $Frame.z > 0.5 ? float4(1.0, 1.0, 1.0, 1.0) / max(sides, nearest) : sides;
        float4 steps = abs(levels - float4(level, level, level, level));
        float slope = min(steps.x, steps.y) + min(steps.z, steps.w);
        float furthest = max(max(steps.x, steps.y), max(steps.z, steps.w));
        float second = sides.w;
        float otherLevel = levels.w;
        float2 offset = float2(0.0, -pixel.y);
        if (steps.x >= furthest) { second = sides.x; otherLevel = levels.x; offset = float2(pixel.x, 0.0); }
        else if (steps.y >= furthest)
        { second = sides.y; otherLevel = levels.y; offset = float2(-pixel.x, 0.0); }
        else if (steps.z >= furthest)
        { second = sides.z; otherLevel = levels.z; offset = float2(0.0, pixel.y); }
        bool isEdge = furthest > 2.0 * slope + 4.0 * @relative * max(level, otherLevel);
        bool isSecond = isEdge && abs(depth - second) < abs(depth - first);
        float seen = isSecond ? second : first;
        float2 place = isEdge ? middle + (isSecond ? offset : float2(0.0, 0.0)) : uv;
        float perPixel = $Frame.z > 0.5 ? slope * seen * seen : slope;
        float width = 2.0 / (length($Across) * $Frame.x) * ($Frame.z > 0.5 ? seen : 1.0);
        float tolerance = @relative * seen + min(perPixel, @steepest * width);
        float visible = seen < @far ? saturate(2.0 - (depth - seen) / max(tolerance, 0.000001)) : 0.0;
        float facing = $Frame.z > 0.5 ? -dot($Way, Normal) / length($Way) : -dot($Forward, Normal);
        float cover = visible * smoothstep(@limit, @full, facing) * $Strength;
        float border = saturate(min(rim.x, rim.y) / @border);
        float quality = pow(max(facing, 0.0), 4.0) * border * (isEdge ? @edge : 1.0);
        float weight = cover * max(quality, @least);
        color += weight * Texture2DSampleLevel($Picture, $PictureSampler, place, 0.0).rgb;
        total += weight;
        bare *= 1.0 - cover;
    }
}
"""

_THROWN = """\
float depth = dot(Way0, Forward0);
float divisor = Frame0.z > 0.5 ? max(depth, @nearest) : 1.0;
float2 uv = float2(0.5, 0.5) + float2(0.5, -0.5) * float2(dot(Way0, Across0), dot(Way0, Up0)) / divisor;
float2 rim = min(uv, float2(1.0, 1.0) - uv);
float cover = depth > @nearest && min(rim.x, rim.y) > 0.0 ? Strength0 : 0.0;
return float4(Texture2DSampleLevel(Picture0, Picture0Sampler, uv, 0.0).rgb, cover);
"""

_BLEND = """\
float2 uv = float2(Screen.x, 0.5 + (Screen.y - 0.5) * Aspect * Size.y / Size.x);
float3 linearColor = Texture2DSampleLevel(Picture0, Picture0Sampler, uv, 0.0).rgb;
float3 dark = float3(0.0031308, 0.0031308, 0.0031308);
float3 power = pow(max(linearColor, dark), float3(1.0, 1.0, 1.0) / 2.4);
float3 bright = 1.055 * power - float3(0.055, 0.055, 0.055);
float3 encoded = lerp(linearColor * 12.92, bright, step(dark, linearColor));
float inside = step(0.0, uv.y) * step(uv.y, 1.0) * step(Split, Screen.x);
return float4(lerp(Scene.rgb, encoded, Opacity * inside), 1.0);
"""
