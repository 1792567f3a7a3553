"""Who calls whom in Python source, by its syntax alone: definitions, imports, base classes."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Definition:
    """A function, a method or a class, with names as its module writes them, but for imports."""

    doc: str  # as it stands, "" if there is none
    module: str
    calls: list[str] = field(default_factory=list)  # of public documented functions only
    bases: list[str] = field(default_factory=list)


@dataclass
class Source:
    """What modules define (``pkg.mod.Class.f``), and what the names in them stand for."""

    defined: dict[str, Definition] = field(default_factory=dict)
    names: dict[str, dict[str, str]] = field(default_factory=dict)  # module to {name: dotted name}
    stars: dict[str, list[str]] = field(default_factory=dict)  # module to its ``import *``
    _known: dict[str, str] = field(default_factory=dict)

    def add(self, parts: Sequence[str], tree: ast.Module) -> None:
        """Read one module, by the parts of its path."""
        here = parts[:-1]  # where relative imports begin
        module = ".".join(here if parts[-1] == "__init__" else parts)
        self.names[module], self.stars[module] = {}, []
        for owner, node in _statements(tree.body):
            if isinstance(node, Function | ast.ClassDef):
                entry = Definition(ast.get_docstring(node, clean=False) or "", module)
                if isinstance(node, ast.ClassDef):
                    entry.bases = [f"{module}.{name}" for b in node.bases if (name := _dotted(b))]
                elif entry.doc and not node.name.startswith("_") and not owner.startswith("_"):
                    entry.calls = [*_calls(node, module, owner, here)]
                path = ".".join(filter(None, [module, owner, node.name]))
                self.defined.setdefault(path, entry)
            elif not owner:
                for name, target in _imports(node, here):
                    if name == "*":
                        self.stars[module].append(target)
                    else:
                        self.names[module][name] = target

    def resolve(self, name: str) -> str:
        """The name under which ``name`` is defined, through imports and bases; "" if unknown."""
        if name in self.defined:
            return name
        if name not in self._known:
            self._known[name] = ""  # stands while it is looked up: circles end here
            self._known[name] = next(filter(None, map(self.resolve, self._next(name))), "")
        return self._known[name]

    def _next(self, name: str) -> list[str]:
        """What ``name`` may stand for, one import or base class further."""
        parts = name.split(".")
        if len(parts) > 12:  # an import of what is not there can make names grow
            return []
        for i in range(len(parts) - 1, 0, -1):
            head, rest = ".".join(parts[:i]), ".".join(parts[i:])
            if head in self.defined:  # perhaps inherited
                bases = filter(None, map(self.resolve, self.defined[head].bases))
                return [f"{base}.{rest}" for base in bases]
            if head in self.names:
                first, dot, further = rest.partition(".")
                if first in self.names[head]:
                    return [self.names[head][first] + dot + further]
                return [f"{star}.{rest}" for star in self.stars[head] if star in self.names]
        return []


def _statements(body: Iterable[ast.stmt], owner: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """Class (or "") and statement; those under ``if`` and ``try`` included, no inner classes."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _statements([*node.body, *node.orelse], owner)
            for handler in getattr(node, "handlers", ()):
                yield from _statements(handler.body, owner)
        elif not (owner and isinstance(node, ast.ClassDef)):
            yield owner, node
            if isinstance(node, ast.ClassDef):
                yield from _statements(node.body, node.name)


def _calls(node: Function, module: str, owner: str, here: Sequence[str]) -> Iterator[str]:
    """Dotted names that a function calls, each once; those of local variables left out."""
    inside = [inner for statement in node.body for inner in ast.walk(statement)]
    imported = dict(pair for inner in inside for pair in _imports(inner, here))
    bound = {i.arg for i in (*ast.walk(node.args), *inside) if isinstance(i, ast.arg)}
    bound |= {i.name for i in inside if isinstance(i, Function | ast.ClassDef)}
    bound |= {i.id for i in inside if isinstance(i, ast.Name) and isinstance(i.ctx, ast.Store)}
    called = dict.fromkeys(_dotted(i.func) for i in inside if isinstance(i, ast.Call))
    for call in filter(None, called):
        first, dot, rest = call.partition(".")
        if owner and dot and first in ("self", "cls"):
            yield f"{module}.{owner}.{rest}"
        elif first in imported:
            yield imported[first] + dot + rest
        elif first not in bound:
            yield f"{module}.{call}"


def _dotted(node: ast.expr) -> str:
    """``a.b.c`` for such an expression, "" for any other."""
    if isinstance(node, ast.Attribute):
        head = _dotted(node.value)
        return head and f"{head}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _imports(node: ast.AST, here: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and the dotted name for which it stands, of an import; ``*`` stands for a module."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.split(".")[0]
            yield alias.asname or first, alias.name if alias.asname else first
    elif isinstance(node, ast.ImportFrom):  # each dot after the first goes up one package
        parent = here[: len(here) - node.level + 1] if node.level else []
        origin = ".".join([*parent, *filter(None, [node.module])])
        for alias in node.names:
            target = origin if alias.name == "*" else f"{origin}.{alias.name}"
            yield alias.asname or alias.name, target
