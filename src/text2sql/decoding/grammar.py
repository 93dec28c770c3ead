"""The grammar of the target language as a pushdown automaton: which tokens may come next.

An LL(1) grammar over *atoms*: keywords by their own name, and kinds of tokens such as `COLUMN` or `WORD`. What depends
on the schema at hand (which columns, when FROM is needed) is `decoding.mask`; here is only structure, so that stacks
and what may follow them are shared by all prompts and worked out once.

An atom that would be ambiguous carries a mark after a blank: `( call` and `(` are the same token in different places.
"""

from __future__ import annotations

from functools import cache

Stack = tuple[str, ...]
"""Symbols still to come, the next one first. Names in capitals or with `?` are no keywords."""

START: Stack = ("QUERY",)
LINKED_START: Stack = ("links?", "assistant", *START)
"""Where the form has a linking chain: columns, each at most once, then the token that the SQL follows."""
END = "END"

_COMPARISONS = ("=", "!=", "<", ">", "<=", ">=")
NAMES = frozenset({"COLUMN", "LINK", "TABLE", "TABLE_STAR"})
"""Atoms that name something of the schema: one token where that is an id, several where it is spelt out."""
AGGREGATES = ("count", "sum", "avg", "min", "max")
FUNCTIONS = ("abs", "round", "length", "lower", "upper")
_SET_OPERATIONS = ("union", "intersect", "except")
_NUMBER = (("NUMBER", "whole?"), ("BLANK", "DIGITS", "whole?"))
_VALUE = (*_NUMBER, ("quote", "string", "quote"), ("WORD", "LAST_WORD"), ("CELL",))

RULES: dict[str, tuple[Stack, ...]] = {
    "links?": (("LINK", "links?"), ()),
    "QUERY": (("SELECT", "set?", "order?", "limit?"),),
    "SELECT": (("select", "distinct?", "item", "items?", "from?", "where?", "group?"),),
    "distinct?": (("distinct",), ()),
    "items?": ((", item", "item", "items?"), ()),
    "item": (("* item",), ("TABLE_STAR", ".", "*"), ("expression",)),
    "set?": (*((word, "SELECT", "set?") for word in ("intersect", "except")), ("union", "all?", "SELECT", "set?"), ()),
    "all?": (("all",), ()),
    # FROM
    "from?": (("from", "TABLE", "table_use?", "joins?"), ()),
    "joins?": (
        ("join", "TABLE", "table_use?", "on?", "joins?"),
        ("left", "join", "TABLE", "table_use?", "on?", "joins?"),
        ("cross", "join", "TABLE", "table_use?", "joins?"),
        (),
    ),
    "on?": (("on", "equality", "equalities?"), ()),
    "equality": (("COLUMN", "use?", "=", "COLUMN", "use?"),),
    "equalities?": (("and", "equality", "equalities?"), ("or", "equality", "equalities?"), ()),
    "table_use?": (("TABLE_USE",), ()),
    "use?": (("USE",), ()),
    # clauses
    "where?": (("where", "condition"), ()),
    "group?": (("group by", "plain", "groups?", "having?"), ()),
    "groups?": ((", group", "plain", "groups?"), ()),
    "having?": (("having", "having_condition"), ()),
    "order?": (("order by", "order", "orders?"), ()),
    "order": (("expression", "desc?"),),
    "orders?": ((", order", "order", "orders?"), ()),
    "desc?": (("desc",), ()),
    "limit?": (("limit", "rows", "offset?"), ()),
    "offset?": (("offset", "rows"), ()),
    "rows": (*_NUMBER, ("NUMBER_WORD", "SAME_WORD")),
    # conditions: WHERE may not aggregate, HAVING may
    "condition": (("predicate", "conditions?"),),
    "conditions?": (("and", "predicate", "conditions?"), ("or", "predicate", "conditions?"), ()),
    "predicate": (
        ("not", "negated"),
        ("exists", "( any", "QUERY", ") query"),
        ("( left", "in_parentheses"),
        ("plain", "test"),
    ),
    "negated": (("exists", "( any", "QUERY", ") query"), ("(", "condition", ")")),
    "in_parentheses": (("QUERY", ") query", "test"), ("condition", ")")),
    "having_condition": (("having_predicate", "having_conditions?"),),
    "having_conditions?": (
        ("and", "having_predicate", "having_conditions?"),
        ("or", "having_predicate", "having_conditions?"),
        (),
    ),
    "having_predicate": (("expression", "test"),),
    "test": (
        *((comparison, "operand") for comparison in _COMPARISONS),
        ("not", "negatable"),
        ("between", "operand", "and", "operand"),
        ("in", "( in", "choices"),
        ("like", "pattern"),
        ("is", "not?", "null"),
    ),
    "negatable": (("in", "( in", "choices"), ("like", "pattern"), ("between", "operand", "and", "operand")),
    "not?": (("not",), ()),
    "choices": (("QUERY", ") query"), ("value", "more_values?", ")")),
    "more_values?": ((",", "value", "more_values?"), ()),
    "pattern": (("quote", "string", "quote"), ("WORD", "LAST_WORD"), ("CELL",)),
    "operand": (("( query", "QUERY", ") query"), ("plain",)),
    # expressions
    "expression": (("term", "operations?"),),
    "operations?": (*((operator, "term", "operations?") for operator in "+-*/"), ()),
    "term": (
        ("count", "( call", "counted", ")"),
        *((name, "( call", "argument", ")") for name in AGGREGATES if name != "count"),
        ("atom",),
    ),
    "counted": (("* all",), ("distinct", "plain"), ("plain",)),
    "argument": (("distinct", "plain"), ("plain",)),
    "plain": (("atom", "plain_operations?"),),
    "plain_operations?": (*((operator, "atom", "plain_operations?") for operator in "+-*/"), ()),
    "atom": (
        ("COLUMN", "use?"),
        ("value",),
        ("-", "signed"),
        *((name, "( call", "plain", ")") for name in FUNCTIONS),
    ),
    # values
    "signed": (*_NUMBER, ("NUMBER_WORD", "SAME_WORD")),
    "value": _VALUE,
    "string": (("TEXT", "string"), ("WORD", "LAST_WORD", "string"), ("CELL", "string"), ()),
    "whole?": (("DIGITS", "whole?"), ("POINT", "DIGITS", "fraction?"), ("POINT_DIGITS", "fraction?"), ()),
    "fraction?": (("DIGITS", "fraction?"), ()),
}  # fmt: skip


