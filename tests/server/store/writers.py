"""What the server's own code writes, found by reading it: into which tables, which columns, and which words.

Nothing is run. A statement is an INSERT or UPDATE of a table that is named where it is made, or of a parameter or a
variable, which is followed to the tables that are given to it. Where a statement's columns stand with it
(`values(state=...)`), those are what it writes; where rows come from elsewhere, every key and keyword of the module, of
those that it uses and of those that use it counts. So the reading may take something for written that is not; it never
takes something for unwritten that a plain statement writes.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from sqlalchemy import Table

from tests.server.store.put_words import Words
from tests.server.store.read_modules import Module, read

#: what makes an INSERT or UPDATE of a table that is given to it
_MAKERS = {"insert", "insert_of", "unless_there", "unless_there_of", "over", "over_of", "update"}
_NEW = _MAKERS - {"update"}
#: they describe the tables, and write into none
_DESCRIBES = ("schema", "inventory", "migrations")


@dataclass
class Write:
    """A statement that writes. columns: those that stand with it. open: others may come from elsewhere."""

    table: str
    module: str
    new: bool
    columns: set[str] = field(default_factory=set)
    open: bool = False


class Written:
    """What a tree of sources writes. texts: path below the repository -> what stands there."""

    def __init__(self, texts: Mapping[str, str], tables: Mapping[str, Table]) -> None:
        self.texts, self.tables = texts, tables
        self.modules = {
            name: read(name, text, tuple(tables))
            for path, text in texts.items()
            for name in [path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")]
            if path.endswith(".py") and not any(part.startswith(_DESCRIBES) for part in name.split(".")[2:])
        }
        templates = {path.rpartition("/")[2]: text for path, text in texts.items() if path.endswith(".html")}
        self._words = Words(self.modules, templates)
        self._users: dict[str, set[str]] = defaultdict(set)
        for one in self.modules.values():
            for used in self._uses(one):
                self._users[used].add(one.name)

    @classmethod
    def by(cls, repo: Path, tables: Mapping[str, Table]) -> Written:
        """The server as it is."""
        files = sorted(one for ending in ("*.py", "*.html") for one in (repo / "server").rglob(ending))
        return cls({one.relative_to(repo).as_posix(): one.read_text() for one in files}, tables)

    def but(self, path: str, old: str, new: str) -> Written:
        """The same with this text, which stands there once, another."""
        assert self.texts[path].count(old) == 1, f"{old!r} stands {self.texts[path].count(old)} times in {path}"
        return Written({**self.texts, path: self.texts[path].replace(old, new)}, self.tables)

    def _uses(self, one: Module) -> set[str]:
        both = {
            f"{where}.{what}" if f"{where}.{what}" in self.modules else where for where, what in one.imports.values()
        }
        return both & self.modules.keys()

    @cached_property
    def writes(self) -> list[Write]:
        """Every statement that writes."""
        found: list[Write] = []
        #: (module, function) -> whether an INSERT, of a function that writes into a table that is given to it
        given: dict[tuple[str, str], bool] = {}
        more = True
        while more:
            before = len(given)
            found = [one for module in self.modules.values() for one in self._of(module, given)]
            more = len(given) != before
        return found

    def _of(self, module: Module, given: dict[tuple[str, str], bool]) -> Iterator[Write]:
        for node in module.calls:
            targets, new = self._targets(module, node, given)
            for target in targets:
                tables = {table} if (table := module.table(target)) else self._followed(module, target, new, given)
                columns, is_open = _columns(module, node)
                # `upsert`'s: what is there already gets other columns than what is new.
                upserts = new and isinstance(node.func, ast.Attribute | ast.Name) and bool(node.args)
                for table in tables:
                    yield Write(table, module.name, new, columns, is_open or upserts)
        for node in module.nodes:
            if isinstance(node, ast.JoinedStr) and ast.unparse(node).startswith(("f'INSERT INTO {", 'f"INSERT INTO {')):
                for table in module.named(node):
                    yield Write(table, module.name, new=True, open=True)

    def _targets(
        self, module: Module, node: ast.Call, given: Mapping[tuple[str, str], bool]
    ) -> tuple[list[ast.expr], bool]:
        """What a call writes into, and whether by INSERT."""
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in ("insert", "update") and not node.args:
            return [called.value], called.attr == "insert"
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        if name in _MAKERS:
            return [one for one in node.args[:2] if not isinstance(one, ast.Constant)], name in _NEW
        where = (module.name, name)
        if where not in given and name in module.imports:
            where = module.imports[name]
        elif where not in given and isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            above, below = module.imports.get(called.value.id, ("", ""))
            where = (f"{above}.{below}", name)
        if where in given:
            return [*node.args, *(one.value for one in node.keywords)], given[where]
        return [], False

    def _followed(self, module: Module, target: ast.expr, new: bool, given: dict[tuple[str, str], bool]) -> set[str]:
        """The tables that a variable stands for; of a parameter, its function is one that is given a table."""
        name = next((one.id for one in ast.walk(target) if isinstance(one, ast.Name)), "")
        for function in module.above(target):
            if not isinstance(function, ast.FunctionDef):
                continue
            every = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            annotated = {one.arg: ast.unparse(one.annotation) for one in every if one.annotation is not None}
            if annotated.get(name) == "Table":
                key = (module.name, function.name)
                given[key] = given.get(key, False) or new
                return set()
            found = self._all_of(module) if annotated.get(name) == "Kind" else set()
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and any(_binds(one, name) for one in node.targets):
                    found |= self._in(module, node.value)
                    of = {one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)}
                    found |= self._all_of(module) if "Kind" in {annotated.get(one) for one in of} else set()
                elif isinstance(node, ast.For | ast.comprehension) and _binds(node.target, name):
                    found |= self._in(module, node.iter)
            if found:
                return found
        return set()

    def _in(self, module: Module, node: ast.AST) -> set[str]:
        """The tables in an expression, or in the module's own constants that it names."""
        found = module.named(node)
        names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        for one in module.tree.body:
            targets = (
                one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
            )
            if any(isinstance(target, ast.Name) and target.id in names for target in targets):
                found |= module.named(one)
        return found

    def _all_of(self, module: Module) -> set[str]:
        """The tables of a module's list of kinds: `Kind(table=...)`."""
        return {
            found
            for node in module.nodes
            if isinstance(node, ast.keyword) and node.arg == "table" and (found := module.table(node.value))
        }

    @cached_property
    def inserted(self) -> set[str]:
        """The tables into which something is inserted."""
        return {one.table for one in self.writes if one.new}

    def columns(self, table: str) -> set[str]:
        """The columns of this table that something writes."""
        mine = [one for one in self.writes if one.table == table]
        found = {name for one in mine for name in one.columns}
        for module in {one.module for one in mine if one.open}:
            for name in self.near(module):
                found |= self.modules[name].keys
        return found & set(self.tables[table].c.keys())

    def near(self, module: str) -> set[str]:
        """A module, those that it uses, and those that use it."""
        return {module} | self._users[module] | self._uses(self.modules[module])

    def puts(self, table: str, word: str) -> bool:
        """Whether some module about this table holds the word where it could be written: not only compared with, listed
        among others, or explained."""
        return any(word in self._words.said[name] for name in self._about(table))

    def _about(self, table: str) -> set[str]:
        """The modules that write a table, and whoever they and their users deal with: from a form to its statement."""
        found = {one.module for one in self.writes if one.table == table}
        for _ in range(3):
            found = {near for name in found for near in self.near(name)}
        return found


def _binds(target: ast.AST, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(target))


def _columns(module: Module, node: ast.Call) -> tuple[set[str], bool]:
    """The columns that stand with a statement, and whether others come from elsewhere."""
    at: ast.AST = node
    for above in module.above(node):
        if not isinstance(above, ast.Attribute | ast.Call) or (isinstance(above, ast.Call) and above.func is not at):
            break
        at = above
        if isinstance(above, ast.Call) and isinstance(above.func, ast.Attribute) and above.func.attr == "values":
            plain = {one.arg for one in above.keywords if one.arg}
            return plain, bool(above.args) or any(one.arg is None for one in above.keywords)
    return set(), True
