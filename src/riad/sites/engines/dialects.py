"""What each kind of engine must not be sent, though callers may send it."""

from __future__ import annotations

REFUSED: dict[str, frozenset[str]] = {
    # llama.cpp's own fields. cache_prompt tells through cached_tokens how much of a prompt somebody else sent before,
    # id_slot picks another request's slot, verbose and the like answer with the engine's insides.
    "embedded": frozenset(
        {
            "cache_prompt",
            "id_slot",
            "lora",
            "n_cache_reuse",
            "post_sampling_probs",
            "response_fields",
            "return_progress",
            "return_tokens",
            "slot_id",
            "timings_per_token",
            "verbose",
        }
    ),
    "openai": frozenset(),
}
"""Body fields dropped on the way to an engine, by ``Site.engine``."""
