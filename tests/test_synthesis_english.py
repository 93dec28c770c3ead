"""Plurals, articles and patterns of the question grammar."""

from __future__ import annotations

import re
from random import Random

import pytest

from text2sql.english import is_plural, joined, plural, singular, with_article
from text2sql.synthesis.conditions import quoted
from text2sql.synthesis.frames import FRAMES, say
from text2sql.synthesis.patterns import expand


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("album", "albums"),
        ("category", "categories"),
        ("birth day", "birth days"),
        ("address", "addresses"),
        ("home match", "home matches"),
        ("course", "courses"),
        ("prize", "prizes"),
        ("status", "statuses"),
        ("person", "people"),
        ("country of origin", "countries of origin"),
        ("series", "series"),
        ("prize money", "prize money"),
    ],
)
def test_singular_and_plural_are_inverse(one, many):
    assert plural(one) == many
    assert plural(many) == many
    assert singular(many) == one or " of " in one
    assert singular(one) == one


@pytest.mark.parametrize("noun", ["pages", "tickets sold", "home goals", "number of pages"])
def test_plural_nouns_are_known(noun):
    assert is_plural(noun) == (noun != "number of pages")


@pytest.mark.parametrize(
    ("noun", "said"),
    [
        ("email", "an email"),
        ("university", "a university"),
        ("hour", "an hour"),
        ("price", "a price"),
        ("beds", "beds"),
        ("prize money", "prize money"),
    ],
)
def test_articles(noun, said):
    assert with_article(noun) == said


def test_lists():
    assert joined(["a"]) == "a"
    assert joined(["a", "b"]) == "a and b"
    assert joined(["a", "b", "c"], "or") == "a, b or c"


def test_a_pattern_gives_all_its_sentences_and_no_others():
    drawn = {expand("(show|list) [all ]{things}[ (now|please)]", Random(seed), things="X") for seed in range(200)}
    assert drawn == {f"{a} {b}X{c}" for a in ("show", "list") for b in ("", "all ") for c in ("", " now", " please")}


def test_slots_are_not_read_as_patterns():
    assert expand("is {v}", Random(0), v="(a|b) [c] {d} \0") == "is (a|b) [c] {d} \0"


def test_a_missing_slot_and_an_open_bracket_are_errors():
    with pytest.raises(KeyError):
        expand("{thing}", Random(0))
    with pytest.raises(ValueError, match="unbalanced"):
        expand("a (b|c", Random(0))


def test_every_frame_has_many_phrasings_that_expand():
    names = {name for patterns in FRAMES.values() for text in patterns for name in re.findall(r"\{(\w+)\}", text)}
    slots = dict.fromkeys(names - {"next"}, "x")
    for name, patterns in FRAMES.items():
        assert len(patterns) >= 6, name
        drawn = {say(name, Random(seed), **slots)[0] for seed in range(200)}
        assert len(drawn) >= 12, name
        assert not any(mark in text for text in drawn for mark in "{}<>[]()|"), name


@pytest.mark.parametrize("value", ["O'Neill", 'the "Big" one', "both ' and \"", "cancelled", "A+"])
def test_a_quoted_value_keeps_its_text(value):
    for seed in range(30):
        text = quoted(value, Random(seed))
        assert text == value or (text[0] == text[-1] and text[1:-1] == value and text[0] not in value)
