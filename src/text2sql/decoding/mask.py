"""The grammar mask: with it every answer parses and names only tables and columns of the schema.

`grammar` knows the structure, this module what depends on the schema and on what was written before: which columns a
SELECT may still name, when it needs a FROM, that both sides of UNION have as many columns, that a word span does not
run backwards. Near the length limit only atoms that bring the end closer are left, so that answers are always whole.

A prompt's states are kept by their tokens: a beam that goes on from another one's beginning finds its state there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from text2sql.decoding.answer_state import Scope, State, Use, Vocabulary
from text2sql.decoding.grammar import AGGREGATES, END, FUNCTIONS, LINKED_START, advance, following, keyword, remaining
from text2sql.prompting.prompt import Prompt, PromptEncoder
from text2sql.prompting.reading import item_name

MOST_SOURCES = 6
"""Tables in one FROM, unless the columns named before call for more."""
MOST_ITEMS = 16
"""Columns in one SELECT."""
MOST_OPEN = 12
"""Parentheses inside one another: parsers are recursive."""
TOKENS_PER_SOURCE = 9
"""Of one more table in FROM: JOIN, table, use, ON, two columns with their uses, the equals sign."""
NAMES_PER_SOURCE = 3
"""Names among those tokens."""
CLOSING_SLACK = 28
"""Tokens kept in reserve beyond the shortest ending: what the schema may demand on the way there."""
SLACK_NAMES = 3
"""Names among those tokens."""

_LEAVING = frozenset({"where", "group by", "order by", "limit", "union", "intersect", "except", ") query", END})
_ITEM_BEGINS = frozenset({"select", "distinct", ", item"})
"""Atoms that an item of SELECT follows, or an aggregate's argument: `count(distinct c1)`."""
_STARS = frozenset({"* item", "TABLE_STAR"})
_JOINS = frozenset({"join", "left", "cross"})
_ANCHORING = frozenset({"where", "group by", "order by"})
_LEADING_VALUES = frozenset(
    {"NUMBER", "BLANK", "WORD", "CELL", "quote", "-", "exists", "not", "( left", "( query", "* all"}
)
"""Atoms at the head of a condition or expression that name no column."""
_FILLERS = frozenset(
    {"DIGITS", "POINT", "POINT_DIGITS", "+", "-", "*", "/", "and", "or", ",", ", group", ", order", "USE"}
)
_FILLERS |= {*AGGREGATES, *FUNCTIONS}
"""Atoms that only make an answer longer."""
_OPENING = frozenset({"not", "exists", "in", "( left", "( query", *AGGREGATES, *FUNCTIONS})
"""Atoms that a parenthesis may follow, or that are one."""
_DEMANDING = frozenset({"COLUMN", "TABLE_STAR"})
"""Atoms that may call for a longer FROM."""
_ORDER_OF_SET = frozenset({"COLUMN", "desc", ", order", "limit", ") query", END})


class GrammarMask:
    """A `LogitsMask` for a list of prompts."""

    def __init__(self, encoder: PromptEncoder, prompts: Sequence[Prompt], limits: Sequence[int]) -> None:
        """`limits` are the new tokens at most of each prompt, the end token included."""
        vocabulary = Vocabulary.of(encoder)
        self._readers = [
            _Reader(encoder, vocabulary, prompt, limit) for prompt, limit in zip(prompts, limits, strict=True)
        ]

    def __call__(self, index: int, ids: list[int]) -> Tensor:
        """bool [V]: the tokens that may follow `ids` in the answer to prompt `index`."""
        return self._readers[index].allowed(tuple(ids))

    def accepts(self, index: int, ids: Sequence[int]) -> bool:
        """Whether the whole answer `ids` (without the end token) is one that the mask lets through."""
        wanted = [*ids, self._readers[index].vocabulary.end_id]
        return all(bool(self(index, wanted[:n])[token]) for n, token in enumerate(wanted))


