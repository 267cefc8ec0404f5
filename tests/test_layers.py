"""The floors of the house: a module imports from lower ones or from its own package, and little from outside."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faultserver import run_pdl

import pdl

HOME = Path(pdl.__file__).parent

FLOORS = (
    # the ground: values and checks
    {"_version", "errors", "patterns"},
    {"model"},
    {"kinds", "spans"},
    {"apart", "decompressors", "descriptors", "settings", "url"},
    # each knows nothing of the others
    {"logins", "naming", "networks", "proxies", "progress", "resolver", "retry", "sources", "storage"},
    # decisions
    {"paths", "http"},
    {"outage", "recall", "verification"},
    {"task"},
    {"intake", "scheduler"},
    # what carries them out
    {"engines"},
    {"held", "status", "summary", "unchecked"},
    {"demo", "output", "run"},
    {"report"},
    # the faces
    {"api", "interrupts", "voice"},
    {"comparing", "reporting"},
    {"contest"},
    {"cli"},
    {"__init__", "__main__"},
)
"""Modules and packages from the lowest floor to the highest; those of one floor don't import each other."""

OUTSIDE = {
    "pdl.cli": {"click"},
    "pdl.contest": {"click"},
    "pdl.decompressors": {"zstandard"},
    "pdl.engines.adapter": {"requests", "urllib3"},
    "pdl.engines.curl.carriage": {"pycurl"},
    "pdl.engines.curl.engine": {"pycurl"},
    "pdl.engines.curl.faults": {"pycurl"},
    "pdl.engines.curl.handles": {"pycurl"},
    "pdl.engines.curl.inquiries": {"pycurl"},
    "pdl.engines.curl.loop": {"pycurl"},
    "pdl.engines.curl.names": {"pycurl"},
    "pdl.engines.curl.stages": {"pycurl"},
    "pdl.engines.curl.watch": {"pycurl"},
    "pdl.engines.fetch": {"requests", "urllib3"},
    "pdl.engines.gevent": {"gevent"},
    "pdl.engines.pools": {"urllib3"},
    "pdl.http.routes": {"certifi"},
    "pdl.progress.meter": {"tqdm"},
    "pdl.report.about": {"psutil", "pycurl"},
    "pdl.report.drawing": {"matplotlib"},
    "pdl.report.laboratory": {"psutil"},
    "pdl.report.page": {"jinja2", "markupsafe"},
    "pdl.report.watch": {"psutil"},
    "pdl.voice": {"click"},
    "pdl.url": {"idna"},
}
"""The libraries that a module imports."""

LIBRARIES = set().union(*OUTSIDE.values()) - {"click"}
HEAVY = LIBRARIES | {"sqlite3", "ssl"}
"""What costs time to import, and is loaded only when it is used."""


class Import(NamedTuple):
    """One import in a module.

    Args:
        module: where it stands.
        target: what is imported, by its full name.
        line: its line.
    """

    module: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}: imports {self.target}"


def modules() -> dict[str, Path]:
    """Every module of pdl by its full name; packages by that of their folder."""
    found = {}
    for path in HOME.rglob("*.py"):
        parts = ["pdl", *path.relative_to(HOME).with_suffix("").parts]
        found[".".join(parts[:-1] if len(parts) > 2 and parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(module: str) -> Iterator[Import]:
    """All imports of a module, those inside of functions and for type checkers included."""
    path = MODULES[module]
    package = module.rpartition(".")[0] if path.stem != "__init__" or module == "pdl.__init__" else module
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", None) == "import_module":
            if isinstance(node.args[0], ast.Constant):
                yield Import(module, str(node.args[0].value), node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, [base, node.module]))
            for alias in node.names:
                name = f"{source}.{alias.name}"
                yield Import(module, name if name in MODULES else source, node.lineno)


def room(module: str) -> str:
    """The entry of `FLOORS` that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


EVERY_IMPORT = [each for module in sorted(MODULES) for each in imports(module)]


def test_every_module_has_its_floor_and_every_floor_its_modules():
    placed = [name for rooms in FLOORS for name in rooms]
    assert len(placed) == len(set(placed))
    assert set(placed) == {room(module) for module in MODULES}


def test_a_module_imports_from_lower_floors_and_from_its_own_package_only():
    wrong = [
        str(each)
        for each in EVERY_IMPORT
        if each.target.split(".")[0] == "pdl"
        and room(each.target) != room(each.module)
        and floor(each.target) >= floor(each.module)
    ]
    assert not wrong


def test_the_imports_that_are_looked_at_are_those_of_python():
    found = {(each.module, each.target) for each in EVERY_IMPORT}
    assert ("pdl.model", "pdl.errors") in found
    assert ("pdl.run", "pdl.engines") in found  # from . import engines
    assert ("pdl.http.transfer", "pdl.storage.part") in found  # from pdl.storage.part import PartFile
    assert ("pdl.engines.fetch", "pdl.engines.leash") in found  # from .leash import Leash
    assert ("pdl.cli", "pdl.run") in found  # inside of a function
    assert ("pdl.__init__", "pdl.api") in found  # for type checkers


def test_packages_have_no_circles_inside():
    above: dict[str, set[str]] = {}
    for each in EVERY_IMPORT:
        if each.target in MODULES and each.target != each.module:
            above.setdefault(each.module, set()).add(each.target)
    while above:
        free = {module for module in above if not above[module] & above.keys()}
        assert free, f"these import each other in a circle: {sorted(above)}"
        for module in free:
            del above[module]


def test_libraries_are_imported_only_where_they_are_needed():
    found: dict[str, set[str]] = {}
    for each in EVERY_IMPORT:
        library = each.target.split(".")[0]
        if library not in sys.stdlib_module_names | {"pdl", "compression"}:  # the latter from Python 3.14 on
            found.setdefault(each.module, set()).add(library)
    assert found == OUTSIDE


def test_what_is_decided_about_http_is_decided_without_sockets():
    wrong = [
        str(each)
        for each in EVERY_IMPORT
        if room(each.module) in ("http", "scheduler", "retry")
        and each.target.split(".")[0]
        in ("socket", "ssl", "http", "select", "selectors", "asyncio", "threading", "time")
    ]
    assert not wrong


def loaded(code: str) -> set[str]:
    """The modules that some code loads into a fresh Python."""
    program = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=HOME.parent, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split("\n"))


@pytest.mark.parametrize("code", ["import pdl", "import pdl; pdl.Settings(), pdl.Download('http://h/'), pdl.Kind"])
def test_importing_pdl_loads_no_library(code: str):
    found = loaded(code)
    assert "pdl" in found
    assert not {name.split(".")[0] for name in found} & (HEAVY | {"click"})


def test_the_whole_library_is_there_without_the_engines_libraries():
    found = loaded("from pdl import *")
    assert "pdl.run" in found
    assert not {name.split(".")[0] for name in found} & LIBRARIES


def test_telling_the_version_loads_nothing_that_downloads():
    done = run_pdl("--version", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 0
    found = {
        line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")
    }
    assert "pdl.cli" in found
    assert not {name.split(".")[0] for name in found} & HEAVY
