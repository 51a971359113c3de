# SPDX-License-Identifier: MIT
"""The rooms of the Python package: who may import whom, and which modules stand where.

An arrow leads from a module to every module of ours that it imports, at its top or inside a
function; imports under `if TYPE_CHECKING:` are not arrows. `from package import name` is an arrow
to the module `package.name` where there is one, else to the package's `__init__`. Two things are
not arrows: that Python runs the `__init__` of every package above an imported module, and
`import_module` of a computed name (`headrace.__getattr__`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).resolve().parents[2] / "pysrc"

# What a site names in its settings, its URLs or its imports; everything else has a folder.
FLAT = set(
    """
    __init__ apps checks conf cookies http middleware request_id site
    auth background channels drf health inbox logout metrics ninja progress
    """.split()
)
FOLDERS = {
    "analytics",
    "database",
    "idempotency",
    "identity",
    "kept",
    "locale",
    "management",
    "measure",
    "operate",
    "reports",
}

# Modules outside of headrace/django/ that stand on top of it; all others are below it.
ON_TOP = {
    "headrace.__main__",
    "headrace.celery",
    "headrace.pytest_plugin",
    "headrace.sentry",
    "headrace.testing",
}

# Folders whose modules import nothing of the site: the site and all that is above use them.
BELOW_THE_SITE = ("headrace.django.identity.",)

Sources = dict[str, str]  # by the module's dotted name; "….__init__" for a package
Arrows = dict[str, set[str]]


def sources() -> Sources:
    return {
        ".".join(path.relative_to(PACKAGES).with_suffix("").parts): path.read_text()
        for path in sorted((PACKAGES / "headrace").rglob("*.py"))
    }


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import of a file, except those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from imports(ast.Module([other], []))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        else:
            yield from imports(node)


def arrows(modules: Sources) -> Arrows:
    """Which modules each module imports; packages by their own name."""
    plain = {name.removesuffix(".__init__") for name in modules}
    found: Arrows = {}
    for name, text in modules.items():
        module = name.removesuffix(".__init__")
        package = name.rpartition(".")[0]
        targets: set[str] = set()
        for node in imports(ast.parse(text)):
            if isinstance(node, ast.Import):
                targets.update(alias.name for alias in node.names)
                continue
            base = node.module or ""
            if node.level:
                above = package.split(".")
                above = above[: len(above) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                targets.add(whole if whole in plain else base)
        found[module] = (targets & plain) - {module}
    return found


def cycles(graph: Arrows) -> list[list[str]]:
    """The groups of modules that import each other, directly or on a way round (Tarjan)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in number:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], number[other])
        if lowest[module] == number[module]:
            group = stack[stack.index(module) :]
            del stack[-len(group) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in graph:
        if module not in number:
            visit(module)
    return found


def into_django(graph: Arrows) -> list[str]:
    """Arrows from below into headrace/django/, or from a folder below the site into it."""
    wrong = []
    for module, targets in sorted(graph.items()):
        inside = sorted(other for other in targets if f"{other}.".startswith("headrace.django."))
        if f"{module}.".startswith("headrace.django."):
            if module.startswith(BELOW_THE_SITE) and "headrace.django.site" in targets:
                wrong.append(f"{module} imports headrace.django.site, which is above it")
        elif inside and module not in ON_TOP:
            wrong.append(f"{module} imports {', '.join(inside)}")
    return wrong


def misplaced(modules: Sources) -> list[str]:
    """Modules and folders of headrace/django/ that have no place there."""
    wrong = []
    for name in modules:
        path = name.split(".")
        if path[:2] != ["headrace", "django"]:
            continue
        if len(path) == 3 and path[2] not in FLAT:
            wrong.append(f"{name} is flat: no site names it, so it belongs into a folder")
        elif len(path) > 3 and path[2] not in FOLDERS:
            wrong.append(f"{name} is in a folder that is not in the list")
    apps = {name.removesuffix(".apps") for name in modules if name.endswith(".apps")}
    wrong += [
        f"{app}.tasks: Celery's autodiscovery imports it"
        for app in sorted(apps)
        if {f"{app}.tasks", f"{app}.tasks.__init__"} & set(modules)
    ]
    return wrong


def test_no_module_imports_one_that_imports_it() -> None:
    assert cycles(arrows(sources())) == []


def test_what_is_below_django_imports_nothing_of_it() -> None:
    assert into_django(arrows(sources())) == []


def test_each_module_of_django_is_in_its_place() -> None:
    assert misplaced(sources()) == []


# --- planted faults ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("headrace._front", "import headrace.wsgi"),
        ("headrace._celery", "def f():\n    from headrace._exit import close_all"),
        ("headrace.consume.lag", "from headrace.consume import Consumer"),
        ("headrace.consume.group", "from .turn import Consumer"),
        ("headrace.consume.entry", "from . import turn"),
        ("headrace.django.measure.statements", "from headrace.django.measure import queries"),
        ("headrace.django.measure.timing", "from headrace.django import emit"),
        ("headrace.django.drf", "if True:\n    from headrace.django import auth"),
        ("headrace.django.measure.observe", "from headrace import celery"),
    ],
)
def test_a_planted_import_back_is_found(name: str, text: str) -> None:
    modules = sources()
    modules[name] += f"\n{text}\n"
    assert [name in group for group in cycles(arrows(modules))] == [True]


def test_an_import_for_types_alone_is_none() -> None:
    modules = sources()
    text = "if TYPE_CHECKING:\n    import headrace.wsgi\nelse:\n    import headrace.asgi\n"
    modules["headrace._rings"] += text
    assert arrows(modules)["headrace._rings"] == {"headrace", "headrace.asgi"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("headrace.consume.turn", "from headrace.django.operate.redis import client"),
        ("headrace.metrics", "from headrace import django"),
        ("headrace.wsgi", "def f():\n    from headrace.django.conf import read"),
        ("headrace.django.identity.user", "from headrace.django.site import configured"),
    ],
)
def test_a_planted_import_of_what_is_above_is_found(name: str, text: str) -> None:
    modules = sources()
    modules[name] += f"\n{text}\n"
    (wrong,) = into_django(arrows(modules))
    assert wrong.startswith(name)


@pytest.mark.parametrize(
    "name",
    [
        "headrace.django.queries",
        "headrace.django.odds.ends",
        "headrace.django.odds.__init__",
        "headrace.django.analytics.tasks",
        "headrace.django.idempotency.tasks.__init__",
    ],
)
def test_a_planted_module_is_found(name: str) -> None:
    modules = {**sources(), name: "", "headrace.django.idempotency.apps": ""}
    assert len(misplaced(modules)) == 1
