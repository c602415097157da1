"""Seeded weights of image towers: CLIP's, in both naming styles, and SigLIP's.

They are exact in float16, in which ComfyUI keeps CLIP's weights by default.
"""

import numpy as np

WIDTH, INNER, LAYERS, POSITIONS, PROJECTION = 64, 96, 3, 5, 24
"""For pictures of 28² pixels."""

_LAYER = {
    "layer_norm1.weight": (WIDTH,), "layer_norm1.bias": (WIDTH,),
    "layer_norm2.weight": (WIDTH,), "layer_norm2.bias": (WIDTH,),
    **{f"self_attn.{each}_proj.weight": (WIDTH, WIDTH) for each in ("q", "k", "v", "out")},
    **{f"self_attn.{each}_proj.bias": (WIDTH,) for each in ("q", "k", "v", "out")},
    "mlp.fc1.weight": (INNER, WIDTH), "mlp.fc1.bias": (INNER,),
    "mlp.fc2.weight": (WIDTH, INNER), "mlp.fc2.bias": (WIDTH,),
}  # fmt: skip
_SHAPES = {
    "vision_model.embeddings.class_embedding": (WIDTH,),
    "vision_model.embeddings.patch_embedding.weight": (WIDTH, 3, 14, 14),
    "vision_model.embeddings.position_embedding.weight": (POSITIONS, WIDTH),
    "vision_model.pre_layrnorm.weight": (WIDTH,), "vision_model.pre_layrnorm.bias": (WIDTH,),
    "vision_model.post_layernorm.weight": (WIDTH,), "vision_model.post_layernorm.bias": (WIDTH,),
    **{
        f"vision_model.encoder.layers.{layer}.{name}": shape
        for layer in range(LAYERS) for name, shape in _LAYER.items()
    },
    "visual_projection.weight": (PROJECTION, WIDTH),
}  # fmt: skip


_SIGLIP_SHAPES = {
    "vision_model.embeddings.patch_embedding.weight": (WIDTH, 3, 14, 14),
    "vision_model.embeddings.patch_embedding.bias": (WIDTH,),
    "vision_model.embeddings.position_embedding.weight": (POSITIONS - 1, WIDTH),
    **{name: shape for name, shape in _SHAPES.items() if ".layers." in name or ".post_" in name},
    "vision_model.head.probe": (1, 1, WIDTH),
    "vision_model.head.attention.in_proj_weight": (3 * WIDTH, WIDTH),
    "vision_model.head.attention.in_proj_bias": (3 * WIDTH,),
    "vision_model.head.attention.out_proj.weight": (WIDTH, WIDTH),
    "vision_model.head.attention.out_proj.bias": (WIDTH,),
    "vision_model.head.layernorm.weight": (WIDTH,), "vision_model.head.layernorm.bias": (WIDTH,),
    "vision_model.head.mlp.fc1.weight": (INNER, WIDTH), "vision_model.head.mlp.fc1.bias": (INNER,),
    "vision_model.head.mlp.fc2.weight": (WIDTH, INNER), "vision_model.head.mlp.fc2.bias": (WIDTH,),
}  # fmt: skip


def transformers_state() -> dict[str, np.ndarray]:
    return _drawn(_SHAPES, 11)


def siglip_state() -> dict[str, np.ndarray]:
    return _drawn(_SIGLIP_SHAPES, 13)


def _drawn(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes.items():
        spread = 1.5 * np.prod(shape[1:], dtype=float) ** -0.5 if len(shape) > 1 else 0.3
        state[name] = (spread * random.standard_normal(shape)).astype(np.float32)
        if "norm" in name and name.endswith("weight"):
            state[name] += np.float32(1)
    return {name: tensor.astype(np.float16).astype(np.float32) for name, tensor in state.items()}


def open_clip_state() -> dict[str, np.ndarray]:
    mine = transformers_state()
    state = {
        "visual.class_embedding": mine["vision_model.embeddings.class_embedding"],
        "visual.conv1.weight": mine["vision_model.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": mine["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": np.ascontiguousarray(mine["visual_projection.weight"].T),
    }
    for kind in ("weight", "bias"):
        state[f"visual.ln_pre.{kind}"] = mine[f"vision_model.pre_layrnorm.{kind}"]
        state[f"visual.ln_post.{kind}"] = mine[f"vision_model.post_layernorm.{kind}"]
        for layer in range(LAYERS):
            theirs, ours = f"visual.transformer.resblocks.{layer}", f"vision_model.encoder.layers.{layer}"
            heads = [mine[f"{ours}.self_attn.{each}_proj.{kind}"] for each in "qkv"]
            state[f"{theirs}.attn.in_proj_{kind}"] = np.concatenate(heads)
            state[f"{theirs}.attn.out_proj.{kind}"] = mine[f"{ours}.self_attn.out_proj.{kind}"]
            state[f"{theirs}.ln_1.{kind}"] = mine[f"{ours}.layer_norm1.{kind}"]
            state[f"{theirs}.ln_2.{kind}"] = mine[f"{ours}.layer_norm2.{kind}"]
            state[f"{theirs}.mlp.c_fc.{kind}"] = mine[f"{ours}.mlp.fc1.{kind}"]
            state[f"{theirs}.mlp.c_proj.{kind}"] = mine[f"{ours}.mlp.fc2.{kind}"]
    return state


def photomaker_state(width: int = 32) -> dict[str, np.ndarray]:
    """A tower with a second projection and the module that puts faces into words of a width."""
    random = np.random.default_rng(12)
    second = width - PROJECTION
    shapes = {
        "visual_projection_2.weight": (second, WIDTH),
        "fuse_module.layer_norm.weight": (width,), "fuse_module.layer_norm.bias": (width,),
    }  # fmt: skip
    for name, wide in (("mlp1", 2 * width), ("mlp2", width)):
        place = f"fuse_module.{name}"
        shapes |= {f"{place}.layernorm.{kind}": (wide,) for kind in ("weight", "bias")}
        shapes |= {f"{place}.fc1.weight": (width, wide), f"{place}.fc2.weight": (width, width)}
        shapes |= {f"{place}.{layer}.bias": (width,) for layer in ("fc1", "fc2")}
    more = {name: random.standard_normal(shape).astype(np.float32) * 0.3 for name, shape in shapes.items()}
    return transformers_state() | more
