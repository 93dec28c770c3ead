"""`Generator`: question and schema in, SQL out. Joins the prompt's form to the token engine; executes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import cast

import torch

from text2sql.config import DecodingConfig, PromptingConfig, to_mapping
from text2sql.decoding.engine import Completion, OnTokens, complete
from text2sql.decoding.ensemble import Ensemble, LanguageModel
from text2sql.decoding.mask import GrammarMask
from text2sql.decoding.pooling import pooled
from text2sql.decoding.prediction import Prediction
from text2sql.errors import UserError
from text2sql.files import read_json, write_json
from text2sql.model import GPT, load_model
from text2sql.prompting.linking import Links
from text2sql.prompting.prompt import Prompt, PromptEncoder
from text2sql.prompting.reading import PieceReader
from text2sql.prompting.target import Mentions, Piece, TargetError
from text2sql.schema import Schema
from text2sql.tokenizer import Tokenizer

PROMPTING_FILE = "prompting.json"
GENERATION_FILE = "generation_config.json"
TRAINING_ONLY = ("content_dropout", "shuffle_columns", "wide_ids")
"""Options of the prompt form that say how prompts vary while training, and nothing of their use."""

OnPieces = Callable[[list[Piece], Mentions], None]
"""(pieces so far of the best prediction, what its values point at): called after every step; must not raise."""


@dataclass(frozen=True)
class Request:
    """A question over a schema; `links` None links names only; `on_pieces` watches the model write."""

    question: str
    schema: Schema
    links: Links | None = None
    on_pieces: OnPieces | None = field(default=None, compare=False)


class Generator:
    """A model with its tokenizer and prompt form."""

    def __init__(
        self, model: LanguageModel, tokenizer: Tokenizer, form: PromptingConfig, max_new_tokens: int | None = None
    ) -> None:
        """`max_new_tokens` is the longest answer where a caller says nothing else, by default DecodingConfig's."""
        self.model = model
        self.max_new_tokens = max_new_tokens or DecodingConfig().max_new_tokens
        self.tokenizer = tokenizer
        self.encoder = PromptEncoder(tokenizer, form)

    @classmethod
    def load(cls, directory: Path | str, device: str = "cpu") -> Generator:
        """Read a checkpoint folder. Raises UserError for one that writes questions, and as `read_checkpoint` does."""
        return cls(*read_checkpoint(directory, device, "sql"), _longest_answer(Path(directory)))

    @classmethod
    def load_ensemble(cls, directories: Sequence[Path], device: str = "cpu") -> Generator:
        """Read checkpoint folders whose models then decode as one.

        Raises UserError for models of other tokens or another prompt form than the first one's, and as `load` does.
        """
        loaded = [cls.load(directory, device) for directory in directories]
        for directory, other in zip(directories, loaded, strict=True):
            difference = prompt_difference(loaded[0], other)
            if difference:
                raise UserError(f"{directory} and {directories[0]} differ in {difference}: they cannot decode as one")
        model = Ensemble([cast(GPT, generator.model) for generator in loaded])
        longest = max(generator.max_new_tokens for generator in loaded)
        return cls(model, loaded[0].tokenizer, loaded[0].encoder.form, longest)

    @staticmethod
    def write_extras(
        directory: Path, tokenizer: Tokenizer, form: PromptingConfig, max_new_tokens: int | None = None
    ) -> None:
        """Write beside the weights what makes them usable: tokenizer, prompt form, generation options."""
        tokenizer.save(directory)
        write_json(directory / PROMPTING_FILE, form)
        options = {
            "eos_token_id": tokenizer.special("<|endoftext|>"),
            "pad_token_id": tokenizer.special("<|pad|>"),
            "do_sample": False,
            "max_new_tokens": max_new_tokens or DecodingConfig().max_new_tokens,
        }
        write_json(directory / GENERATION_FILE, options)

    def predict(
        self, requests: Sequence[Request], options: DecodingConfig | None = None, progress: bool = False
    ) -> list[list[Prediction]]:
        """For each request its predictions, best first (one, or as many as there are beams or samples).

        With `prompt_orders` they are the queries found in any order of the schema (`pooling`). Raises UserError for
        an empty question, one that does not fit into the context, and orders together with sampling.
        """
        options = options or DecodingConfig(max_new_tokens=self.max_new_tokens)
        asked = [(request, number) for request in requests for number in range(options.prompt_orders)]
        prompts = [self._prompt(request, number, options) for request, number in asked]
        device_type = next(self.model.parameters()).device.type
        on_tokens = self._token_reader(requests, prompts, options.prompt_orders)
        with torch.autocast(device_type, torch.bfloat16, enabled=device_type == "cuda"):
            completions = complete(
                self.model,
                [p.ids for p in prompts],
                options,
                self.encoder.end_id,
                progress=progress,
                logits_mask=self._mask(prompts, options),
                on_tokens=on_tokens,
            )
        read = [[self._read(c, prompt) for c in found] for prompt, found in zip(prompts, completions, strict=True)]
        if options.prompt_orders > 1:
            starts = range(0, len(read), options.prompt_orders)
            pairs = zip(requests, (read[start : start + options.prompt_orders] for start in starts), strict=True)
            read = [pooled(orders, self.encoder.canonicalizer(request.schema)) for request, orders in pairs]
        # Of several beams those that make SQL come first; sorting keeps their order otherwise.
        return [sorted(found, key=lambda prediction: prediction.error is not None) for found in read]

    def _prompt(self, request: Request, number: int, options: DecodingConfig) -> Prompt:
        """The request's prompt, from the second on in an order drawn by the options' seed and the question."""
        budget = self.model.config.context - min(options.max_new_tokens, self.model.config.context // 4)
        random = Random(f"{options.seed}/{number}/{request.question}") if number else None
        return self.encoder.prompt(request.question, request.schema, request.links, random, budget)

    def _mask(self, prompts: Sequence[Prompt], options: DecodingConfig) -> GrammarMask | None:
        if not options.grammar_mask:
            return None
        context = self.model.config.context
        return GrammarMask(self.encoder, prompts, [min(options.max_new_tokens, context - len(p.ids)) for p in prompts])

    def _token_reader(self, requests: Sequence[Request], prompts: Sequence[Prompt], orders: int) -> OnTokens | None:
        """Reads tokens so far into pieces, for the requests that watch: those of a request's first order."""
        if not any(request.on_pieces for request in requests):
            return None

        def read(index: int, ids: list[int]) -> None:
            on_pieces, prompt = requests[index // orders].on_pieces, prompts[index]
            if on_pieces is not None and index % orders == 0:
                on_pieces(PieceReader(self.encoder, prompt).read_beginning(ids), prompt.mentions)

        return read

    def _read(self, completion: Completion, prompt: Prompt) -> Prediction:
        text = self.tokenizer.decode(completion.ids)
        try:
            sql = self.encoder.decode(completion.ids, prompt)
        except TargetError as error:
            return Prediction("", text, completion.log_probability, str(error))
        return Prediction(sql, text, completion.log_probability)


def _longest_answer(directory: Path) -> int | None:
    """What the checkpoint's generation options say. Raises UserError when that is no number of tokens."""
    path = directory / GENERATION_FILE
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["max_new_tokens"]
    except KeyError:
        return None
    except (ValueError, TypeError) as error:
        raise UserError(f"{path}: no generation options ({error}); restore the file, or delete it") from error
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise UserError(f"{path}: max_new_tokens is {found!r}; it must be a whole number of at least 1")
    return found


def read_checkpoint(directory: Path | str, device: str, direction: str) -> tuple[GPT, Tokenizer, PromptingConfig]:
    """A checkpoint folder's model, tokenizer and prompt form.

    Raises UserError for missing, truncated or mismatched files, and for a model of the other direction.
    """
    directory = Path(directory)
    tokenizer = Tokenizer.load(directory)
    form = read_json(directory / PROMPTING_FILE, PromptingConfig)
    if form.direction != direction:
        wanted = {"sql": "SQL", "question": "questions"}[direction]
        raise UserError(
            f"{directory} was trained with prompting.direction={form.direction}: give a checkpoint that writes {wanted}"
        )
    return load_model(directory, device, tokenizer.vocabulary_size), tokenizer, form


def prompt_difference(one: Generator, other: Generator) -> str | None:
    """What keeps two models from reading one prompt, None where nothing does."""
    if one.tokenizer.fingerprint != other.tokenizer.fingerprint:
        return "their tokenizers"
    first, second = to_mapping(one.encoder.form), to_mapping(other.encoder.form)
    names = [name for name in first if name not in TRAINING_ONLY and first[name] != second[name]]
    return f"prompting.{names[0]}" if names else None
