"""Configuration: typed dataclasses read from one YAML file per experiment.

The docstring under each attribute is its help text. An unknown key, a wrong type or an impossible value is a
`UserError` that names the file and the key; `--set a.b=c` overrides one key with a YAML value. The resolved
configuration is written beside every checkpoint, so that a run can be repeated from its folder alone.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml

from text2sql.errors import UserError


@dataclass
class TokenizerConfig:
    """How the byte-level BPE is trained."""

    vocabulary_size: int = 4096
    """Tokens in all: 256 bytes, the special tokens and the learnt merges."""
    corpora: list[str] = field(default_factory=list)
    """Names of text corpora that the merges are learnt from, beside the training questions and schemas."""
    corpus_megabytes: float = 8.0
    """At most this much text of each corpus is counted."""


@dataclass
class ModelConfig:
    """The transformer's shape (Llama layout). A preset fills what is not given."""

    preset: Literal["tiny", "small", "base", "large"] = "small"
    """`tiny` about 2M parameters, `small` 10M, `base` 30M, `large` 110M (at a vocabulary of 8,192)."""
    layers: int | None = None
    """Transformer blocks; None takes the preset's."""
    width: int | None = None
    """Size of the residual stream (hidden_size); None takes the preset's."""
    heads: int | None = None
    """Query heads; width / heads is the head size and must be even. None takes the preset's."""
    kv_heads: int | None = None
    """Key/value heads for grouped-query attention; None means as many as `heads`."""
    mlp_width: int | None = None
    """Inner size of the SwiGLU; None means 8/3 of the width, rounded up to a multiple of 64."""
    context: int = 1024
    """Longest sequence in tokens (max_position_embeddings)."""
    rope_theta: float = 10_000.0
    """Base of the rotary frequencies."""
    norm_epsilon: float = 1e-5
    """Added to the mean square in RMSNorm."""
    tie_embeddings: bool = True
    """Share the input embedding with the output head."""
    prefix_lm: bool = False
    """Let a prompt's tokens see each other in both directions, an answer's only those before them (Raffel et al.
    2020, T5, section 3.2.1): the alternative to `prompting.repeat_question`. Such a model is no plain Llama."""
    dropout: float = 0.0
    """Dropout on the residual branches while training."""


@dataclass
class PromptingConfig:
    """The form of prompt and target. Saved in the checkpoint, so that it cannot be read with the wrong prompt."""

    direction: Literal["sql", "question"] = "sql"
    """What the model writes: `sql` for a question, or the `question` for a query (`text2sql data invent`)."""
    items: Literal["ids", "names"] = "ids"
    """Schema items in the target: `ids` points with id tokens, `names` writes the names out."""
    values: Literal["spans", "text"] = "spans"
    """Values in the target: `spans` points at question words or matched cells where possible, `text` spells them."""
    linking_chain: bool = False
    """Let the answer begin with the columns that its query names, in prompt order: schema linking as a chain of
    thought before the SQL."""
    repeat_question: bool = True
    """Write the question before the schema too, so that the schema's tokens can attend to it."""
    link_marks: bool = True
    """Mark columns and tables that the question names, exactly or in part."""
    cells_per_column: int = 2
    """Matching cells shown per column; 0 turns contents off."""
    content_dropout: float = 0.3
    """Share of training examples that see no cells, so that one model serves with and without contents."""
    shuffle_columns: bool = True
    """Draw a new order of tables and columns, and of their ids, for each training example."""
    wide_ids: float = 0.15
    """Share of training examples whose id tokens are drawn from all there are. The others shuffle the first ones
    among their items: that teaches pointing sooner, the wide draws teach the ids that only large schemas need."""
    max_columns: int = 128
    """Column id tokens `<c0>`...; a schema with more columns is pruned to the best linked ones."""
    max_tables: int = 32
    """Table id tokens `<t0>`..."""
    max_words: int = 96
    """Question word tokens `<w0>`...; later words cannot be pointed at."""
    max_cells: int = 32
    """Matched cell tokens `<v0>`..."""


@dataclass
class SetConfig:
    """One data set of a mixture."""

    name: str = ""
    """wikisql, spider, spider_syn, other_text2sql, examples, or a file (.jsonl, .csv, .json)."""
    split: str = "train"
    """train, dev, holdout, ... as the set defines it."""
    weight: float = 1.0
    """How often each example is seen per epoch; 0.5 takes every second one, 2 all of them twice."""
    limit: int | None = None
    """At most so many of the set's examples, chosen by finetuning.seed; None takes all."""


