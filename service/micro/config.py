"""The shape of the micro model and of the pictures that it sees."""

from __future__ import annotations

from transformers import Glm46VConfig, Glm46VImageProcessorPil
from transformers.models.glm46v.image_processing_pil_glm46v import smart_resize

PATCH = 8  # Side of a patch in pixels.
MERGE = 2  # Patches a side that become one token.
CELL = PATCH * MERGE  # Side of a token in pixels.
SIDE = 112  # Pictures are resized, aspect kept, to at most SIDE x SIDE pixels of area.
FRAMES = 2  # A picture counts as this many equal frames, in the patches and in the limits of `size` too.
SIZE = {"shortest_edge": FRAMES * 96 * 96, "longest_edge": FRAMES * SIDE * SIDE}

VISION_WIDTH, VISION_DEPTH = 128, 5
TEXT_WIDTH, TEXT_DEPTH = 192, 3


def config(vocabulary: dict[str, int]) -> Glm46VConfig:
    """Return the configuration for a vocabulary (token to id) that has GLM's special tokens."""
    return Glm46VConfig(
        text_config={
            "vocab_size": len(vocabulary),
            "hidden_size": TEXT_WIDTH,
            "intermediate_size": 320,
            "num_hidden_layers": TEXT_DEPTH,
            "num_attention_heads": 6,
            "num_key_value_heads": 2,
            "max_position_embeddings": 8192,
            "initializer_range": 0.05,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.5,
                "mrope_section": [2, 3, 3],
            },
            "pad_token_id": vocabulary["<|endoftext|>"],
            "eos_token_id": [vocabulary[token] for token in ("<|endoftext|>", "<|user|>", "<|observation|>")],
        },
        vision_config={
            "depth": VISION_DEPTH,
            "hidden_size": VISION_WIDTH,
            "num_heads": 4,
            "image_size": SIDE,
            "patch_size": PATCH,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": FRAMES,
            "out_hidden_size": TEXT_WIDTH,
            "intermediate_size": 2 * TEXT_WIDTH,
            "initializer_range": 0.05,
            "rope_parameters": {"rope_type": "axial", "rope_theta": 100.0},
        },
        image_token_id=vocabulary["<|image|>"],
        video_token_id=vocabulary["<|video|>"],
        image_start_token_id=vocabulary["<|begin_of_image|>"],
        image_end_token_id=vocabulary["<|end_of_image|>"],
        video_start_token_id=vocabulary["<|begin_of_video|>"],
        video_end_token_id=vocabulary["<|end_of_video|>"],
    )


def image_processor() -> Glm46VImageProcessorPil:
    """Return the processor that cuts pictures into the model's patches."""
    return Glm46VImageProcessorPil(patch_size=PATCH, merge_size=MERGE, temporal_patch_size=FRAMES, size=SIZE)


def grid(width: int, height: int) -> tuple[int, int]:
    """Return how many tokens high and wide the image processor makes a picture of that many pixels."""
    pixels_high, pixels_wide = smart_resize(
        num_frames=FRAMES,
        height=height,
        width=width,
        temporal_factor=FRAMES,
        factor=CELL,
        min_pixels=SIZE["shortest_edge"],
        max_pixels=SIZE["longest_edge"],
    )
    return pixels_high // CELL, pixels_wide // CELL
