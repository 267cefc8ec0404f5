"""The table of faults is made of what passed, names all that is missing, and points to tests that exist."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fault_table import COMMAND, DIFFERENCES, ROWS, Seen, table

TESTS = Path(__file__).parent
ENGINES = ["slow", "fast"]


def document() -> str:
    return (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")


def rows(text: str) -> dict[int, list[str]]:
    """The cells behind the number of each row."""
    found = (re.split(r"\s*\|\s*", line)[1:-1] for line in text.splitlines() if re.match(r"\| \d", line))
    return {int(number): cells for number, *cells in found}


def named(cell: str) -> list[tuple[str, str]]:
    """File and function of the tests in the last cell of a row."""
    found = (line.partition(": ") for line in cell.split("<br>") if line)
    return [(file, name) for file, _, names in found for name in re.findall(r"`([^`]*)`", names)]


# the document


def test_the_document_has_every_row_in_its_words():
    told = {number: tuple(cells[:2]) for number, cells in rows(document()).items()}
    assert told == {number: (row.fault, row.outcome) for number, row in ROWS.items()}
    assert list(ROWS) == list(range(1, 61))


def test_the_document_says_how_it_is_made():
    assert COMMAND in document()


def test_each_test_that_the_document_names_exists():
    files: dict[str, set[str]] = {}
    for cells in rows(document()).values():
        for file, name in named(cells[3]):
            if file not in files:
                tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
                files[file] = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            assert name in files[file], f"{file} has no {name}"
    assert len(files) > 10


def test_the_readme_has_the_differences_between_engines():
    section = (TESTS.parent / "README.md").read_text(encoding="utf-8").partition("docs/faults.md")[2]
    told = {number: cells for number, cells in rows(section.partition("\n## ")[0]).items() if number in ROWS}
    assert told == {number: [*rest] for number, *rest in DIFFERENCES}


# how it is made


def seen(row: int, engine: str | None, test: str = "tests/a.py::test_x") -> Seen:
    return Seen((row,), engine, test)


def everything(*but: int) -> list[Seen]:
    """Every row seen on every engine, but for some."""
    on = {"all": ENGINES}
    return [seen(n, each) for n, row in ROWS.items() if n not in but for each in on.get(row.engines, ["processes"])]


def test_what_was_seen_on_all_engines_is_met_everywhere():
    text, faults = table(everything(), ENGINES)
    assert faults == []
    assert {cells[2] for cells in rows(text).values()} == {
        "all", "processes", "engine-independent", f"later: {ROWS[56].later}",
    }  # fmt: skip
    assert rows(text)[1][3] == "a.py: `test_x`"


def test_a_row_that_was_not_seen_is_missing():
    text, faults = table(everything(7), ENGINES)
    assert rows(text)[7][2:] == ["**missing**", ""]
    assert faults == [f"row 7 ({ROWS[7].fault}): **missing**"]


def test_a_row_that_was_not_seen_on_every_engine_is_missing_on_the_others():
    text, faults = table([*everything(7), seen(7, "fast")], ENGINES)
    assert rows(text)[7][2] == "**missing on slow**"
    assert len(faults) == 1


def test_a_test_that_is_about_no_engine_shows_nothing_of_any():
    _, faults = table([*everything(7), seen(7, None)], ENGINES)
    assert faults == [f"row 7 ({ROWS[7].fault}): **missing on slow, fast**"]


def test_an_engine_that_cannot_be_used_here_is_not_missed():
    only_fast = [each for each in everything() if each.engine != "slow"]
    assert table(only_fast, ["fast"])[1] == []


def test_a_test_with_many_variants_is_named_once_below_its_file():
    others = [seen(7, "slow", "tests/b.py::test_z"), seen(7, "fast", "tests/a.py::test_y")]
    text, _ = table([*everything(), *everything(), *others], ENGINES)
    assert named(rows(text)[7][3]) == [("a.py", "test_x"), ("a.py", "test_y"), ("b.py", "test_z")]


SUITE = """
    import pytest

    @pytest.mark.fault(46)
    @pytest.mark.parametrize("number", range(3))
    def test_passes(number):
        pass

    @pytest.mark.fault(1, 2)
    @pytest.mark.parametrize("engine_name", ["sequential", "curl"])
    def test_is_about_engines(engine_name):
        assert engine_name == "curl"

    @pytest.mark.fault(3)
    def test_is_skipped():
        pytest.skip("not here")

    @pytest.fixture
    def breaks():
        yield
        raise ValueError

    @pytest.mark.fault(46)
    def test_breaks_at_its_end(breaks):
        pass
"""


@pytest.fixture
def run(tmp_path: Path):
    """Runs a suite of tests with the table's plugin, in a process of its own."""

    def run(suite: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_suite.py").write_text(textwrap.dedent(suite))
        (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = fault(row): covers it\n")
        # without a base of its own it would remove what earlier suites have left, for as long as that takes
        base = f"--basetemp={tmp_path / 'base'}"
        command = [sys.executable, "-m", "pytest", "-p", "fault_table", "-q", base, *arguments]
        path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )

    return run


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_table_is_written_after_the_run_wherever_its_tests_ran(run, tmp_path: Path, workers: str):
    done = run(SUITE, "-n", workers, "--fault-table", "below/faults.md")
    told = rows((tmp_path / "below" / "faults.md").read_text(encoding="utf-8"))
    assert told[46][2:] == ["engine-independent", "test_suite.py: `test_passes`"]
    assert told[1][2].startswith("**missing on sequential")
    assert named(told[1][3]) == named(told[2][3]) == [("test_suite.py", "test_is_about_engines")]
    assert told[3][2] == "**missing**"
    assert f"row 3 ({ROWS[3].fault}): **missing**" in done.stdout
    assert done.returncode == 1


def test_a_run_that_passes_fails_if_a_row_is_missing(run):
    suite = SUITE[: SUITE.index("    @pytest.mark.fault(1, 2)")]
    assert run(suite).returncode == 0
    assert run(suite, "--fault-table", "faults.md").returncode == 1


def test_a_row_that_there_is_none_of_is_refused(run):
    done = run(SUITE.replace("fault(46)", "fault(61)"))
    assert done.returncode != 0
    assert "covers rows that there are none of: {61}" in done.stdout + done.stderr
