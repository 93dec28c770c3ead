"""The decoder-only transformer, hand-written in Llama layout: `gpt.py` holds it in reading order."""

from text2sql.model.cache import KVCache
from text2sql.model.config import GPTConfig, resolve
from text2sql.model.counting import flops_per_token, parameter_count
from text2sql.model.files import load_model, save_model, save_weights
from text2sql.model.gpt import GPT
from text2sql.model.growth import deepen

__all__ = [
    "GPT",
    "GPTConfig",
    "KVCache",
    "deepen",
    "flops_per_token",
    "load_model",
    "parameter_count",
    "resolve",
    "save_model",
    "save_weights",
]
