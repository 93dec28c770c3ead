"""The stages of an experiment: tokenizer, pretraining, instruction tuning. Each goes on where it was interrupted."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from text2sql.config import Config, CorpusConfig, PretrainingConfig, TrainingConfig, save_config, to_mapping
from text2sql.data.contents import Contents
from text2sql.data.example import Example
from text2sql.data.instruction import InstructionDocuments, prepare
from text2sql.data.packing import Mixture
from text2sql.data.text_documents import OFFSETS_FILE, TextDocuments, save_tokens
from text2sql.decoding.generator import Generator, Request
from text2sql.decoding.question_writer import QuestionWriter
from text2sql.errors import UserError
from text2sql.files import file_sha256
from text2sql.model import GPT, deepen, load_model, resolve
from text2sql.model.files import WEIGHTS_FILE
from text2sql.pipeline.sources import corpus_texts, data_directory, load_examples, question_texts
from text2sql.prompting.prompt import Prepared, PromptEncoder, tokens_of
from text2sql.prompting.question_encoder import encoder_of
from text2sql.tokenizer import Tokenizer
from text2sql.training import Trainer, TrainingSummary, pack_training, pack_validation, resolve_checkpoint
from text2sql.training.trainer import Callbacks

VALIDATION_TEXTS = 200
"""Texts of each corpus that are held back to measure the pretraining loss."""


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where an experiment writes."""

    checkpoint: Path
    logs: Path
    processed: Path

    @classmethod
    def of(cls, config: Config) -> Folders:
        """outputs/checkpoints/NAME, logs/training_logs/NAME and the folder of derived files."""
        name = config.name
        processed = Path(config.data.processed)
        return cls(Path("outputs/checkpoints") / name, Path("logs/training_logs") / name, processed)


def make_tokenizer(config: Config, sets: Sequence[list[Example]], folders: Folders) -> Tokenizer:
    """The experiment's tokenizer: learnt from questions, schemas and corpora, or read where it was learnt before.

    That of the model to start from, where the configuration names one. Raises UserError when the folder holds a
    tokenizer that was learnt under another configuration.
    """
    if config.start:
        return Tokenizer.load(config.start)
    directory = folders.checkpoint / "tokenizer"
    recipe = {"tokenizer": to_mapping(config.tokenizer), "special": tokens_of(config.prompting)}
    stamp = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()
    stamp_file = directory / "recipe.sha256"
    if stamp_file.is_file():
        if stamp_file.read_text(encoding="utf-8").strip() != stamp:
            raise UserError(
                f"{directory} holds a tokenizer of another configuration; choose another name in the config, "
                f"or delete {folders.checkpoint}"
            )
        return Tokenizer.load(directory)

    def texts() -> list[str]:
        questions = list(question_texts(sets))
        corpora = [c for c in config.pretraining.corpora if c.name in config.tokenizer.corpora]
        limit = config.tokenizer.corpus_megabytes
        return questions + [text for corpus in corpora for text in corpus_texts(corpus, config, limit, sets)]

    tokenizer = Tokenizer.train(texts(), config.tokenizer.vocabulary_size, tokens_of(config.prompting), progress=True)
    tokenizer.save(directory)
    stamp_file.write_text(stamp + "\n", encoding="utf-8")
    return tokenizer


def pretrain(
    config: Config, tokenizer: Tokenizer, sets: Sequence[list[Example]], folders: Folders
) -> TrainingSummary | None:
    """Causal language modelling on the configured corpora; None where there are none."""
    stage = config.pretraining
    if not stage.corpora:
        return None
    parts = [_tokenised(corpus, config, tokenizer, sets, folders) for corpus in stage.corpora]
    training = [_text_documents(part, stage, tokenizer) for part in parts]
    validation = [_text_documents(part / "validation", stage, tokenizer) for part in parts]
    mixture = Mixture(training, [corpus.weight for corpus in stage.corpora], stage.seed)
    held_back = Mixture(validation, [1.0] * len(validation), stage.seed)
    callbacks = Callbacks(write_extras=lambda directory: _write_extras(directory, config, tokenizer))
    trainer = Trainer(
        new_model(config, tokenizer),
        stage,
        pack_training(mixture, stage),
        pack_validation(held_back, stage),
        folders.checkpoint / "pretraining",
        folders.logs / "pretraining",
        tokenizer.fingerprint,
        callbacks,
        title="pretraining",
    )
    return trainer.fit()


