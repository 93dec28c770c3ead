"""The transformer's resolved shape, its presets, and its mapping to Hugging Face's Llama `config.json`.

`config.ModelConfig` is what a person writes (a preset and what differs from it); `GPTConfig` is what the model is
built from: every number decided and checked. Nothing here knows how the model is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from text2sql.config import ModelConfig
from text2sql.errors import UserError

# (layers, width, heads): about 2M, 10M, 30M and 110M parameters with 8,192 tied embeddings.
PRESETS: dict[str, tuple[int, int, int]] = {
    "tiny": (4, 128, 4),
    "small": (6, 320, 5),
    "base": (8, 512, 8),
    "large": (15, 768, 12),
}


PREFIX_LM = "llama_prefix_lm"
"""`model_type` of a model whose prompts see in both directions: not "llama", so that nothing runs it as one."""


@dataclass(frozen=True)
class GPTConfig:
    """Shape of a GPT. Raises UserError when the numbers cannot make one.

    `width` is Llama's hidden_size, `mlp_width` its intermediate_size, `context` the longest sequence in tokens,
    `dropout` the share of residual-branch outputs dropped while training, `prefix_lm` whether a prompt's tokens see
    each other in both directions.
    """

    vocabulary_size: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    mlp_width: int
    context: int
    rope_theta: float = 10_000.0
    norm_epsilon: float = 1e-5
    tie_embeddings: bool = True
    dropout: float = 0.0
    prefix_lm: bool = False

    def __post_init__(self) -> None:
        for name in ("vocabulary_size", "layers", "width", "heads", "kv_heads", "mlp_width", "context"):
            if getattr(self, name) < 1:
                raise UserError(f"model.{name} is {getattr(self, name)}; it must be at least 1")
        if self.width % self.heads or self.head_size % 2:
            raise UserError(f"model.width {self.width} must be an even multiple of model.heads {self.heads}")
        if self.heads % self.kv_heads:
            raise UserError(f"model.heads {self.heads} must be a multiple of model.kv_heads {self.kv_heads}")
        if not 0.0 <= self.dropout < 1.0:
            raise UserError(f"model.dropout is {self.dropout}; it must be at least 0 and below 1")

    @property
    def head_size(self) -> int:
        """Numbers per attention head."""
        return self.width // self.heads

    def to_hf(self) -> dict[str, Any]:
        """The `config.json` with which `transformers.LlamaForCausalLM` loads the same weights, but for `prefix_lm`."""
        return {
            "architectures": [] if self.prefix_lm else ["LlamaForCausalLM"],
            "model_type": PREFIX_LM if self.prefix_lm else "llama",
            "vocab_size": self.vocabulary_size,
            "num_hidden_layers": self.layers,
            "hidden_size": self.width,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_size,
            "intermediate_size": self.mlp_width,
            "max_position_embeddings": self.context,
            # transformers 5 reads rope_parameters, older versions and llama.cpp's converter rope_theta.
            "rope_theta": self.rope_theta,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            "rms_norm_eps": self.norm_epsilon,
            "tie_word_embeddings": self.tie_embeddings,
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "residual_dropout": self.dropout,
            "dtype": "float32",
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": None,
        }

    @classmethod
    def from_hf(cls, data: Mapping[str, Any], where: str = "config.json") -> GPTConfig:
        """Read a Llama `config.json`.

        Raises UserError naming `where` and the key for a missing key or a variant that this model doesn't compute.
        """
        rope = data.get("rope_parameters") or data.get("rope_scaling") or {}
        prefix_lm = data.get("model_type") == PREFIX_LM
        kind = PREFIX_LM if prefix_lm else "llama"
        required = {"model_type": kind, "hidden_act": "silu", "attention_bias": False, "mlp_bias": False}
        for key, value in required.items():
            if data.get(key, value) != value:
                raise UserError(f"{where}: {key} is {data[key]!r}; only {value!r} is supported")
        if rope.get("rope_type", rope.get("type", "default")) != "default":
            raise UserError(f"{where}: scaled rotary positions are not supported: {rope}")
        heads = _whole_number(data, "num_attention_heads", where)
        config = cls(
            vocabulary_size=_whole_number(data, "vocab_size", where),
            layers=_whole_number(data, "num_hidden_layers", where),
            width=_whole_number(data, "hidden_size", where),
            heads=heads,
            kv_heads=_whole_number({"num_key_value_heads": heads, **data}, "num_key_value_heads", where),
            mlp_width=_whole_number(data, "intermediate_size", where),
            context=_whole_number(data, "max_position_embeddings", where),
            rope_theta=_number({"rope_theta": 10_000.0, **data, **rope}, "rope_theta", where),
            norm_epsilon=_number(data, "rms_norm_eps", where),
            tie_embeddings=bool(data.get("tie_word_embeddings", False)),
            dropout=_number({"residual_dropout": 0.0, **data}, "residual_dropout", where),
            prefix_lm=prefix_lm,
        )
        if (data.get("head_dim") or config.head_size) != config.head_size:
            raise UserError(f"{where}: head_dim {data['head_dim']} is not hidden_size / num_attention_heads")
        return config


def _number(data: Mapping[str, Any], key: str, where: str) -> float:
    value = data.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise UserError(f"{where}: {key} must be a number, not {value!r}; is this a Llama model's config?")
    return float(value)


def _whole_number(data: Mapping[str, Any], key: str, where: str) -> int:
    value = _number(data, key, where)
    if not value.is_integer():
        raise UserError(f"{where}: {key} must be a whole number, not {value}")
    return int(value)


def resolve(config: ModelConfig, vocabulary_size: int) -> GPTConfig:
    """Fill what `config` leaves open from its preset. Raises UserError for an impossible shape."""
    layers, width, heads = PRESETS[config.preset]
    width = width if config.width is None else config.width
    heads = heads if config.heads is None else config.heads
    return GPTConfig(
        vocabulary_size=vocabulary_size,
        layers=layers if config.layers is None else config.layers,
        width=width,
        heads=heads,
        kv_heads=heads if config.kv_heads is None else config.kv_heads,
        mlp_width=default_mlp_width(width) if config.mlp_width is None else config.mlp_width,
        context=config.context,
        rope_theta=config.rope_theta,
        norm_epsilon=config.norm_epsilon,
        tie_embeddings=config.tie_embeddings,
        dropout=config.dropout,
        prefix_lm=config.prefix_lm,
    )


def default_mlp_width(width: int) -> int:
    """8/3 of the width, so that SwiGLU's three matrices cost what two of 4 x width did; rounded up to 64."""
    return -(-width * 8 // (3 * 64)) * 64