@dataclass
class DataConfig:
    """What the model is instruction-tuned on."""

    directory: str = "data/raw"
    """Folder that holds the downloaded sets."""
    processed: str = "data/processed"
    """Folder for derived files that can be made again."""
    sets: list[SetConfig] = field(default_factory=list)
    """The mixture."""
    skip_bad_lines: bool = False
    """Skip corrupt lines (counted and reported) instead of stopping at the first."""
    substitute_values: float = 0.0
    """Share of the training examples that are added once more with other values, in question and SQL alike, of the
    same columns; generated sets are left as they are, and so are examples whose values do not stand in the question."""


@dataclass
class TrainingConfig:
    """One stage of training; pretraining and fine-tuning are two of these for the same trainer."""

    steps: int = 1000
    """Optimizer steps; the schedule is laid out over these."""
    max_minutes: float | None = None
    """Stop after so many minutes of training, all continued runs together; the rate then decays by the clock."""
    batch_tokens: int = 8192
    """Tokens per optimizer step over all ranks and accumulation steps."""
    micro_batch_tokens: int = 8192
    """Tokens that one device holds at once; batch_tokens / (this x ranks) is the accumulation."""
    context: int = 512
    """Length in tokens of one packed row."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """`muon` for the matrices with AdamW for embeddings and norms, or AdamW for all."""
    learning_rate: float = 0.003
    """Peak rate of AdamW's parameters."""
    muon_learning_rate: float = 0.02
    """Peak rate of Muon's parameters."""
    weight_decay: float = 0.1
    """Decoupled weight decay of the matrices."""
    betas: list[float] = field(default_factory=lambda: [0.9, 0.95])
    """AdamW's averaging constants."""
    schedule: Literal["cosine", "wsd", "constant"] = "wsd"
    """Shape of the rate after the warm-up: cosine, warm-up/stable/decay, or constant."""
    warmup_steps: int = 50
    """Linear warm-up."""
    decay_share: float = 0.4
    """Share of the steps in which `wsd` decays."""
    final_rate: float = 0.02
    """Rate at the last step as a share of the peak."""
    gradient_clip: float = 1.0
    """Largest gradient norm; 0 turns clipping off."""
    ema: float = 0.0
    """Decay of the averaged weights that are saved for use; 0 turns averaging off."""
    prompt_weight: float = 0.0
    """Loss weight of the prompt's tokens, on average; the answer's weigh 1."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """`auto` picks bf16 where the device computes in it, else fp16 on GPUs, else fp32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """torch.compile: `auto` uses it on CUDA, `on` everywhere; where it fails, training goes on without it. On a CPU it
    takes half a minute first and then a quarter less time a step."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """How several ranks under torchrun share the work."""
    evaluate_every: int = 200
    """Steps between validations (0: only at the end); a checkpoint is saved before each."""
    evaluate_batches: int = 16
    """Batches of the validation loss."""
    sample_every: int = 0
    """Steps between sample generations in the log (0: none)."""
    save_minutes: float = 5.0
    """A checkpoint is saved at least this often."""
    keep_checkpoints: int = 1
    """How many of the latest checkpoints stay, beside the best."""
    nan_limit: int = 10
    """Consecutive steps with a non-finite loss or gradient before the run stops."""
    seed: int = 1
    """Seeds initialisation, order, ids, dropout."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    workers: int = 0
    """Processes that prepare examples ahead, for a GPU that trains faster than one process can; 0 uses none."""


@dataclass
class CorpusConfig:
    """One text corpus of the pretraining mixture."""

    name: str = ""
    """A set of data/raw/pretraining, `questions` (the training questions and schemas) or a .jsonl/.txt file."""
    weight: float = 1.0
    """How often each text is seen per epoch."""


@dataclass
class PretrainingConfig(TrainingConfig):
    """Causal language modelling on packed text."""

    corpora: list[CorpusConfig] = field(default_factory=list)
    """The mixture; empty skips the stage."""
    corpus_megabytes: float = 1e6
    """At most this much text of each corpus is used."""
    infilling_rate: float = 0.0
    """Share of the documents turned into span infilling (a middle part moved to the end)."""