def _tokenised(
    corpus: CorpusConfig, config: Config, tokenizer: Tokenizer, sets: Sequence[list[Example]], folders: Folders
) -> Path:
    """The folder with a corpus's tokens; its first texts lie apart in `validation`. Made once per tokenizer."""
    megabytes = config.pretraining.corpus_megabytes
    directory = folders.processed / f"{tokenizer.fingerprint[:12]}-{Path(corpus.name).name}-{megabytes:g}"
    if not (directory / OFFSETS_FILE).is_file():
        texts = tqdm(corpus_texts(corpus, config, megabytes, sets), desc=f"tokenising {corpus.name}", unit=" texts")
        ids = (tokenizer.encode(text) for text in texts)
        save_tokens(itertools.islice(ids, VALIDATION_TEXTS), directory / "validation")
        save_tokens(ids, directory)
    return directory


def _text_documents(directory: Path, stage: PretrainingConfig, tokenizer: Tokenizer) -> TextDocuments:
    prefix, suffix, middle = (tokenizer.special(f"<|{name}|>") for name in ("prefix", "suffix", "middle"))
    return TextDocuments.load(
        directory,
        stage.context,
        tokenizer.special("<|endoftext|>"),
        infilling_rate=stage.infilling_rate,
        infilling_ids=(prefix, suffix, middle) if stage.infilling_rate else None,
        seed=stage.seed,
    )


def finetune(
    config: Config,
    tokenizer: Tokenizer,
    sets: Sequence[list[Example]],
    validation: Sequence[Example],
    folders: Folders,
    start: Path | None,
) -> TrainingSummary:
    """Instruction tuning from the weights in `start`, or from random ones.

    Raises UserError when the configuration has fewer layers than the model in `start`.
    """
    model = load_model(start, "cpu") if start else new_model(config, tokenizer)
    if start and config.model.layers is not None:
        model = deepen(model, config.model.layers)
    stage = config.finetuning
    encoder = encoder_of(tokenizer, config.prompting)
    contents = Contents(data_directory(config))
    prepared = [_prepared(examples, encoder, contents, stage) for examples in sets]
    weights = [wanted.weight for wanted in config.data.sets]
    sources = [InstructionDocuments(part, encoder, stage.seed, stage.prompt_weight) for part in prepared]
    held_back = _prepared(validation, encoder, contents, stage)
    checks = InstructionDocuments(held_back, encoder, stage.seed, 0.0, training=False)
    callbacks = Callbacks(
        sample=lambda model, step: _samples(model, tokenizer, config, held_back[:4]),
        write_extras=lambda directory: _write_extras(directory, config, tokenizer),
    )
    trainer = Trainer(
        model,
        stage,
        pack_training(Mixture(sources, weights, stage.seed), stage),
        pack_validation(checks, stage),
        folders.checkpoint / "finetuning",
        folders.logs / "finetuning",
        tokenizer.fingerprint,
        callbacks,
        identity={"start": file_sha256(start / WEIGHTS_FILE) if start else None},
        title="fine-tuning",
    )
    return trainer.fit()


def validation_examples(config: Config) -> list[Example]:
    """What the fine-tuning loss is measured on while training: the first evaluation set."""
    if not config.evaluation.sets:
        raise UserError("evaluation.sets is empty: name at least one set to validate on")
    return load_examples(config.evaluation.sets[0], config)[:1000]


def new_model(config: Config, tokenizer: Tokenizer) -> GPT:
    """A model with random weights, seeded."""
    torch.manual_seed(config.finetuning.seed)
    return GPT(resolve(config.model, tokenizer.vocabulary_size))


def stage_checkpoint(folders: Folders, stage: str) -> Path:
    """The best checkpoint of a stage."""
    return resolve_checkpoint(folders.checkpoint / stage)


def _prepared(
    examples: Sequence[Example], encoder: PromptEncoder, contents: Contents, stage: TrainingConfig
) -> list[Prepared]:
    prepared, left_out = prepare(examples, encoder, contents, stage.context, progress=True)
    if not prepared:
        reason = left_out[0][1] if left_out else "there are none"
        raise UserError(f"none of {len(examples)} examples can be trained on; the first: {reason}")
    return prepared


def _write_extras(directory: Path, config: Config, tokenizer: Tokenizer) -> None:
    save_config(config, directory / "experiment.yaml")
    Generator.write_extras(directory, tokenizer, config.prompting, config.decoding.max_new_tokens)


def _samples(model: GPT, tokenizer: Tokenizer, config: Config, examples: Sequence[Prepared]) -> str:
    if config.prompting.direction == "question":
        written = QuestionWriter(model, tokenizer, config.prompting).write(examples, config.decoding)
        return "\n".join(f"{e.question}\n    {question}" for e, question in zip(examples, written, strict=True))
    generator = Generator(model, tokenizer, config.prompting)
    requests = [Request(e.question, e.schema, e.links) for e in examples]
    lines = []
    for request, (best, *_) in zip(requests, generator.predict(requests, config.decoding), strict=True):
        lines.append(f"{request.question}\n    {best.sql or best.error}")
    return "\n".join(lines)
