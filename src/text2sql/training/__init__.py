"""The one trainer: pretraining and fine-tuning are two configurations of it."""

from text2sql.training.checkpoint import resolve_checkpoint
from text2sql.training.trainer import Callbacks, Trainer, TrainingSummary, pack_training, pack_validation

__all__ = ["Callbacks", "Trainer", "TrainingSummary", "pack_training", "pack_validation", "resolve_checkpoint"]
