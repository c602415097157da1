"""Runs HLSL as GLSL, for the functions that both have: software rendering is enough."""

import os
from collections.abc import Mapping
from typing import Any

import moderngl
import numpy as np

_AS_GLSL = """\
#version 330
#define float2 vec2
#define float3 vec3
#define float4 vec4
#define lerp mix
#define saturate(x) clamp(x, 0.0, 1.0)
#define Texture2DSampleLevel(texture, sampler, uv, level) textureLod(texture, uv, level)
"""

_VERTEX = "#version 330\nin vec2 at;\nvoid main() { gl_Position = vec4(at, 0.0, 1.0); }\n"


def software_context() -> Any:
    """An OpenGL context without a window."""
    os.environ.setdefault("LIBGL_ALWAYS_SOFTWARE", "1")
    return moderngl.create_context(standalone=True, backend="egl")


class Texture:
    """Pixels as a shader sees them, clamped at the border: (H, W, C), rows downwards."""

    def __init__(self, pixels: np.ndarray, *, is_filtered: bool) -> None:
        self.pixels = np.atleast_3d(pixels).astype(np.float32)
        self.is_filtered = is_filtered


def evaluate(
    context: Any,
    body: str,
    points: Mapping[str, np.ndarray],
    constants: Mapping[str, Any],
    textures: Mapping[str, Texture],
) -> np.ndarray:
    """Run the body of a function of float4 for many points.

    Args:
        context: Where to run.
        body: HLSL.
        points: Input → (N, 3), one for each point.
        constants: Input → a number or three.
        textures: Input → texture; its sampler is called as in Unreal.

    Returns:
        float32 (N, 4).
    """
    count = len(next(iter(points.values())))
    declared = [f"uniform sampler2D {name}_all;" for name in points]
    declared += [
        f"uniform {'vec3' if np.ndim(value) else 'float'} {name};" for name, value in constants.items()
    ]
    declared += [f"uniform sampler2D {name};" for name in textures]
    fetched = [f"    vec3 {name} = texelFetch({name}_all, ivec2(gl_FragCoord.xy), 0).xyz;" for name in points]
    arguments = ", ".join(points)
    parameters = ", ".join(f"vec3 {name}" for name in points)
    fragment = "\n".join(
        (
            _AS_GLSL,
            *declared,
            f"vec4 shade({parameters})\n{{\n{body}\n}}",
            "out vec4 result;",
            "void main()\n{",
            *fetched,
            f"    result = shade({arguments});\n}}",
        )
    )
    program = context.program(_VERTEX, fragment)
    bound = {f"{name}_all": Texture(values[None], is_filtered=False) for name, values in points.items()}
    for unit, (name, texture) in enumerate({**bound, **textures}.items()):
        _bind(context, texture, unit)
        if name in program:
            program[name] = unit
    for name, value in constants.items():
        if name in program:
            program[name] = tuple(map(float, value)) if np.ndim(value) else float(value)
    target = context.framebuffer([context.texture((count, 1), 4, dtype="f4")])
    target.use()
    corners = context.buffer(np.array((-1, -1, 3, -1, -1, 3), np.float32).tobytes())
    context.vertex_array(program, corners, "at").render(moderngl.TRIANGLES)
    return np.frombuffer(target.read(components=4, dtype="f4"), np.float32).reshape(count, 4)


def _bind(context: Any, texture: Texture, unit: int) -> None:
    height, width, channels = texture.pixels.shape
    made = context.texture((width, height), channels, texture.pixels.tobytes(), dtype="f4")
    way = moderngl.LINEAR if texture.is_filtered else moderngl.NEAREST
    made.filter = (way, way)
    made.repeat_x = made.repeat_y = False
    made.use(unit)
