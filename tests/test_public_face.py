"""What others build on: the names of the library, and how the command answers."""

from __future__ import annotations

import importlib.resources
import inspect
import pickle
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import pdl
from pdl import cli

HEAVY = {"requests", "urllib3", "gevent", "tqdm", "sqlite3", "idna", "certifi"}


def test_the_public_names_are_these() -> None:
    assert sorted(pdl.__all__) == [
        "Comparison",
        "DestinationError",
        "Digest",
        "Download",
        "Downloads",
        "Engine",
        "EngineError",
        "EngineNotInstalledError",
        "FailuresError",
        "Kind",
        "Ledger",
        "LedgerCounts",
        "LedgerEntry",
        "PdlError",
        "Result",
        "Settings",
        "SettingsError",
        "SourceError",
        "Summary",
        "Timings",
        "UnknownEngineError",
        "__version__",
        "compare",
        "download",
        "download_all",
        "iter_downloads",
    ]


@pytest.mark.parametrize("name", pdl.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(pdl, name)
    assert getattr(value, "__module__", "pdl").partition(".")[0] == "pdl"


def test_dir_shows_the_public_names() -> None:
    assert dir(pdl) == sorted(pdl.__all__)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'pdl' has no attribute 'downlaod'"):
        pdl.downlaod  # noqa: B018 - asking for it is the test


@pytest.mark.parametrize("name", [name for name in pdl.__all__ if name.endswith("Error")])
def test_every_exception_is_a_pdl_error(name: str) -> None:
    assert issubclass(getattr(pdl, name), pdl.PdlError)


def test_errors_of_options_are_value_errors() -> None:
    assert issubclass(pdl.SettingsError, ValueError)
    assert issubclass(pdl.UnknownEngineError, pdl.SettingsError)
    assert issubclass(pdl.EngineNotInstalledError, pdl.SettingsError)


def test_the_error_for_failures_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(pdl.FailuresError(2, "2 of 3 downloads failed (dns: 2)")))
    assert (error.failed, str(error)) == (2, "2 of 3 downloads failed (dns: 2)")


@pytest.mark.parametrize(
    ("function", "positional", "by_name"),
    [
        (pdl.download_all, ["urls", "dest"], ["engine", "jobs", "progress", "settings"]),
        (pdl.iter_downloads, ["urls", "dest"], ["engine", "jobs", "progress", "settings"]),
        (pdl.download, ["url", "dest"], ["engine", "progress", "settings"]),
    ],
)
def test_the_functions_take_these_arguments(
    function: Callable[..., object], positional: list[str], by_name: list[str]
) -> None:
    parameters = inspect.signature(function).parameters.values()
    assert [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD] == positional
    assert [p.name for p in parameters if p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD)] == by_name


@pytest.mark.parametrize("function", [pdl.download_all, pdl.iter_downloads, pdl.download])
def test_the_functions_have_the_defaults_of_the_settings(function: Callable[..., object]) -> None:
    parameters = inspect.signature(function).parameters
    for name in {"dest", "engine", "jobs"} & set(parameters):
        assert parameters[name].default == getattr(pdl.Settings(), name)


@pytest.mark.parametrize("function", [pdl.download_all, pdl.iter_downloads, pdl.download])
def test_the_types_of_the_functions_can_be_resolved(function: Callable[..., object]) -> None:
    assert "return" in typing.get_type_hints(function)


def test_the_package_says_that_it_is_typed() -> None:
    assert importlib.resources.files("pdl").joinpath("py.typed").is_file()


@pytest.mark.parametrize(
    "program", ["import pdl", "from pdl import cli; cli.command.main(['--version'], standalone_mode=False)"]
)
def test_what_is_heavy_is_imported_only_when_it_is_needed(program: str) -> None:
    code = f"{program}\nimport sys; print('heavy:', *({HEAVY!r} & sys.modules.keys()))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "heavy:"


def test_the_module_is_the_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "pdl", "--version"], capture_output=True, text=True, check=True)
    assert pdl.__version__ in ran.stdout


# -- the command


class Answer(typing.NamedTuple):
    """What the command said, and the code it ended with."""

    code: object
    out: str
    err: str