def keyword(atom: str) -> str:
    """The keyword's own spelling: without the mark of its place."""
    return atom.partition(" ")[0] if atom not in ("group by", "order by") else atom


@cache
def first(symbol: str) -> frozenset[str]:
    """Atoms that a symbol may begin with."""
    if symbol not in RULES:
        return frozenset({symbol})
    return frozenset(atom for rule in RULES[symbol] if rule for atom in _first_of(rule))


def _first_of(rule: Stack) -> frozenset[str]:
    """Atoms that a rule's symbols may begin with."""
    found: frozenset[str] = frozenset()
    for symbol in rule:
        found |= first(symbol)
        if not optional(symbol):
            break
    return found


@cache
def optional(symbol: str) -> bool:
    """Whether nothing at all may stand for a symbol."""
    return any(all(map(optional, rule)) for rule in RULES.get(symbol, ()))


@cache
def _shortest(name_length: int) -> dict[str, int]:
    """Fewest tokens that each symbol with rules takes: lengths only ever fall until none changes."""
    lengths = dict.fromkeys(RULES, 10**6)
    changed = True
    while changed:
        changed = False
        for symbol, rules in RULES.items():
            length = min(sum(lengths.get(part, _length(part, name_length)) for part in rule) for rule in rules)
            changed = changed or length < lengths[symbol]
            lengths[symbol] = min(length, lengths[symbol])
    return lengths


def _length(atom: str, name_length: int) -> int:
    return name_length if atom in NAMES else 1


@cache
def remaining(stack: Stack, name_length: int) -> int:
    """Fewest tokens that end what is open, the end token included, where a name takes `name_length` tokens."""
    shortest = _shortest(name_length)
    return sum(shortest.get(symbol, _length(symbol, name_length)) for symbol in stack) + 1


@cache
def following(stack: Stack) -> frozenset[str]:
    """Atoms that may come next; `END` where everything is closed or optional."""
    found: frozenset[str] = frozenset()
    for symbol in stack:
        found |= first(symbol)
        if not optional(symbol):
            return found
    return found | {END}


@cache
def advance(stack: Stack, atom: str) -> Stack:
    """The stack after an atom out of `following(stack)`. Raises KeyError for another one."""
    while stack:
        symbol, rest = stack[0], stack[1:]
        if symbol not in RULES:
            if symbol == atom:
                return rest
            break
        rule = next((rule for rule in RULES[symbol] if rule and atom in _first_of(rule)), None)
        if rule is None and not optional(symbol):
            break
        stack = rest if rule is None else rule + rest
    raise KeyError(atom)
