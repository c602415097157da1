"""Colours and small procedural textures for scene objects."""

import colorsys
import random

import bpy
import numpy as np

Rgba = tuple[float, float, float, float]
GREY: Rgba = (0.8, 0.8, 0.8, 1.0)
TEXTURE_SIZE = 64
PATTERNS = ("checker", "stripes", "bricks", "noise", "dots", "gradient", "plain", "plain")


def random_colour(rng: random.Random) -> Rgba:
    """Draw a surface colour, linear, from pale to saturated."""
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.95), rng.uniform(0.2, 0.97) ** 1.5)
    return (r, g, b, 1.0)


def make_materials(rng: random.Random, count: int) -> list[bpy.types.Material]:
    """Make materials with image textures that Workbench shows in its TEXTURE colour mode."""
    return [_material(rng, PATTERNS[i % len(PATTERNS)]) for i in range(count)]


def _material(rng: random.Random, pattern: str) -> bpy.types.Material:
    image = bpy.data.images.new(pattern, TEXTURE_SIZE, TEXTURE_SIZE)
    image.pixels.foreach_set(_pattern(rng, pattern).ravel())
    image.update()
    material = bpy.data.materials.new(pattern)
    material.use_nodes = True
    nodes = material.node_tree.nodes
    texture = nodes.new("ShaderNodeTexImage")
    texture.image = image
    nodes.active = texture
    return material


def _pattern(rng: random.Random, pattern: str) -> np.ndarray:
    """Paint one texture: (TEXTURE_SIZE, TEXTURE_SIZE, 4) float32, sRGB."""
    y, x = np.mgrid[0:TEXTURE_SIZE, 0:TEXTURE_SIZE]
    cell = rng.choice([8, 16, 32])
    match pattern:
        case "checker":
            weight = (x // cell + y // cell) % 2
        case "stripes":
            weight = ((x + rng.choice([0, 1]) * y) // (cell // 2)) % 2
        case "bricks":
            shifted = x + (y // 8 % 2) * 8
            weight = (y % 8 < 1) | (shifted % 16 < 1)
        case "noise":
            coarse = np.random.default_rng(rng.randrange(1 << 30)).random((cell, cell))
            weight = np.kron(coarse, np.ones((TEXTURE_SIZE // cell, TEXTURE_SIZE // cell)))
        case "dots":
            weight = np.hypot(x % 16 - 8, y % 16 - 8) < rng.uniform(3, 7)
        case "gradient":
            weight = y / TEXTURE_SIZE
        case _:
            weight = np.zeros_like(x)
    first, second = (np.sqrt(np.array(random_colour(rng))) for _ in range(2))
    mix = weight[..., None] * second + (1 - weight[..., None]) * first
    return np.ascontiguousarray(mix, np.float32)