@dataclass
class DecodingConfig:
    """Generation options under the names of Hugging Face's generation_config."""

    max_new_tokens: int = 128
    """Longest answer in tokens."""
    do_sample: bool = False
    """Sample instead of taking the likeliest token; temperature 0 is greedy too."""
    temperature: float = 1.0
    """Divides the logits before sampling."""
    top_k: int = 0
    """Keep the k likeliest tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the likeliest tokens that hold this probability."""
    num_beams: int = 1
    """Beam search width."""
    num_return_sequences: int = 1
    """Answers drawn per prompt with `do_sample`; beam search returns all its beams."""
    prompt_orders: int = 1
    """Prompts per question: the schema in its own order, then in drawn ones, as training saw them. Their answers are
    pooled: a query's probability is its mean over the orders."""
    grammar_mask: bool = True
    """Only tokens that keep the answer a query over the schema at hand; False lets the model write anything."""
    seed: int = 0
    """Seeds sampling."""
    batch_size: int = 64
    """Prompts decoded together."""


@dataclass
class EvaluationConfig:
    """What a run is scored on when it ends."""

    sets: list[SetConfig] = field(default_factory=list)
    """The sets and splits."""
    limit: int | None = None
    """At most so many examples of each set, the first ones in a seeded order."""
    use_contents: bool = True
    """Show matching cells in the prompt; False scores schema-only."""
    execution_guidance: bool = False
    """Take the first beam whose query runs and returns something; reads the database, never the gold query."""
    semantic_guard: bool = False
    """Pass over beams whose query makes no sense for the schema, such as LIKE on a number; reads no rows."""
    vote: bool = False
    """Take the query that the beams or samples agree on most: on its rows where there are any, else on its text."""
    time_limit: float = 10.0
    """Seconds that one query may run."""
    seed: int = 0
    """Seeds the choice under `limit`."""


@dataclass
class Config:
    """A whole experiment."""

    name: str = "experiment"
    """Names the folders under outputs/ and logs/."""
    start: str | None = None
    """Folder of a model to instruction-tune further, with its tokenizer and shape (`tokenizer` and `model` then say
    nothing, but that more `model.layers` than it has make it deeper), or the YAML file of the experiment that trains
    it, which is run first; None begins with random weights."""
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    prompting: PromptingConfig = field(default_factory=PromptingConfig)
    data: DataConfig = field(default_factory=DataConfig)
    pretraining: PretrainingConfig = field(default_factory=PretrainingConfig)
    finetuning: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)


T = TypeVar("T")


def from_mapping(kind: type[T], data: Mapping[str, Any], where: str = "config") -> T:
    """Build the dataclass `kind` from plain YAML/JSON data, checking every key and type.

    Raises UserError naming `where` and the key for an unknown key or a wrong type.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"{where}: expected a mapping of keys, got {type(data).__name__}")
    hints = typing.get_type_hints(kind)
    known = [f.name for f in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in data:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}; known keys: {', '.join(known)}")
    return kind(**{key: _convert(value, hints[key], f"{where}.{key}") for key, value in data.items()})


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _convert(value, next(a for a in arguments if a is not type(None)), where)
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type, hint), value, where)
    if origin is Literal:
        if isinstance(value, bool) and {"on", "off"} <= set(arguments):
            value = "on" if value else "off"  # YAML reads a bare on or off as a truth value
        if value not in arguments:
            raise UserError(f"{where}: {value!r} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin is list:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise UserError(f"{where}: expected a list, got {value!r}")
        return [_convert(item, arguments[0], f"{where}[{i}]") for i, item in enumerate(value)]
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UserError(f"{where}: expected {hint.__name__}, got {value!r}")
    return value


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML experiment and apply `section.key=value` overrides (values are YAML).

    Raises UserError when the file is missing, is no YAML, or has an unknown key or wrong type.
    """
    path = Path(path)
    data = read_yaml(path, f"sections ({', '.join(f.name for f in dataclasses.fields(Config))})")
    for override in overrides:
        _override(data, override)
    data.setdefault("name", path.stem)
    return from_mapping(Config, data, str(path))


def read_yaml(path: Path, expected: str) -> dict[str, Any]:
    """The mapping in a YAML file; `expected` says in errors what it is of.

    Raises UserError when the file is missing or holds anything else.
    """
    if not path.is_file():
        raise UserError(f"config {path} not found; the shipped ones are in configs/")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected {expected}")
    return data


def _override(data: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise UserError(f"--set {override}: expected section.key=value, such as finetuning.steps=100")
    *parents, last = path.split(".")
    for key in parents:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise UserError(f"--set {override}: {key!r} is not a section")
    try:
        data[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--set {override}: the value is not valid YAML") from error


def to_mapping(config: Any) -> dict[str, Any]:
    """Plain data that `from_mapping` reads back."""
    return dataclasses.asdict(config)


def save_config(config: Config, path: str | Path) -> None:
    """Write the resolved configuration as YAML."""
    Path(path).write_text(yaml.safe_dump(to_mapping(config), sort_keys=False), encoding="utf-8")
