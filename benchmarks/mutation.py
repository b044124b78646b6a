"""What is changed in a module, one thing at a time, to see whether its tests notice.

The operators are cosmic-ray's, as far as they ask a question of their own, and four of ours.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import cosmic_ray.ast
import cosmic_ray.mutating
import cosmic_ray.plugins

Span = tuple[tuple[int, int], tuple[int, int]]


class Node(Protocol):
    """A node of parso's tree: a leaf has a value, any other has children."""

    type: str
    value: str
    children: list[Node]
    parent: Node | None
    start_pos: tuple[int, int]
    end_pos: tuple[int, int]
    prefix: str


class Operator(Protocol):
    """As cosmic-ray has them."""

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        """Once for each way in which the node can be changed."""

    def mutate(self, node: Node, index: int) -> Node:
        """The node, changed in that way."""


class Leaves:
    """Replaces leaves by other text."""

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        """One, where the leaf is to be replaced."""
        if not hasattr(node, "children") and self.instead(node) is not None:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Node, index: int) -> Node:
        """The same leaf with the other text."""
        node.value = self.instead(node) or node.value
        return node

    def instead(self, leaf: Node) -> str | None:
        """What to write there; None to leave it."""
        raise NotImplementedError


class WallClock(Leaves):
    """A moment that is handed in is asked of a machine instead, which tells another time."""

    def __init__(self, tells_ms: int) -> None:
        self._tells_ms = tells_ms

    def instead(self, leaf: Node) -> str | None:
        """That time, wherever ``now_ms`` is read."""
        if leaf.type != "name" or leaf.value != "now_ms" or leaf.parent is None:
            return None
        around = leaf.parent
        written = around.type in {"param", "expr_stmt", "annassign"} and around.children[0] is leaf
        keyword = around.type == "argument" and around.children[0] is leaf
        target = around.type in {"testlist_star_expr", "exprlist", "for_stmt"}
        if written or keyword or target or _follows(leaf, "."):
            return None
        return str(self._tells_ms)


class OtherName(Leaves):
    """The other of two functions: the other edge, the other end, one for all."""

    PAIRS: Final = (("bisect_left", "bisect_right"), ("min", "max"), ("any", "all"))

    def instead(self, leaf: Node) -> str | None:
        """The other one where it is called or handed on."""
        if leaf.type != "name" or _is_within(leaf, "import_from") or _follows(leaf, "."):
            return None
        for one, other in self.PAIRS:
            if leaf.value in {one, other}:
                return other if leaf.value == one else one
        return None


class MissingStep:
    """A statement is left out: an expiry, a refund, an early return."""

    KINDS: Final = frozenset({"atom_expr", "power", "del_stmt", "yield_expr", "await"})

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        """One for a line that does something; a local name that is set is not one."""
        if node.type == "simple_stmt" and self._does_something(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Node, index: int) -> Node:
        """The line with ``pass`` in its place."""
        nothing = cosmic_ray.ast.get_ast("pass\n").children[0]
        nothing.children[0].prefix = _first_leaf(node).prefix
        node.children = nothing.children
        return node

    def _does_something(self, statement: Node) -> bool:
        if statement.type == "expr_stmt":
            return "." in _text(statement.children[0]) or "[" in _text(statement.children[0])
        if statement.type == "return_stmt" or _text(statement) == "return":
            return _is_guarded(statement)
        return statement.type in self.KINDS


class OtherAmount:
    """What is added to is set instead."""

    def mutation_positions(self, node: Node) -> Iterator[Span]:
        """One for an augmented assignment."""
        if node.type == "operator" and node.value in {"+=", "-="}:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Node, index: int) -> Node:
        """The other sign."""
        node.value = "-=" if node.value == "+=" else "+="
        return node


def _text(node: Node) -> str:
    return "".join(map(_text, node.children)) if hasattr(node, "children") else node.value


def _first_leaf(node: Node) -> Node:
    return _first_leaf(node.children[0]) if hasattr(node, "children") else node


def _follows(leaf: Node, text: str) -> bool:
    siblings = leaf.parent.children if leaf.parent is not None else []
    return bool(siblings) and _text(siblings[0]) == text


def _is_guarded(statement: Node) -> bool:
    """Whether something else happens where it is left out."""
    line = statement.parent
    suite = line.parent if line is not None else None
    around = suite.parent if suite is not None else None
    return around is not None and around.type in {"if_stmt", "for_stmt", "while_stmt"}


def _is_within(node: Node, kind: str) -> bool:
    around: Node | None = node
    while around is not None and around.type != kind:
        around = around.parent
    return around is not None


# ── All of them ──────────────────────────────────────────────────────────────────────────────

