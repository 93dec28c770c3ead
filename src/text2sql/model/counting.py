"""How many parameters a model has and how many floating-point operations a token costs.

Counted from the shape alone, so that a config can be sized, and a run's efficiency told, without building the model.
"""

from __future__ import annotations

from text2sql.model.config import GPTConfig


def matrix_parameters(config: GPTConfig) -> int:
    """Weights of one block's matrices."""
    attention = 2 * config.width * config.head_size * (config.heads + config.kv_heads)
    return attention + 3 * config.width * config.mlp_width


def parameter_count(config: GPTConfig) -> int:
    """All learnt numbers; tied embeddings count once."""
    embeddings = config.vocabulary_size * config.width * (1 if config.tie_embeddings else 2)
    norms = config.width * (2 * config.layers + 1)
    return embeddings + config.layers * matrix_parameters(config) + norms


def flops_per_token(config: GPTConfig, context: int) -> int:
    """Floating-point operations to train on one token in rows of `context` tokens: forward plus backward.

    The usual count for model FLOPs utilisation (Chowdhery et al. 2022, PaLM, appendix B): 6 per matrix weight, the
    output head's included, and 12 x width per layer and token of context for attention, without a discount for
    causality. Looking up the embedding, norms and other elementwise work are free. A forward alone costs a third.
    """
    matrices = config.layers * matrix_parameters(config) + config.vocabulary_size * config.width
    return 6 * matrices + 12 * config.layers * config.width * context
