"""What the documents say is what the program does."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from faultserver import FaultServer

import pdl
from pdl import cli, engines, naming, output, retry, scheduler
from pdl.demo import PRESETS, Knobs
from pdl.errors import Kind
from pdl.model import Download, Reason, Status
from pdl.settings import Layout, Settings
from pdl.sources import lines, open_source
from pdl.summary import Summary

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
TESTS = "python -m pytest"


def section(title: str, text: str = README) -> str:
    """What stands below a heading, up to the next one."""
    return re.split(r"^##? ", text.split(f"## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> list[list[list[str]]]:
    """The tables of a text: their rows' cells, without the heads."""
    blocks = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [[re.split(r"\s*\|\s*", row)[1:-1] for row in block.splitlines()[2:]] for block in blocks]


def blocks(language: str) -> list[str]:
    """The code of one language in the README."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def marked(cell: str) -> list[str]:
    """What a cell has in backticks."""
    return re.findall(r"`([^`]*)`", cell)


# -- options


def options() -> list[click.Option]:
    """All options of the command."""
    context = click.Context(cli.command, **cli.command.context_settings)
    return [each for each in cli.command.get_params(context) if isinstance(each, click.Option)]


def is_face(option: click.Option) -> bool:
    """Whether an option is none of a job."""
    return option.name in cli.FACE or "--help" in option.opts  # click's own name for that varies


def job_options() -> dict[str, frozenset[str]]:
    """The options of a job by the field of `Settings`."""
    return {str(each.name): frozenset(each.opts) for each in options() if not is_face(each)}


def test_settings_the_command_and_the_readme_have_the_same_options() -> None:
    told = {marked(field)[0]: frozenset(marked(names)) for names, field, *_ in tables(section("Options"))[0]}
    assert told == job_options()
    assert list(told) == [field.name for field in fields(Settings)]


def test_the_readme_has_the_defaults_of_the_settings() -> None:
    defaults = Settings()
    for _, field, told, _ in tables(section("Options"))[0]:
        default = getattr(defaults, marked(field)[0])
        nothing = default is None or default is False or default == ()
        assert told == ("" if nothing else f"`{default}`".replace(pdl.__version__, "VERSION")), field


def test_the_readme_has_the_options_of_the_command_alone() -> None:
    told = [frozenset(marked(names)) for names, _ in tables(section("Options"))[1]]
    assert told == [frozenset(each.opts) for each in options() if is_face(each)]


def test_the_readme_has_the_presets_and_the_knobs_of_the_demo() -> None:
    presets, knobs = (list(chain(*(marked(row[0]) for row in each))) for each in tables(section("As a command")))
    assert presets == list(PRESETS)
    assert knobs == [field.name for field in fields(Knobs)]
    (row,) = [told for names, told in tables(section("Options"))[1] if "`--preset`" in names]
    assert marked(row)[1:] == list(PRESETS)


def test_every_option_that_is_mentioned_exists() -> None:
    known = {"--force-reinstall", *chain.from_iterable(each.opts for each in options())}  # the first is pip's
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "pdl").rglob("*.py"))
    messages = re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", "\n".join(re.findall(r'"[^"\n]*"', code)))
    in_documents = re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", README + CHANGELOG)
    assert set(messages) | set(in_documents) <= known


# -- failures, exit codes, results


def test_the_readme_has_every_kind_of_failure() -> None:
    assert [marked(kind)[0] for kind, *_ in tables(section("Failures"))[0]] == [kind.value for kind in Kind]


@pytest.mark.parametrize("row", tables(section("Failures"))[0], ids=lambda row: marked(row[0])[0])
def test_the_readme_says_what_is_tried_again(row: list[str]) -> None:
    kind, _, told = row
    assert told.startswith("yes" if retry.RETRIES[Kind(marked(kind)[0])] else "no")


def test_the_readme_has_the_statuses_that_are_tried_again() -> None:
    row = next(row for row in tables(section("Failures"))[0] if row[0] == "`http`")
    assert {int(status) for status in re.findall(r"\d{3}", row[2])} == retry.RETRIED_STATUSES
    sentence = section("Retries and hosts").split("statuses", 1)[1].split(".", 1)[0]
    assert {int(status) for status in re.findall(r"\d{3}", sentence)} == retry.RETRIED_STATUSES


def summary(**changed: Any) -> Summary:
    """A run of three entries that are done, but for what is changed."""
    values: dict[str, Any] = {
        "read": 3, "done": 3, "skipped": 0, "failed": 0, "left": 0, "skipped_by_reason": {}, "failed_by_kind": {},
        "size": 0, "seconds": 0.0, "failures": (),
    }  # fmt: skip
    return Summary(**(values | changed))


def test_the_readme_has_the_exit_codes_in_their_order() -> None:
    codes = [int(code) for code, _ in tables(section("Exit codes"))[0]]
    assert codes == [0, 1, 2, 3, 4, 5, 6, 129, 130, 143]
    wrong, other = {"digest": 1}, {"dns": 3}
    assert summary().exit_code == 0
    assert summary(done=2, failed=1, failed_by_kind={"dns": 1}).exit_code == 3
    assert summary(done=0, failed=3, failed_by_kind=other).exit_code == 4
    assert summary(done=0, failed=3, failed_by_kind=wrong | other).exit_code == 6
    assert summary(done=0, failed=3, failed_by_kind=wrong | other, stopped="deadline").exit_code == 5
    assert summary(done=0, failed=3, failed_by_kind=wrong | other, stopped="disk-full").exit_code == 5
    assert "signal, 1, 5, 6, 4, 3" in section("Exit codes")


def test_the_readme_has_the_fields_of_json() -> None:
    told = {marked(field)[0]: text for field, text in tables(section("Progress and output"))[0]}
    assert tuple(told) == output._FIELDS
    assert marked(told["status"]) == list(get_args(Status))
    assert marked(told["reason"]) == list(get_args(Reason))


# -- engines, names, numbers


def test_the_readme_has_every_built_in_engine() -> None:
    told = {marked(name)[0]: text for name, text, *_ in tables(section("Which engine"))[0]}
    assert told.keys() == engines._BUILT_IN.keys()
    assert "`auto`" in told[engines.choose("auto").name]


def test_the_readme_has_every_layout_with_the_path_that_it_gives() -> None:
    text = section("Names")
    url = marked(text.split("| layout |", 1)[1].split("\n", 1)[0])[0]
    told = {marked(layout)[0]: marked(path)[0] for layout, _, path in tables(text)[0]}
    assert tuple(told) == get_args(Layout)
    entry = Download(url)
    assert told == {layout: naming.Naming(layout).path(entry, 1, naming.hash64(url)) for layout in told}


def test_the_readme_has_the_hash_that_a_name_gets() -> None:
    url, path = re.findall(r"`(https:\S+)` becomes\s+`(\S+)`", section("Names"))[0]
    assert path == naming.with_hash("photo.jpg", naming.hash64(url))


def test_the_readme_and_the_help_have_every_field_of_a_template() -> None:
    told = {field.split(":")[0] for field in re.findall(r"`\{(\w+)\}`", section("Names"))}
    assert told == set(naming._FIELDS)
    helped = next(str(each.help) for each in options() if each.name == "output")
    assert set(re.findall(r"\{(\w+)", helped)) == set(naming._FIELDS)


def test_the_readme_has_every_digest() -> None:
    assert set(re.findall(r"\b(\w+)=`", section("Lists"))) == {"name", "size", *lines.DIGEST_LENGTHS}


@pytest.mark.parametrize(
    ("title", "told"),
    [
        ("Lists", f"{lines.LONGEST:,} bytes"),
        ("Names", f"{naming._NAME_LIMIT} bytes"),
        ("Retries and hosts", f"up to {retry.LONGEST_DELAY:.0f} s"),
        ("Retries and hosts", f"up to {retry.LONGEST_RETRY_AFTER:.0f} s"),
        ("Retries and hosts", f"{scheduler.FARTHEST:,} entries"),
    ],
)
def test_the_readme_has_the_numbers_of_the_program(title: str, told: str) -> None:
    assert told in " ".join(section(title).split())


# -- examples


def test_the_commands_of_the_readme_are_understood() -> None:
    commands = [
        command
        for block in blocks("sh")
        for command in re.findall(r"(?:^|[|&] )(pdl [^|&\n]*)", block, re.MULTILINE)
    ]
    assert len(commands) >= 5
    for command in commands:
        cli.command.make_context("pdl", shlex.split(command, comments=True)[1:])


def test_the_library_examples_of_the_readme_run(
    server: FaultServer, other_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text("".join(f"{server.url(f'/{name}.png')}\n" for name in "xyz"))
    mirrored = tmp_path / "mirror" / server.origin.removeprefix("http://").partition(":")[0]
    mirrored.mkdir(parents=True)
    (mirrored / "x.png").write_bytes(b"from the mirror")
    known: dict[str, Any] = {}
    summaries = []
    for block in blocks("python"):
        code = block.replace("https://example.org", server.origin).replace(
            "https://example.com", other_server.origin
        )
        exec(compile(code, "README.md", "exec"), known)
        summaries.append(known["summary"])
    first, *_, again = summaries
    assert (first.done, first.skipped, first.failed) == (3, 0, 0)
    assert (again.done, again.skipped, again.failed) == (0, 3, 0)
    assert (known["downloads"].summary.done, known["downloads"].summary.failed) == (2, 0)
    assert (known["replayed"].done, (tmp_path / "copy" / "x.png").read_bytes()) == (1, b"from the mirror")
    assert known["result"].kind in (Kind.DIGEST, Kind.NAME)  # the example's digest is of another file
    assert {path.name for path in (tmp_path / "images").iterdir()} == {".pdl", *(f"{name}.png" for name in "abxyz")}


def sample() -> list[Any]:
    """The entries of the sample list."""
    source = open_source(ROOT / "sample_urls.txt")
    entries: list[Any] = []
    while (taken := source.take(100)) is not None:
        entries += taken
    return entries


def test_the_sample_list_is_understood() -> None:
    entries = sample()
    assert 25 <= len(entries) <= 40
    assert all(isinstance(entry, Download) for entry in entries)
    assert len({entry.url for entry in entries}) == len(entries)
    assert len({entry.url.split("/")[2] for entry in entries}) >= 6
    assert any(entry.mirrors for entry in entries)
    assert any(entry.name for entry in entries)
    assert any(entry.digest for entry in entries)


def test_the_sample_list_says_where_it_comes_from() -> None:
    head = (ROOT / "sample_urls.txt").read_text(encoding="ascii").split("https://", 1)[0]
    assert all(line.startswith("#") or not line for line in head.splitlines())
    assert "fetched when this list was written" in head


# -- the project


def test_the_checks_run_the_tests_as_the_readme_does() -> None:
    assert any(block.rstrip().endswith(f"&& {TESTS}") for block in blocks("sh"))
    assert re.search(rf"^ *step .* {TESTS}$", CI, re.MULTILINE)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_checks_are_a_program() -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


def test_the_checks_know_the_supported_pythons() -> None:
    supported = re.findall(r"Python :: (3\.\d+)", PROJECT)
    assert f'supported="{" ".join(supported)}"' in CI
    assert f"Python {supported[0]} to {supported[-1]}" in CONTRIBUTING
    assert f"Python {supported[0]} or newer" in README
    assert f'requires-python = ">={supported[0]}"' in PROJECT


def test_the_changelog_has_this_version() -> None:
    newest = re.findall(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE)[0]
    assert newest in ("Unreleased", pdl.__version__)


@pytest.mark.parametrize("text", [README, CONTRIBUTING, CHANGELOG], ids=["README", "CONTRIBUTING", "CHANGELOG"])
def test_what_the_documents_point_to_is_there(text: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    files = re.findall(r"`((?:benchmarks|tests|pdl|http|engines)/[\w/]+\.py)`", text)
    for path in links + files:
        assert (ROOT / path).exists() or (ROOT / "pdl" / path).exists(), path


# -- floors


def floors() -> dict[str, int]:
    """The floor of every module and package, as CONTRIBUTING.md has them."""
    rows = tables(section("How it is built", CONTRIBUTING))[0]
    return {module: int(floor) for floor, modules, _ in rows for module in marked(modules)}


def imported(path: Path) -> Iterator[str]:
    """The modules and packages of pdl that a file imports, wherever in it."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = list(package[: len(package) - node.level + 1]) if node.level else []
            names = [[*above, *(node.module or "").split("."), alias.name] for alias in node.names]
        else:
            continue
        for name in names:
            known = [part for part in name if part]
            if known[0] == "pdl" and len(known) > 1:
                yield known[1]


FILES = sorted((ROOT / "pdl").rglob("*.py"))


def unit(path: Path) -> str:
    """The module or package below pdl that a file is, or is in."""
    return path.relative_to(ROOT / "pdl").with_suffix("").parts[0]


def test_every_module_has_its_floor() -> None:
    assert {unit(path) for path in FILES} == set(floors())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_imports_from_no_higher_floor(path: Path) -> None:
    floor = floors()
    own = unit(path)
    others = {name for name in imported(path) if name in floor and name != own}
    assert not {name for name in others if floor[name] > floor[own]}
    if floor[own] == 1:
        assert not {name for name in others if floor[name] == 1}


@pytest.mark.parametrize("heavy", ["requests", "gevent", "tqdm"])
def test_heavy_libraries_are_imported_on_their_floor_only(heavy: str) -> None:
    importing = {
        unit(path)
        for path in FILES
        if re.search(rf"^\s*(?:import|from) {heavy}\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"progress" if heavy == "tqdm" else "engines"}