COMPARISONS: Final = (
    *("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt"),
    *("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is"),
)
SUMS: Final = ("Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "BitAnd_BitOr", "BitOr_BitAnd")
OTHERS: Final = (
    *("NumberReplacer", "AddNot", "ReplaceAndWithOr", "ReplaceOrWithAnd"),
    *("ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceUnaryOperator_Delete_Not"),
    *("ReplaceUnaryOperator_Delete_USub", "ReplaceContinueWithBreak", "ZeroIterationForLoop"),
)
NAMES: Final = (
    *OTHERS,
    *(f"ReplaceComparisonOperator_{pair}" for pair in COMPARISONS),
    *(f"ReplaceBinaryOperator_{pair}" for pair in SUMS),
)
EARLY_MS: Final = 1_790_000_000_000
LATE_MS: Final = 1_810_000_000_000
"""Months before and after the tests' noon, whatever the date."""
OURS: Final = (WallClock(EARLY_MS), WallClock(LATE_MS), OtherName(), MissingStep(), OtherAmount())


@dataclass(frozen=True)
class Mutant:
    """One change. ``change`` is the text of the lines that it concerns, before and after."""

    operator: str
    where: str
    change: tuple[str, str]
    line: int
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """All that can be made of a module, none twice; decorators and annotations are left alone."""
    operators: list[tuple[str, Operator]] = [
        (name, cosmic_ray.plugins.get_operator(f"core/{name}")()) for name in NAMES
    ]
    operators += [(type(one).__name__, one) for one in OURS]
    tree, lines = ast.parse(source), source.splitlines(keepends=True)
    scopes = list(_scopes(tree, ""))
    for statement in tree.body:
        begin, end = statement.lineno - 1, statement.end_lineno or statement.lineno
        before, part, after = ("".join(some) for some in _cut(lines, begin, end))
        known = {_meaning(part)}
        for name, operator in operators:
            for line, changed in _changed(part, operator):
                try:
                    meaning = _meaning(changed)
                except SyntaxError:
                    continue  # a star that multiplies nothing
                if meaning in known:
                    continue
                known.add(meaning)
                at = begin + line
                where = next((scope for scope, first, last in scopes if first <= at <= last), "")
                change = _change(part.splitlines(), changed.splitlines())
                yield Mutant(name, where, change, at, f"{before}{changed}{after}")


def _cut(lines: Sequence[str], begin: int, end: int) -> tuple[Sequence[str], ...]:
    return lines[:begin], lines[begin:end], lines[end:]


def _changed(source: str, operator: Operator) -> Iterator[tuple[int, str]]:
    """Line and outcome of each change that an operator can make."""
    nodes = cosmic_ray.ast.ast_nodes(cosmic_ray.ast.get_ast(source))
    spots = [(node, span) for node in nodes for span in operator.mutation_positions(node)]
    for occurrence, (node, ((line, _), _)) in enumerate(spots):
        if not _is_within(node, "decorator"):
            yield line, cosmic_ray.mutating.mutate_code(source, operator, occurrence)


class _Plain(ast.NodeTransformer):
    """Writes a comparison that is negated as the opposite one."""

    OPPOSITE: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
        **{ast.Eq: ast.NotEq, ast.Is: ast.IsNot, ast.In: ast.NotIn, ast.Lt: ast.GtE},
        **{ast.NotEq: ast.Eq, ast.IsNot: ast.Is, ast.NotIn: ast.In, ast.GtE: ast.Lt},
        **{ast.LtE: ast.Gt, ast.Gt: ast.LtE},
    }

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        inner = node.operand
        if isinstance(node.op, ast.Not) and isinstance(inner, ast.Compare) and len(inner.ops) == 1:
            return ast.Compare(inner.left, [self.OPPOSITE[type(inner.ops[0])]()], inner.comparators)
        return node


def _meaning(source: str) -> str:
    """What a module does: equal for two that differ in annotations or in wording alone."""
    tree = _Plain().visit(ast.parse(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    return ast.dump(tree)


def _scopes(tree: ast.AST, within: str) -> Iterator[tuple[str, int, int]]:
    """Name, first and last line of every function and class, the inner ones first."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{within}{node.name}"
            yield from _scopes(node, f"{name}.")
            yield name, node.lineno, node.end_lineno or node.lineno
        else:
            yield from _scopes(node, within)


def _change(before: Sequence[str], after: Sequence[str]) -> tuple[str, str]:
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    old, new = [], []
    for tag, begin, end, other_begin, other_end in matcher.get_opcodes():
        if tag != "equal":
            old += [line.strip() for line in before[begin:end]]
            new += [line.strip() for line in after[other_begin:other_end]]
    return " ".join(old), " ".join(new)
