"""The words that each module could be putting into a row, and those that its forms offer. For writers.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from tests.server.store.read_modules import Module

#: a value that a form sends, and the first of a pair of which it makes one
_OFFERED = re.compile(r'value="([\w-]+)"|\("([\w-]+)", *"')
_INCLUDED = re.compile(r'{% include "([\w.-]+)"')


class Words:
    """What is said by modules, and by the templates that they name (file name -> text)."""

    def __init__(self, modules: Mapping[str, Module], templates: Mapping[str, str]) -> None:
        self.modules, self._templates = modules, templates

    @cached_property
    def said(self) -> dict[str, set[str]]:
        """The words of each module that could be on their way into a row, those of its pages' forms among them."""
        return {
            one.name: {
                word
                for node in one.nodes
                for word in self._words(one, node)
                if word is not None and _written(one, node)
            }
            | self._in_forms(one)
            for one in self.modules.values()
        }

    def _words(self, module: Module, node: ast.AST) -> Iterator[str | None]:
        """The texts that an expression stands for, by itself or by the name of a constant."""
        if isinstance(node, ast.Constant):
            yield node.value if isinstance(node.value, str) else None
            return
        there, name = self._named(module, node)
        if there is None:
            return
        yield self._constant(there, name)
        if module.name.startswith("server.pages") and name in there.lists and _handed_on(module, node):
            yield from self._listed(there, name)

    def _named(self, module: Module, node: ast.AST) -> tuple[Module | None, str]:
        """The module and the name there, to which a name here leads."""
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            where, what = module.imports.get(node.id, (module.name, node.id))
            return self.modules.get(where), what
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            where, what = module.imports.get(node.value.id, ("", ""))
            return self.modules.get(f"{where}.{what}"), node.attr
        return None, ""

    def _constant(self, module: Module, name: str) -> str | None:
        if name in module.constants:
            return module.constants[name]
        for names, listed in module.unpacked:
            if name in names:
                where, what = module.imports.get(listed, (module.name, listed))
                there = self.modules.get(where)
                words = list(self._listed(there, what)) if there is not None else []
                return dict(zip(names, words, strict=False)).get(name)
        return None

    def _listed(self, module: Module, name: str) -> Iterator[str | None]:
        """The words of a list."""
        node = module.lists.get(name)
        for one in node.keys if isinstance(node, ast.Dict) else node.elts if isinstance(node, ast.Tuple) else ():
            if isinstance(one, ast.Constant):
                yield one.value if isinstance(one.value, str) else None
            elif one is not None:
                there, what = self._named(module, one)
                yield self._constant(there, what) if there is not None else None

    def _in_forms(self, module: Module) -> set[str]:
        """What the templates that a module names offer."""
        waits = [node.value for node in module.nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        waits, seen, found = [one for one in waits if one in self._templates], set(), set()
        while waits:
            name = waits.pop()
            if name not in seen and name in self._templates:
                seen.add(name)
                found |= {one for pair in _OFFERED.findall(self._templates[name]) for one in pair if one}
                waits += _INCLUDED.findall(self._templates[name])
        return found


def _handed_on(module: Module, node: ast.AST) -> bool:
    """Whether a list of words is gone through or given to a page: each of them is offered there."""
    above = module.parent[node]
    if isinstance(above, ast.Attribute):
        return above.attr == "items"
    gone_through = isinstance(above, ast.comprehension | ast.For) and above.iter is node
    given = isinstance(above, ast.keyword) or (isinstance(above, ast.Dict) and node in above.values)
    return gone_through or given


def _written(module: Module, node: ast.AST) -> bool:
    """Whether a word stands where it could be on its way into a row."""
    at = node
    for above in module.above(node):
        if isinstance(above, ast.Compare | ast.MatchValue | ast.Subscript):
            return False
        if (
            isinstance(above, ast.Call)
            and isinstance(above.func, ast.Attribute)
            and above.func.attr in ("in_", "not_in", "get")
        ):
            return False
        if isinstance(above, ast.Dict) and at in above.keys and not _rows(module, above):
            return False
        if isinstance(above, ast.Assign | ast.AnnAssign) and isinstance(module.parent[above], ast.Module):
            # A table of what becomes of what gives its values; a list of words gives nothing.
            return (isinstance(above.value, ast.Dict) and at is above.value) or _offered(module, node)
        at = above
    return True


def _rows(module: Module, table: ast.Dict) -> bool:
    """Whether a table in a function is handed on, and not only looked into."""
    above = module.parent[table]
    inside = any(isinstance(one, ast.FunctionDef) for one in module.above(table))
    return inside and not isinstance(above, ast.Attribute | ast.Subscript)


def _offered(module: Module, node: ast.AST) -> bool:
    """Whether a form offers it: first of a pair, the other is what is shown."""
    pair = module.parent[node]
    return (
        module.name.startswith("server.pages")
        and isinstance(pair, ast.Tuple)
        and len(pair.elts) == 2
        and pair.elts[0] is node
        and isinstance(module.parent[pair], ast.Tuple)
    )
