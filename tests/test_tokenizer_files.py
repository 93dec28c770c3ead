"""Files: what is saved comes back, loads in Hugging Face, reads well, and damage is named in one line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from text2sql.errors import UserError
from text2sql.tokenizer import Tokenizer

SPECIAL = ["<|end|>", "<|left join|>", "<c0>"]
TEXT = "select name from singer where name = 'Zoë 東' and\n\tage >= 2010 " * 3


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A folder with a saved tokenizer."""
    Tokenizer.train([TEXT], 300, SPECIAL).save(tmp_path)
    return tmp_path


def change(directory: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Apply `edit` to the saved JSON."""
    path = directory / "tokenizer.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def test_load_gives_back_what_was_saved(saved: Path) -> None:
    trained, loaded = Tokenizer.train([TEXT], 300, SPECIAL), Tokenizer.load(saved)
    assert loaded.merges == trained.merges
    assert loaded.special_ids == trained.special_ids
    assert loaded.fingerprint == trained.fingerprint
    assert loaded.encode(TEXT) == trained.encode(TEXT)
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    loaded.save(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    assert set(before) == {"tokenizer.json", "tokenizer.vocab.txt"}


def test_the_file_is_what_hugging_face_would_write(saved: Path) -> None:
    theirs = json.loads(tokenizers.Tokenizer.from_file(str(saved / "tokenizer.json")).to_str())
    assert theirs == json.loads((saved / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizers.Tokenizer.from_file(str(saved / "tokenizer.json")).save(str(saved / "tokenizer.json"))
    assert Tokenizer.load(saved).fingerprint == Tokenizer.train([TEXT], 300, SPECIAL).fingerprint


def test_the_fingerprint_tells_tokenizers_apart() -> None:
    same = [Tokenizer.train([TEXT], 300, SPECIAL).fingerprint for _ in range(2)]
    others = [
        Tokenizer.train([TEXT], 299, SPECIAL).fingerprint,
        Tokenizer.train([TEXT], 300, SPECIAL[::-1]).fingerprint,
        Tokenizer.train([TEXT.upper()], 300, SPECIAL).fingerprint,
    ]
    assert same[0] == same[1]
    assert len({same[0], *others}) == 4
    assert len(same[0]) == 64


def test_the_twin_says_how_each_token_came_to_be(tmp_path: Path) -> None:
    Tokenizer.train(["name\n\n東", "name\n\n東"], 262, ["<c0>"]).save(tmp_path)
    lines = (tmp_path / "tokenizer.vocab.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 262
    assert lines[10] == "    10  '\\n'  byte 0x0a"
    assert lines[0xE6] == "   230  b'\\xe6'  byte 0xe6"
    assert lines[256:] == [
        "   256  '\\n\\n'  10 '\\n' + 10 '\\n'",
        "   257  'am'  97 'a' + 109 'm'",
        "   258  'nam'  110 'n' + 257 'am'",
        "   259  b'\\x9d\\xb1'  157 b'\\x9d' + 177 b'\\xb1'",
        "   260  '東'  230 b'\\xe6' + 259 b'\\x9d\\xb1'",
        "   261  '<c0>'  special",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere/tokenizer.json: cannot be read \(No such file"):
        Tokenizer.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000], ids=["empty", "cut", "bytes", "deep"])
def test_a_file_that_is_no_json_is_refused(saved: Path, content: bytes) -> None:
    (saved / "tokenizer.json").write_bytes(content)
    with pytest.raises(UserError, match=r"tokenizer.json: damaged, not valid JSON.*train the tokenizer anew") as caught:
        Tokenizer.load(saved)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: document.clear(),
        lambda document: document.update(model=[]),
        lambda document: document["model"].update(merges=7),
        lambda document: document["model"].update(type="Unigram"),
        lambda document: document["model"]["merges"].reverse(),
        lambda document: document["model"]["merges"].pop(),
        lambda document: document["model"]["merges"].append(["s", "no such token"]),
        lambda document: document["model"]["vocab"].update(a=98, b=97),
        lambda document: document["model"]["vocab"].popitem(),
        lambda document: document["model"].update(ignore_merges=True),
        lambda document: document["added_tokens"][0].update(id=5),
        lambda document: document["added_tokens"][0].update(content=5),
        lambda document: document.update(added_tokens=None),
        lambda document: document.update(normalizer={"type": "NFC"}),
        lambda document: document["pre_tokenizer"]["pretokenizers"][0]["pattern"].update(Regex=r"\w+"),
    ],
)
def test_a_changed_or_foreign_file_is_refused(saved: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    change(saved, edit)
    with pytest.raises(UserError, match=r"tokenizer.json: not a tokenizer of text2sql, or changed since"):
        Tokenizer.load(saved)


def test_a_list_instead_of_an_object_is_refused(saved: Path) -> None:
    (saved / "tokenizer.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(UserError, match="not a tokenizer of text2sql"):
        Tokenizer.load(saved)


def test_repeated_special_tokens_are_refused(saved: Path) -> None:
    change(saved, lambda document: document["added_tokens"][0].update(content="<c0>"))
    with pytest.raises(UserError, match="listed twice"):
        Tokenizer.load(saved)


def test_random_damage_never_ends_in_a_traceback(saved: Path) -> None:
    """Cut files and flipped bytes are refused, or, inside white space or a special token's name, still consistent."""
    path = saved / "tokenizer.json"
    content, generator = path.read_bytes(), random.Random(1)
    refused = 0
    for _ in range(150):
        damaged = bytearray(content[: generator.choice([len(content), generator.randrange(len(content))])])
        damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            loaded = Tokenizer.load(saved)
        except UserError:
            refused += 1
        else:
            assert loaded.decode(loaded.encode(TEXT)) == TEXT
    assert refused > 100


def test_a_save_that_fails_leaves_the_old_file(saved: Path) -> None:
    before = (saved / "tokenizer.json").read_bytes()
    (saved / "tokenizer.json.part").mkdir()
    with pytest.raises(UserError, match="the tokenizer cannot be saved there"):
        Tokenizer.train(["other other"], 260, []).save(saved)
    assert (saved / "tokenizer.json").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: the tokenizer cannot be saved there"):
        Tokenizer.train([TEXT], 300, SPECIAL).save(tmp_path / "file")
