"""A module of the server as it is read: its imports, its constants, and what stands where. For writers.py."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache, cached_property


class Module:
    """One module: its tree, and what its names stand for."""

    def __init__(self, name: str, text: str, tables: Iterable[str]) -> None:
        self.name, self.tree = name, ast.parse(text)
        self.nodes = list(ast.walk(self.tree))
        self.parent = {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}
        #: name here -> (module, name there); name there '' for the module itself
        self.imports: dict[str, tuple[str, str]] = {}
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("server"):
                for one in node.names:
                    self.imports[one.asname or one.name] = (node.module, one.name)
        self._tables = set(tables)
        self.constants = dict(_constants(self.tree))
        #: names of the module that stand for several texts: a tuple of them, or the keys of a table
        self.lists = {name: value for name, value in _assigned(self.tree) if isinstance(value, ast.Tuple | ast.Dict)}
        #: names that are unpacked from such a list: (names, the list's)
        self.unpacked = [
            ([one.id for one in target.elts if isinstance(one, ast.Name)], value.id)
            for target, value in _targets(self.tree)
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Name)
        ]

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call."""
        return [one for one in self.nodes if isinstance(one, ast.Call)]

    def table(self, node: ast.AST) -> str | None:
        """The table that this expression names."""
        if isinstance(node, ast.Name):
            where, what = self.imports.get(node.id, ("", ""))
            return what if what in self._tables and ".schema" in where else None
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            where, what = self.imports.get(node.value.id, ("", ""))
            return node.attr if node.attr in self._tables and what.startswith("schema") else None
        return None

    def named(self, node: ast.AST) -> set[str]:
        """Every table that is named in here."""
        return {found for one in ast.walk(node) if (found := self.table(one)) is not None}

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """What this stands in, from the inside out."""
        while node in self.parent:
            node = self.parent[node]
            yield node

    @cached_property
    def keys(self) -> set[str]:
        """Every key of a row that could be meant: keywords, keys of dicts, texts in tuples and lists."""
        found: set[str] = set()
        for node in self.nodes:
            if isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
            elif isinstance(node, ast.Dict):
                found |= {
                    one.value for one in node.keys if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
            elif isinstance(node, ast.Tuple | ast.List | ast.Set):
                found |= {
                    one.value for one in node.elts if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
        return found


def _targets(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What the module's own statements give a name, and what."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from ((target, node.value) for target in node.targets)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield node.target, node.value


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    return ((target.id, value) for target, value in _targets(tree) if isinstance(target, ast.Name))


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Names of the module that stand for one text."""
    for target, value in _targets(tree):
        pairs = [(target, value)]
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs = list(zip(target.elts, value.elts, strict=False))
        for name, text in pairs:
            if isinstance(name, ast.Name) and isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield name.id, text.value


@cache
def read(name: str, text: str, tables: tuple[str, ...]) -> Module:
    """The module of this name, with this text."""
    return Module(name, text, tables)
