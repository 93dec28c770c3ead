"""The decoder-only transformer, hand-written in Llama layout: `gpt.py` holds it in reading order."""

from text2sql.model.cache import KVCache
from text2sql.model.config import GPTConfig, resolve
from text2sql.model.counting import flops_per_token, parameter_count
from text2sql.model.files import load_model, save_model, save_weights
from text2sql.model.gpt import GPT

__all__ = [
    "GPT",
    "GPTConfig",
    "KVCache",
    "flops_per_token",
    "load_model",
    "parameter_count",
    "resolve",
    "save_model",
    "save_weights",
]
