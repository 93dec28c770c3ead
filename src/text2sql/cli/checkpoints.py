"""Where checkpoints are, and the options that every verb with a model shares."""

from __future__ import annotations

import argparse
from pathlib import Path

from text2sql.config import DecodingConfig
from text2sql.decoding.checkpoints import default_model
from text2sql.decoding.generator import Generator
from text2sql.errors import UserError


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """`--checkpoint`, `--device` and the generation options."""
    defaults = DecodingConfig()
    parser.add_argument(
        "--checkpoint",
        metavar="DIR",
        action="append",
        help="checkpoint folder (default: the shipped model); several are averaged, token by token",
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 or mps (default: cpu)")
    parser.add_argument("--num-beams", type=int, default=defaults.num_beams, help="beam search width (default: 1)")
    parser.add_argument(
        "--prompt-orders",
        type=int,
        default=defaults.prompt_orders,
        metavar="N",
        help="prompts per question, each with the schema in another order, whose answers are pooled (default: 1)",
    )
    parser.add_argument("--no-grammar-mask", action="store_true", help="let the model write what is no SQL, too")
    parser.add_argument("--max-new-tokens", type=int, help="longest answer in tokens (default: the checkpoint's own)")
    parser.add_argument("--do-sample", action="store_true", help="sample instead of taking the likeliest token")
    parser.add_argument(
        "--num-return-sequences",
        type=int,
        default=defaults.num_return_sequences,
        metavar="N",
        help="answers drawn per question with --do-sample (default: 1)",
    )
    parser.add_argument("--temperature", type=float, default=defaults.temperature, help="divides the logits")
    parser.add_argument("--top-k", type=int, default=defaults.top_k, help="sample among the k likeliest (0: all)")
    parser.add_argument("--top-p", type=float, default=defaults.top_p, help="sample within this probability")
    parser.add_argument("--seed", type=int, default=defaults.seed, help="seeds sampling")
    parser.add_argument("--batch-size", type=int, default=defaults.batch_size, help="prompts decoded together")


def decoding_options(arguments: argparse.Namespace, generator: Generator) -> DecodingConfig:
    """The generation options of a command line for the model that it names."""
    longest = arguments.max_new_tokens
    return DecodingConfig(
        max_new_tokens=generator.max_new_tokens if longest is None else longest,
        do_sample=arguments.do_sample,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
        top_p=arguments.top_p,
        num_beams=arguments.num_beams,
        num_return_sequences=arguments.num_return_sequences,
        prompt_orders=arguments.prompt_orders,
        grammar_mask=not arguments.no_grammar_mask,
        seed=arguments.seed,
        batch_size=arguments.batch_size,
    )


def load_generators(arguments: argparse.Namespace) -> tuple[Generator, list[Path]]:
    """The models that `--checkpoint`, given any number of times, names, as one; with their folders."""
    directories = [_folder(name) for name in arguments.checkpoint or [None]]
    if len(directories) > 1:
        return Generator.load_ensemble(directories, arguments.device), directories
    return Generator.load(directories[0], arguments.device), directories


def _folder(name: str | None) -> Path:
    directory = Path(name) if name else default_model()
    if not directory.is_dir():
        raise UserError(f"checkpoint folder {directory} not found; train one with ./scripts/train.sh")
    return directory