@pytest.fixture
def answer(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Answer]:
    """Runs the command in an empty folder that has a list named `urls.txt`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text("http://127.0.0.1:9/a\n")

    def run(*arguments: str) -> Answer:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(arguments))
        return Answer(ended.value.code, *capfd.readouterr())

    return run


def test_help_shows_every_option_with_a_text() -> None:
    shown = CliRunner().invoke(cli.command, ["--help"]).output
    context = click.Context(cli.command, **cli.command.context_settings)
    options = [each for each in cli.command.get_params(context) if isinstance(each, click.Option)]
    assert len(options) > 20
    for option in options:
        assert all(name in shown for name in option.opts)
        assert option.help, option.name
        assert option.help.split()[0] in shown


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_ends_well(answer: Callable[..., Answer], option: str) -> None:
    code, out, err = answer(option)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: ")


def test_without_arguments_the_help_is_shown(answer: Callable[..., Answer]) -> None:
    assert answer() == answer("--help")


def test_the_version_is_shown(answer: Callable[..., Answer]) -> None:
    assert answer("--version") == Answer(0, f"pdl, version {pdl.__version__}\n", "")


def test_the_engines_are_shown(answer: Callable[..., Answer]) -> None:
    code, out, err = answer("--list-engines")
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in out.splitlines()} >= {"sequential", "threads", "gevent"}
    assert out.count("(auto)") == 1


WRONG = {
    "an unknown option": (["--nope", "urls.txt"], "--nope"),
    "an unknown engine": (["-e", "nope", "urls.txt"], "nope"),
    "workers of an engine that has none": (
        ["-e", "curl", "--workers", "2", "urls.txt"],
        "workers needs the engine",
    ),
    "an engine of workers without workers": (
        ["--worker-engine", "curl", "urls.txt"],
        "worker_engine needs the engine",
    ),
    "an unknown engine of workers": (["-e", "processes", "--worker-engine", "nope", "urls.txt"], "nope"),
    "no workers at all": (["-e", "processes", "--workers", "0", "urls.txt"], "workers"),
    "an unknown layout": (["--layout", "nope", "urls.txt"], "nope"),
    "a template with an unknown field": (["-o", "{nope}", "urls.txt"], "{nope}"),
    "a template that leads out": (["-o", "../{name}", "urls.txt"], "out of the destination"),
    "a header without a colon": (["-H", "nope", "urls.txt"], "nope"),
    "a header without a name": (["-H", ": nope", "urls.txt"], "header"),
    "a header of the transfer's own": (["-H", "Range: bytes=0-", "urls.txt"], "Range"),
    "a header with a line end": (["-H", "X-A: 1\r\nX-B: 2", "urls.txt"], "X-A"),
    "a list that is missing": (["missing.txt"], "missing.txt"),
    "a folder for a list": (["."], "folder"),
    "a number that is none": (["-j", "nope", "urls.txt"], "nope"),
    "no jobs at all": (["-j", "0", "urls.txt"], "jobs"),
    "a time below zero": (["--timeout", "-1", "urls.txt"], "timeout"),
    "a time without end": (["--deadline", "inf", "urls.txt"], "deadline"),
    "a size that is none": (["--max-filesize", "10q", "urls.txt"], "10q"),
    "a proxy of another kind": (["--proxy", "socks5://127.0.0.1:9", "urls.txt"], "socks5"),
    "two forms of output": (["--json", "--paths", "urls.txt"], "--paths"),
}


@pytest.mark.parametrize(("arguments", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_use_is_told_in_a_line(answer: Callable[..., Answer], arguments: list[str], reason: str) -> None:
    code, out, err = answer(*arguments)
    assert (code, out) == (2, "")
    said = [line for line in err.splitlines() if line and not line.startswith(("Usage: ", "Try "))]
    assert len(said) == 1, err
    assert reason in said[0]


def test_a_destination_that_cannot_be_used_is_told_in_a_line(answer: Callable[..., Answer]) -> None:
    code, out, err = answer("urls.txt", "-d", "urls.txt")
    assert (code, out) == (1, "")
    assert err.splitlines() == [err.strip()]
    assert "urls.txt" in err