class _Reader:
    """Reads the beginnings of one prompt's answers and says what may follow them."""

    def __init__(self, encoder: PromptEncoder, vocabulary: Vocabulary, prompt: Prompt, limit: int) -> None:
        self.vocabulary = vocabulary
        self.prompt = prompt
        self.limit = limit
        self.graph = encoder.canonicalizer(prompt.schema).graph
        schema = prompt.schema
        self._table_of = {number: schema.table_number(schema.columns[number][0].name) for number in prompt.columns}
        self._points = encoder.form.items == "ids"
        self._names = _name_tokens(encoder, prompt)
        self._longest_name = max(len(tokens) for tokens in (*self._names["COLUMN"], *self._names["TABLE"]))
        special, words = encoder.tokenizer.special_ids, range(len(prompt.mentions.words))
        count = encoder.form.max_words
        self._word_tokens = {special[f"<w{(prompt.first_word + word) % count}>"]: word for word in words}
        self._number_words = {t: w for t, w in self._word_tokens.items() if _is_number(prompt, w)}
        self._cell_tokens = [special[f"<v{shown}>"] for shown in prompt.cells.values()]
        self._use_tokens = {special[f"<|{use}|>"]: use for use in range(2, 7)}
        start = State(LINKED_START) if encoder.form.linking_chain else State()
        self._states: dict[tuple[int, ...], State] = {(): start}
        self._masks: dict[tuple[State, bool], Tensor] = {}

    # -- what may follow ------------------------------------------------------------------------------------------

    def allowed(self, ids: tuple[int, ...]) -> Tensor:
        """bool [V]: the tokens that may follow a beginning."""
        state = self.state(ids)
        left = self.limit - len(ids)
        closing = left <= self._needed(state)
        key = state, closing
        if key not in self._masks:
            self._masks[key] = self._tokens(state, closing)
        return self._masks[key]

    def _needed(self, state: State) -> int:
        """Tokens that are kept for an ending: the shortest one, and what the schema may demand on the way."""
        spelling = self._longest_name - 1
        sources = items = 0
        for scope in state.scopes:
            items += max(0, (scope.wanted or 0) - scope.items)
            if scope.phase == "items" and self._needs_from(scope):
                sources += sum(use for _, use in scope.mentions)
            elif scope.phase == "from":
                sources += sum(use for _, use in self._uncovered(scope))
        demands = (TOKENS_PER_SOURCE + NAMES_PER_SOURCE * spelling) * sources + 2 * items
        slack = CLOSING_SLACK + SLACK_NAMES * spelling + 4 * len(state.scopes)
        return remaining(state.stack, self._longest_name) + demands + slack

    def _tokens(self, state: State, closing: bool) -> Tensor:
        mask = torch.zeros(self.vocabulary.size, dtype=torch.bool)
        if state.name is not None:
            names = self._begun(state, closing) or self._begun(state, False)  # what was begun before may be finished
            for tokens in names:
                if len(tokens) > len(state.name):
                    mask[tokens[len(state.name)]] = True
            return mask | self._tokens(self._named(state), closing) if state.name in names else mask
        for atom in self._atoms(state, closing):
            mask |= self._of_atom(state, atom, closing)
        return mask

    def _begun(self, state: State, closing: bool) -> list[tuple[int, ...]]:
        """Names that may stand here and begin as the one that is being spelt."""
        begun, numbers = state.name or (), self._numbers(state, state.kind, closing)
        return [
            tokens
            for tokens, number in self._names[state.kind].items()
            if tokens[: len(begun)] == begun and number in numbers
        ]

    def _atoms(self, state: State, closing: bool) -> list[str]:
        """Atoms that may follow; while closing only those that bring the end closest."""
        atoms = [atom for atom in following(state.stack) if self._fits(state, atom)]
        if closing:
            fillers = _FILLERS | {", item"} if state.scopes[-1].wanted is None else _FILLERS
            useful = [atom for atom in atoms if atom not in fillers]
            atoms = [atom for atom in useful if atom not in _DEMANDING] or useful or atoms
            lengths = {
                atom: 0 if atom == END else remaining(advance(state.stack, atom), self._longest_name) for atom in atoms
            }
            atoms = [atom for atom in atoms if lengths[atom] == min(lengths.values())]
        return atoms

    def _fits(self, state: State, atom: str) -> bool:
        """Whether an atom that the structure allows also fits what was said."""
        scope = state.scopes[-1]
        if not {"WORD": self._word_tokens, "NUMBER_WORD": self._number_words, "CELL": self._cell_tokens}.get(
            atom, True
        ):
            return False
        if atom in _OPENING and state.stack.count(")") + state.stack.count(") query") >= MOST_OPEN:
            return False
        if atom == "except" and state.last in ("* item", "*"):
            return False  # sqlglot would read a modifier of the star
        if atom == "order by" and scope.output == ():
            return False  # the left side of UNION named no column to order by
        if atom in ("USE", "TABLE_USE"):
            return bool(self._uses(scope, atom))
        if atom == ", item":
            return scope.items < (scope.wanted or MOST_ITEMS)
        if atom in ("COLUMN", "LINK") and not self._numbers(state, atom, False):
            return False
        if scope.phase == "items":
            return self._fits_items(state, atom)
        if scope.phase == "from":
            return self._fits_from(scope, atom)
        if scope.phase == "order":
            return atom in _ORDER_OF_SET
        return self._anchored(scope) or atom not in _LEADING_VALUES

    def _fits_items(self, state: State, atom: str) -> bool:
        scope = state.scopes[-1]
        if atom in _STARS and scope.wanted is not None and scope.output is None:
            return False  # one column to compare with
        if scope.output is not None and state.last in _ITEM_BEGINS and atom != "distinct":
            return (atom in _STARS) == (scope.items in scope.wanted_stars)  # a star is as many columns as a star
        if atom not in _LEAVING and atom != "from":
            return True
        if scope.wanted is not None and scope.items < scope.wanted:
            return False
        if atom == "from":
            return True
        if self._needs_from(scope):
            return False
        return self._anchored(scope) or (atom in _ANCHORING and not (atom == "order by" and scope.output is not None))

    def _fits_from(self, scope: Scope, atom: str) -> bool:
        sources = scope.sources or ()
        uncovered = self._uncovered(scope)
        if self._uses(scope, "TABLE_USE"):
            return False  # only the use's number may follow
        if scope.joining and atom not in ("on", "TABLE") and self._needs_on(sources):
            return False
        if atom in _JOINS:
            return len(sources) < MOST_SOURCES or bool(uncovered)
        return atom not in _LEAVING or not uncovered

    # -- the schema's demands -------------------------------------------------------------------------------------

    def _anchored(self, scope: Scope) -> bool:
        """Whether it is settled which tables the SELECT reads."""
        return bool(scope.mentions) or bool(scope.sources) or len(self.prompt.schema.tables) == 1

    def _needs_from(self, scope: Scope) -> bool:
        """Whether the foreign keys cannot tell the FROM of what was named."""
        if scope.starred or any(use > 1 for _, use in scope.mentions):
            return True
        return self.graph.rebuild(sorted(table for table, _ in scope.mentions)) is None

    def _needs_on(self, sources: tuple[Use, ...]) -> bool:
        """Whether no foreign key says how the last source joins."""
        (table, use), earlier = sources[-1], [table for table, _ in sources[:-1]]
        return use > 1 or self.graph.default_pairs(earlier, table) is None

    @staticmethod
    def _uncovered(scope: Scope) -> frozenset[Use]:
        """Named tables that FROM does not have yet."""
        return scope.mentions - frozenset(scope.sources) if scope.sources is not None else frozenset()

    @staticmethod
    def _uses(scope: Scope, atom: str) -> tuple[int, ...]:
        """Numbers that may stand behind the last column or source."""
        sources = scope.sources or ()
        count = sum(table == scope.table for table, _ in sources)
        if atom == "TABLE_USE":  # a repeated source carries a provisional use of 0
            return (count,) if sources and sources[-1] == (scope.table, 0) else ()
        if scope.phase == "items":
            return (2,)
        return tuple(range(2, count + 1)) if scope.phase != "order" else ()

    def _numbers(self, state: State, atom: str, closing: bool) -> frozenset[int]:
        """Numbers of the columns or tables that may stand here."""
        if atom == "LINK":
            return frozenset(self._table_of) - state.linked
        numbers, tables = self._numbers_in_scope(state, atom, closing), state.scopes[-1].tables
        if tables is None:
            return numbers
        return numbers & tables if atom != "COLUMN" else frozenset(n for n in numbers if self._table_of[n] in tables)

    def _numbers_in_scope(self, state: State, atom: str, closing: bool) -> frozenset[int]:
        scope = state.scopes[-1]
        if atom != "COLUMN":
            return self._sources_to_come(scope, closing) if atom == "TABLE" else frozenset(self.prompt.tables)
        if scope.phase == "items":
            listed = {number for number in scope.begun if scope.begun.count(number) > 1}
            return frozenset(self._table_of) - (listed if state.last in _ITEM_BEGINS else frozenset())
        if scope.phase == "order":
            return frozenset(scope.output or ())
        if scope.sources is not None:
            tables = {table for table, _ in scope.sources}
            return frozenset(number for number, table in self._table_of.items() if table in tables)
        named = sorted(table for table, _ in scope.mentions)
        return frozenset(n for n, table in self._table_of.items() if self.graph.rebuild([*named, table]) is not None)

    def _sources_to_come(self, scope: Scope, closing: bool) -> frozenset[int]:
        tables = frozenset(self.prompt.tables)
        uncovered = frozenset(table for table, _ in self._uncovered(scope))
        hurry = closing or len(scope.sources or ()) >= MOST_SOURCES - 1
        return uncovered if uncovered and hurry else tables

    def _of_atom(self, state: State, atom: str, closing: bool) -> Tensor:
        """bool [V]: the tokens of an atom here."""
        if atom in self.vocabulary.texts:
            return self.vocabulary.texts[atom]
        return self.vocabulary.mask(self._token_list(state, atom, closing))

    def _token_list(self, state: State, atom: str, closing: bool = False) -> list[int]:
        if atom == END:
            return [self.vocabulary.end_id]
        if atom in self._names:
            numbers = self._numbers(state, atom, closing)
            return [tokens[0] for tokens, number in self._names[atom].items() if number in numbers]
        if atom in ("USE", "TABLE_USE"):
            uses = self._uses(state.scopes[-1], atom)
            return [token for token, use in self._use_tokens.items() if use in uses]
        if atom == "CELL":
            return self._cell_tokens
        if atom in ("WORD", "NUMBER_WORD"):
            return list(self._word_tokens if atom == "WORD" else self._number_words)
        if atom == "LAST_WORD":
            return [token for token, word in self._word_tokens.items() if word >= state.word]
        if atom == "SAME_WORD":
            return [token for token, word in self._word_tokens.items() if word == state.word]
        return [self.vocabulary.keywords[keyword(atom)]]

    # -- reading --------------------------------------------------------------------------------------------------

    def state(self, ids: tuple[int, ...]) -> State:
        """The state after a beginning, from the one before it."""
        known = len(ids)
        while ids[:known] not in self._states:
            known -= 1
        state = self._states[ids[:known]]
        for end in range(known, len(ids)):
            state = self._after(state, ids[end])
            self._states[ids[: end + 1]] = state
        return state

    def _after(self, state: State, token: int) -> State:
        """The state after one more token. Raises KeyError for a token that the mask forbids."""
        if state.name is not None:
            longer = (*state.name, token)
            if any(tokens[: len(longer)] == longer for tokens in self._names[state.kind]):
                return replace(state, name=longer)
            state = self._named(state)
        atom = next((atom for atom in following(state.stack) if self._is(state, atom, token)), None)
        if atom is None or not self._fits(state, atom):
            raise KeyError(token)
        if atom in self._names:
            if not self._points:
                return replace(state, name=(token,), kind=atom)
            number = next(n for tokens, n in self._names[atom].items() if tokens == (token,))
            return self._item(state, atom, number)
        return self._step(state, atom, token)

    def _is(self, state: State, atom: str, token: int) -> bool:
        if atom in self.vocabulary.texts:
            return bool(self.vocabulary.texts[atom][token])
        return token in self._token_list(state, atom)

    def _named(self, state: State) -> State:
        """The state once the spelt-out name is taken as complete."""
        number = self._names[state.kind][state.name or ()]
        return self._item(replace(state, name=None, kind=""), state.kind, number)

    def _item(self, state: State, atom: str, number: int) -> State:
        """A column or table was named."""
        scope = state.scopes[-1]
        if atom == "LINK":
            state = replace(state, linked=state.linked | {number})
        elif atom == "COLUMN":
            table = self._table_of[number]
            columns = (*scope.columns, number) if scope.phase == "items" else scope.columns
            mentions = scope.mentions if scope.phase in ("from", "order") else scope.mentions | {(table, 1)}
            begins = scope.phase == "items" and state.last in _ITEM_BEGINS
            begun = (*scope.begun, number) if begins else scope.begun
            scope = replace(scope, table=table, columns=columns, mentions=mentions, begun=begun)
        elif atom == "TABLE_STAR":
            mentions, stars = scope.mentions | {(number, 1)}, scope.stars | {scope.items}
            scope = replace(scope, table=number, starred=True, mentions=mentions, stars=stars)
        else:
            sources = scope.sources or ()
            again = any(table == number for table, _ in sources)
            scope = replace(scope, table=number, sources=(*sources, (number, 0 if again else 1)))
        return self._moved(state, atom, scope)

    def _step(self, state: State, atom: str, token: int) -> State:
        """Any other atom was written."""
        scope = state.scopes[-1]
        if atom == "select":
            return self._selected(state)
        if atom == ") query":
            return replace(state, stack=advance(state.stack, atom), scopes=state.scopes[:-1], last=atom)
        if atom == "USE":
            if scope.sources is None:  # behind FROM the sources tell
                use = (scope.table, self._use_tokens[token])
                scope = replace(scope, mentions=scope.mentions - {(scope.table, 1)} | {use})
        elif atom == "TABLE_USE":
            scope = replace(scope, sources=(*(scope.sources or ())[:-1], (scope.table, self._use_tokens[token])))
        elif atom == ", item":
            scope = replace(scope, items=scope.items + 1)
        elif atom == "* item":
            scope = replace(scope, stars=scope.stars | {scope.items})
        elif atom == "assistant":
            state = replace(state, linked=frozenset())
        elif atom == "from":
            scope = replace(scope, phase="from", sources=())
        elif atom in _JOINS or atom == "on":
            scope = replace(scope, joining=atom == "join" and state.last != "cross")
        elif atom in ("where", "group by", "order by", "limit"):
            phase = "order" if atom == "order by" and scope.output is not None else "after"
            scope = replace(scope, phase=phase, joining=False)
        elif atom in ("union", "intersect", "except"):
            output = scope.columns if scope.output is None else scope.output
            tables = frozenset(table for table, _ in (*scope.mentions, *(scope.sources or ()))) if scope.stars else None
            scope = Scope(wanted=scope.items, wanted_stars=scope.stars, tables=tables or None, output=output)
        elif atom in ("WORD", "NUMBER_WORD"):
            state = replace(state, word=self._word_tokens[token])
        return self._moved(state, atom, scope)

    @staticmethod
    def _moved(state: State, atom: str, scope: Scope) -> State:
        return replace(state, stack=advance(state.stack, atom), scopes=(*state.scopes[:-1], scope), last=atom)

    @staticmethod
    def _selected(state: State) -> State:
        """SELECT opens a scope of its own behind a parenthesis."""
        scopes = state.scopes
        if state.last.startswith("("):
            scopes = (*scopes, Scope(wanted=None if state.last == "( any" else 1))
        return replace(state, stack=advance(state.stack, "select"), scopes=scopes, last="select")


def _name_tokens(encoder: PromptEncoder, prompt: Prompt) -> dict[str, dict[tuple[int, ...], int]]:
    """For columns, tables and `table.*`: the tokens of each that the prompt shows -> its number."""
    special, points = encoder.tokenizer.special_ids, encoder.form.items == "ids"
    found: dict[str, dict[tuple[int, ...], int]] = {}
    for atom, kind, shown in (("COLUMN", "c", prompt.columns), ("TABLE", "t", prompt.tables)):
        found[atom] = {}
        for number, place in shown.items():
            if points:
                tokens = [special[f"<{kind}{place}>"]]
            else:
                name = encoder.tokenizer.encode(" " + item_name(prompt.schema, kind, number))
                tokens = [special["<|column|>" if kind == "c" else "<|table|>"], *name]
            found[atom][tuple(tokens)] = number
    found["TABLE_STAR"], found["LINK"] = found["TABLE"], found["COLUMN"]
    return found


def _is_number(prompt: Prompt, word: int) -> bool:
    return re.fullmatch(r"[\d,]*\d(\.\d+)?", prompt.mentions.words[word].text) is not None
