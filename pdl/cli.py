"""The command: options in, exit code out. It only translates; the work is the library's."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import click
from click.core import ParameterSource

from . import engines
from ._version import __version__
from .descriptors import raise_limit
from .errors import PdlError, SettingsError, SourceError
from .settings import DIGESTS, Layout, Settings
from .voice import results, say

if TYPE_CHECKING:
    from .demo import Demo
    from .progress import Reporter
    from .report.compare import Comparer
    from .report.plan import Plan
    from .reporting import RunObserver, Wishes
    from .run import Run
    from .sources import Source

Field = tuple[Sequence[str], Sequence[int]]
"""The engines that are named, and the numbers of jobs."""

FACE = (
    "sources", "quiet", "verbose", "progress", "json_lines", "paths", "status", "export", "report", "rounds",
    "sample", "yes", "demo", "preset", "knobs", "list_engines", "version", "help",
)  # fmt: skip
"""Parameters of the command that are not options of a job."""

_DEFAULTS = Settings()
_PRESETS = ("default", "lan", "wan", "flaky", "many-hosts")  # of the demo, which few need to import
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


class _Size(click.ParamType[int]):
    """A number of bytes, with k, M, G or T for powers of 1024."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip().lower().removesuffix("b").removesuffix("i")
        number, unit = (text[:-1], text[-1]) if text and text[-1] in "kmgt" else (text, "")
        try:
            return int(float(number) * _UNITS[unit])
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a size such as 500k, 10M or 1.5G", param, ctx)


def _headers(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in given:
        name, colon, value = text.partition(":")
        if not colon:
            raise click.BadParameter(f"{text!r} is not of the form 'Name: value'")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def _option(*names: str, **attributes: Any) -> Callable[[Any], Any]:
    """An option of a job: its default is the one of `Settings`."""
    field = attributes.pop("field", names[-1].lstrip("-").replace("-", "_"))
    attributes.setdefault("default", getattr(_DEFAULTS, field))
    attributes.setdefault("show_default", attributes["default"] not in (None, (), False))
    return click.option(*names, field, **attributes)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("sources", nargs=-1, metavar="SOURCE...")
@_option("-d", "-P", "--dest", metavar="DIR", help="Folder that receives the files.", show_default="current folder")
@_option("-e", "--engine", multiple=True, metavar="NAME", default=(_DEFAULTS.engine,),
         help="Engine that carries the bytes; see --list-engines. With --report several, or all.  "
         f"[default: {_DEFAULTS.engine}]", show_default=False)  # fmt: skip
@_option("-j", "--jobs", multiple=True, type=int, metavar="N", default=(_DEFAULTS.jobs,),
         help=f"Downloads at once, over all hosts. With --report several.  [default: {_DEFAULTS.jobs}]",
         show_default=False)  # fmt: skip
@_option("--worker-engine", metavar="NAME",
         help="Engine of each worker of the engine processes; -e processes+NAME is short for it.")  # fmt: skip
@_option("--workers", type=int, metavar="N",
         help="Workers of the engine processes.  [default: -j, or with --worker-engine the CPUs]")  # fmt: skip
@_option("--per-host", type=int, metavar="N", help="Downloads at once from one host.  [default: no limit below -j]")
@_option("--split", type=int, metavar="N", help="Connections at once for one large file, within -j and --per-host.")
@_option("--split-size", type=_Size(), metavar="SIZE", show_default="2M",
         help="Least that is asked for at once of a file that is split; no smaller one is.")  # fmt: skip
@_option("--retries", type=int, metavar="N", help="Tries after the first one.")
@_option("--retry-delay", type=float, metavar="S", help="Longest first pause before a retry; doubles each time.")
@_option("--connect-timeout", type=float, metavar="S", help="Limit for name, connection and TLS.")
@_option("--timeout", type=float, metavar="S", help="Window over which --min-speed must be reached.")
@_option("--min-speed", type=float, metavar="B/S", help="Bytes a second below which a download is given up.")
@_option("--max-time", type=float, metavar="S", help="Limit for one file, all tries together.")
@_option("--max-filesize", type=_Size(), metavar="SIZE", help="Larger files fail (k, M, G for powers of 1024).")
@_option("--max-redirects", type=int, metavar="N", help="Redirects followed for one file.")
@_option("--accept", multiple=True, metavar="TYPES",
         help="Files of other media types fail: image/*, or several with commas; may be repeated.")  # fmt: skip
@_option("--raw", is_flag=True, help="Keep a coding such as gzip as it is sent, instead of undoing it.")
@_option("--deadline", type=float, metavar="S", help="Limit for the whole job.")
@_option("-H", "--header", multiple=True, callback=_headers, metavar="'NAME: VALUE'", field="headers",
         help="Header field for the hosts that the list names, never for others; may be repeated.")  # fmt: skip
@_option("--netrc", is_flag=True, help="Take credentials of hosts from $NETRC or ~/.netrc.")
@_option("-U", "--user-agent", metavar="TEXT", help="What pdl calls itself.")
@_option("--http3", is_flag=True, help="Speak HTTP/3 where a server does; with the engine curl only.")
@_option("--proxy", metavar="URL", help="Proxy for everything; '' for none.  [default: from the environment]")
@_option("--cacert", metavar="PATH", help="CA certificates to trust.  [default: from the environment, or certifi]")
@_option("--insecure", is_flag=True, help="Accept any certificate.")
@_option("--block-private", is_flag=True, help="Connect to public addresses only, also behind redirects.")
@_option(
    "--layout", type=click.Choice(get_args(Layout)), help="One folder, folders as in the URL, or fan-out folders."
)
@_option("-o", "--output", metavar="TEMPLATE",
         help="Path from {name} {stem} {ext} {host} {path} {index:06d} {hash}, instead of a layout.")  # fmt: skip
@_option("--content-disposition", is_flag=True, help="Take the names that servers send, in the layout's folders.")
@_option("--state-dir", metavar="DIR", help="Folder of the ledger and the lock, instead of DEST/.pdl.")
@_option("--no-state", is_flag=True, help="Keep no ledger: nothing is known of this run when it has ended.")
@_option("--overwrite", is_flag=True, help="Replace files that exist.")
@_option("--update", is_flag=True, help="Ask again for what is done, and replace what has changed.")
@_option("--verify", is_flag=True, help="Read what is there, and fetch what is missing or damaged.")
@_option("--dry-run", is_flag=True, help="With --verify, only tell, of what the ledger knows.")
@_option("--checksums", metavar="FILE", help="Digests by path, such as sha256sum writes.")
@_option("--retry-failed", metavar="[KINDS]", is_flag=False, flag_value="all", show_default=False,
         help="Try what failed again, without a list: all, or kinds such as http:5xx,timeout.")  # fmt: skip
@_option(
    "--durable", is_flag=True, help="Flush each file to the disk before it counts as done: against power loss."
)
@_option("--digest", type=click.Choice(DIGESTS), metavar="NAME",
         help="Compute a digest of every file for the ledger: sha256, sha512, sha1 or md5.")  # fmt: skip
@_option("--failed", metavar="FILE", help="Write the failed lines there, to be fed back.")
@_option("--timings", is_flag=True, help="Measure the phases of each download, for --json and reports.")
@click.option("--progress", type=click.Choice(["list", "files"]), default="list", show_default=True,
              help="A bar for the list, or also one for each of the largest files under way.")  # fmt: skip
@click.option(
    "--json", "json_lines", is_flag=True, help="Print one JSON object for each entry's end, or one for --status."
)
@click.option("--paths", is_flag=True, help="Print the path of each finished file.")
@click.option("--status", is_flag=True, help="Print what is known of the destination; no SOURCE.")
@click.option("--export", metavar="FILE",
              help="Write the account as .csv, .jsonl, or SHA256SUMS for sha256sum -c; no SOURCE.")  # fmt: skip
@click.option("--report", multiple=True, is_flag=False, flag_value="", metavar="[FILE]",
              help="Compare engines, or report on the run of the one of -e, or without a SOURCE on the ledger; "
              "also into FILE.html, .json or .md.")  # fmt: skip
@click.option("--rounds", type=click.IntRange(1), metavar="N", help="Rounds of a comparison.  [default: 5]")
@click.option("--sample", type=click.IntRange(1), metavar="N",
              help="Compare on N entries, from all hosts in proportion; then no file is kept.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Compare without asking, however much that takes.")
@click.option("-q", "--quiet", is_flag=True, help="Only fatal errors.")
@click.option("-v", "--verbose", count=True, help="Each failure; -vv each entry.")
@click.option("--demo", is_flag=True, help="Show it at work without a network: files from a server of its own.")
@click.option("--preset", type=click.Choice(_PRESETS), help="Which server of --demo; each shows something else.")
@click.option("--knobs", metavar="NAME=VALUE,...", help="Change that server: files=500,delay=0.2,hosts=5.")
@click.option("--list-engines", is_flag=True, help="Show the engines, and why one can't be used.")
@click.version_option(__version__, prog_name="pdl")
@click.pass_context
def command(context: click.Context, /, sources: tuple[str, ...], **options: Any) -> int:
    """Download every URL of the SOURCEs: files of URLs (also compressed), - for standard input, or URLs.

    A line is a URL, optionally followed by TAB-separated mirrors and name=, sha256= (sha512, sha1, md5) and size=
    fields.
    """
    if options["list_engines"]:
        return _list_engines()
    if not options["demo"] and (options["preset"] is not None or options["knobs"] is not None):
        raise click.UsageError("--preset and --knobs are of the server of --demo, which is not asked for")
    given = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    looks = options["status"] or options["export"] is not None
    from_ledger = options["retry_failed"] is not None or options["dry_run"]
    from_ledger = from_ledger or ((options["update"] or options["verify"]) and not sources)
    if not sources and not options["demo"] and not from_ledger and not looks and not options["report"]:
        if given:
            raise click.UsageError("there is no SOURCE: a list, - for standard input, or URLs")
        click.echo(context.get_help())
        return 0
    face = {name: options.pop(name) for name in FACE if name in options}
    named, jobs = options.pop("engine"), options.pop("jobs")
    field: Field = named if "engine" in given else (), jobs
    has_list = bool(sources) or from_ledger or face["demo"]
    _check_face(face, field, has_list=has_list)
    settings = Settings(engine=named[0] if named[0] != engines.ALL else _DEFAULTS.engine, jobs=jobs[0], **options)
    if looks:
        return _look(sources, settings, face)
    if sources and (settings.retry_failed is not None or settings.dry_run):
        name = "--dry-run" if settings.dry_run else "--retry-failed"
        raise click.UsageError(f"{name} takes its entries from the ledger of -d, and no SOURCE")
    if face["demo"] and (sources or from_ledger):
        raise click.UsageError("--demo has a list of its own and takes no SOURCE")
    temporary = "dest" not in given
    if face["report"]:
        return _report(_Report(sources, settings, face, field, from_ledger=from_ledger, temporary=temporary))
    if face["demo"]:
        return _demonstrate(settings, face, temporary=temporary)
    return _download(_open(sources) if sources else None, settings, face)


def _check_face(face: dict[str, Any], field: Field, *, has_list: bool) -> None:
    """Refuse what makes no sense together."""
    if face["json_lines"] and face["paths"]:
        raise click.UsageError("--json and --paths exclude each other")
    if (face["json_lines"] or face["paths"]) and sys.stdout is None:
        raise click.UsageError("--json and --paths need standard output, which is closed")
    if face["report"] and not any(face["report"]) and sys.stdout is None:
        raise click.UsageError("--report without a file needs standard output, which is closed")
    engine_names, jobs = field
    compares = _compares(field)
    if not face["report"]:
        for option, values in (("-e", engine_names), ("-j", jobs)):
            if len(values) > 1 or engines.ALL in values:
                raise click.UsageError(
                    f"several engines are compared, and so are several -j: {option} needs --report"
                )
        compares = False
    elif not has_list and not face["status"] and face["export"] is None:
        if engine_names:
            raise click.UsageError("without a SOURCE --report tells what the ledger knows, and -e runs nothing")
        compares = False
    for name in ("rounds", "sample", "yes"):
        if face[name] and not compares:
            raise click.UsageError(
                f"--{name} is for comparisons: a SOURCE and --report, without -e or with several"
            )


def _compares(field: Field) -> bool:
    """Anything but one engine with one number of jobs is compared."""
    engine_names, jobs = field
    return len(engine_names) != 1 or len(jobs) > 1 or engines.ALL in engine_names


class _Report(NamedTuple):
    """What `--report` is asked with.

    Args:
        sources: of the list.
        settings: of the job, or of what the contestants have in common.
        face: the options that are not of a job.
        field: the engines that are named, and the numbers of jobs.
        from_ledger: the ledger has the list.
        temporary: no destination is named.
    """

    sources: tuple[str, ...]
    settings: Settings
    face: dict[str, Any]
    field: Field
    from_ledger: bool
    temporary: bool


def _report(asked: _Report) -> int:
    """Compare engines, or report on one run, or on the ledger."""
    from . import reporting  # noqa: PLC0415 - see _download

    settings, face = asked.settings, asked.face
    source = _open(asked.sources) if asked.sources else None
    try:
        prints = face["json_lines"] or face["paths"]
        wishes = reporting.wishes(face, settings, source.paths if source is not None else ())
        if source is None and not face["demo"] and not asked.from_ledger:
            if settings.no_state:
                raise click.UsageError("--report shows what the ledger knows, and --no-state keeps none")
            return reporting.report_ledger(settings, wishes)
        if not _compares(asked.field):
            as_table = wishes._replace(printed=wishes.printed and not prints, as_json=False)
            observer = reporting.RunObserver(settings, as_table)
            if prints and not wishes.files:
                raise click.UsageError("--json and --paths print results: --report needs a file beside them")
            if face["demo"]:
                return _demonstrate(observer.settings, face, temporary=asked.temporary, observer=observer)
            taken, source = source, None  # the run closes it
            return _download(taken, observer.settings, face, observer=observer)
        if asked.from_ledger:
            raise click.UsageError("a comparison needs a list; -e with one engine reports on this run alone")
        if face["paths"]:
            raise click.UsageError("a comparison has no results of single files for --paths to print")
        from . import contest  # noqa: PLC0415 - needs much that a report on one run does not

        plan = contest.plan(settings, *asked.field, face)
        if face["demo"]:
            return _compare_on_demo(plan, wishes, face, temporary=asked.temporary)
        assert source is not None
        raise_limit()
        taken, source = source, None
        return contest.compare(taken, plan, wishes, partial(_publish, face=face))
    finally:
        if source is not None:
            source.close()


def _publish(comparer: Comparer, *, face: dict[str, Any], witnesses: tuple[Reporter, ...] = ()) -> int:
    """Bring what a comparison has fetched into the destination."""
    from .progress import Tee  # noqa: PLC0415 - see _download

    quiet = {**face, "json_lines": False, "paths": False}
    run = comparer.publication(Tee([_reporter(comparer.settings, quiet), *witnesses]))
    return _conduct(run, {**face, "quiet": True})


def _compare_on_demo(plan: Plan, wishes: Wishes, face: dict[str, Any], *, temporary: bool) -> int:
    """Compare on the demo's server; without the entries that are to show pauses and failures, unless asked for."""
    from .contest import compare  # noqa: PLC0415 - see _download
    from .sources import open_source  # noqa: PLC0415 - see _download

    raise_limit()
    if face["preset"] is None and face["knobs"] is None:
        face = {**face, "knobs": "special=no"}
    with _opened_demo(plan.settings, face, temporary=temporary) as demo:
        publish = partial(_publish, face=face, witnesses=(demo.witness,))
        plan = replace(plan, settings=demo.settings, notes=tuple(demo.notes(told=face["preset"] is not None)))
        code = compare(open_source(demo.server.urls), plan, wishes, publish, asks=False)
        return _judge_demo(demo, code, face) if demo.witness.results else code  # of a sample nothing is kept


def _list_engines() -> int:
    for name, why_not in engines.available().items():
        default = " (auto)" if engines.choose("auto").name == name else ""
        click.echo(f"{name:14} {why_not or engines.about(name) + default}")
    return 0


def _look(sources: tuple[str, ...], settings: Settings, face: dict[str, Any]) -> int:
    """Export or show what the ledger knows; a run may be writing to it."""
    from .status import status_lines, status_object  # noqa: PLC0415 - see _download
    from .storage.export import ENDINGS, export, form_of  # noqa: PLC0415 - see _download
    from .storage.reading import Ledger  # noqa: PLC0415 - see _download

    option, path = "--status" if face["status"] else "--export", face["export"]
    if sources or face["demo"] or face["paths"] or face["report"]:
        other = "no SOURCE" if sources else "none of --demo, --paths and --report"
        raise click.UsageError(f"{option} shows what earlier runs have done, and takes {other}")
    if face["status"] and sys.stdout is None:
        raise click.UsageError("--status needs standard output, which is closed")
    form = None if path is None else form_of(path)
    if path is not None and form is None:
        raise click.UsageError(f"--export takes names that end in {ENDINGS}, not {path!r}")
    if settings.no_state:
        raise click.UsageError(f"{option} shows what the ledger knows, and --no-state keeps none")
    ledger = Ledger(settings.dest, state_dir=settings.state_dir)
    if form is not None:
        left_out = export(ledger, path, form)
        if left_out and not face["quiet"]:
            say(f"pdl: done files left out because they have no sha256: {left_out:,}; --digest sha256 computes it")
    if face["status"]:
        import json  # noqa: PLC0415 - takes time, and few downloads need it

        counts = ledger.counts()
        lines = [json.dumps(status_object(counts))] if face["json_lines"] else status_lines(counts)
        results().write("".join(f"{line}\n" for line in lines))
    return 0


def _open(sources: tuple[str, ...]) -> Source:
    from .sources import open_source_arguments  # noqa: PLC0415 - see _download

    try:
        return open_source_arguments(sources)
    except SourceError as error:
        raise click.UsageError(str(error)) from None


def _download(
    source: Source | None,
    settings: Settings,
    face: dict[str, Any],
    *witnesses: Reporter,
    observer: RunObserver | None = None,
) -> int:
    """Download, and report on that to whom it is reported."""
    raise_limit()  # every download under way needs two files
    if observer is not None:
        witnesses = (*witnesses, observer.recorder)
    try:
        run = _set_up(source, settings, face, witnesses)
    except BaseException:
        if source is not None:
            source.close()
        raise
    if settings.insecure and not face["quiet"]:
        say("pdl: --insecure: certificates are not checked")
    code = _conduct(run, face)
    if observer is not None:
        observer.report(run)
    return code


def _conduct(run: Run, face: dict[str, Any]) -> int:
    """Carry out a run, and show its account; answers the exit code."""
    from .interrupts import Interrupted, Interrupts  # noqa: PLC0415 - --help and --version need none of it

    with Interrupts(run.interrupt) as interrupts:
        try:
            code = _carry_out(run)
        except Interrupted as interruption:
            code = int(interruption.code or 1)
            if run.fault is not None:
                say(f"pdl: {run.fault}")
        finally:
            run.close()
        if interrupts.received is not None:
            code = int(interrupts.received.code or 1)
    if not face["quiet"]:
        _show_account(run)
    elif code == 5:
        say(f"pdl: stopped by {'a full disk' if run.summary.stopped == 'disk-full' else 'the deadline'}")
    return code


def _set_up(
    source: Source | None, settings: Settings, face: dict[str, Any], witnesses: tuple[Reporter, ...]
) -> Run:
    """The run, with all that it has to import."""
    gc.disable()  # what is imported stays: to look for garbage in it, now or later, finds none
    try:
        from .progress import Tee  # noqa: PLC0415 - see _download
        from .run import Run  # noqa: PLC0415 - see _download

        return Run(source, settings, Tee([_reporter(settings, face), *witnesses]))
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def _opened_demo(settings: Settings, face: dict[str, Any], *, temporary: bool) -> Iterator[Demo]:
    """The demo's server, and what is said of it before and after."""
    from .demo import PRESETS, changed, open_demo  # noqa: PLC0415 - see _download

    preset = PRESETS[face["preset"] or "default"]
    knobs = preset.knobs if face["knobs"] is None else changed(preset.knobs, face["knobs"])
    with open_demo(settings, temporary=temporary, preset=preset, knobs=knobs) as demo:
        _say_unless_quiet(face, demo.opening)
        if face["preset"]:
            _say_unless_quiet(face, f"{preset.name}: {preset.story}")
        yield demo
        if demo.has_files:
            _say_unless_quiet(face, demo.place)


def _say_unless_quiet(face: dict[str, Any], text: str) -> None:
    if not face["quiet"]:
        say(f"pdl: {text}")


def _demonstrate(
    settings: Settings, face: dict[str, Any], *, temporary: bool, observer: RunObserver | None = None
) -> int:
    """Download the demo's list from the demo's server; 0 if that went as planned, 1 if not."""
    from .sources import open_source  # noqa: PLC0415 - see _download

    with _opened_demo(settings, face, temporary=temporary) as demo:
        code = _download(open_source(demo.server.urls), demo.settings, face, demo.witness, observer=observer)
        return _judge_demo(demo, code, face)


def _judge_demo(demo: Demo, code: int, face: dict[str, Any]) -> int:
    """Say whether all came out as planned; answers the exit code."""
    if code == 1 or code >= 128:  # it was broken or stopped
        return code
    if unplanned := demo.unplanned():
        say(f"pdl: not as planned: {unplanned}")
        return 1
    _say_unless_quiet(face, "\n".join(demo.account()))
    return 0


def _carry_out(run: Run) -> int:
    try:
        for _ in run.results():
            pass
    except PdlError as error:
        say(f"pdl: {error}")
        return 1
    return run.summary.exit_code


def _reporter(settings: Settings, face: dict[str, Any]) -> Reporter:
    from .progress import Tee, reporter_for  # noqa: PLC0415 - see _download

    prints = face["json_lines"] or face["paths"]
    people = reporter_for(
        stream=sys.stderr,
        quiet=face["quiet"],
        verbosity=face["verbose"],
        files=face["progress"] == "files",
        drawn=not (prints and sys.stdout.isatty()),
    )
    if not prints:
        return people
    from .output import JsonLines, PathLines  # noqa: PLC0415 - few want them

    printed = JsonLines(results()) if face["json_lines"] else PathLines(results(), settings.dest)
    return Tee([people, printed])


def _show_account(run: Run) -> None:
    from .progress import closing_lines  # noqa: PLC0415 - see _download

    for line in closing_lines(run.summary):
        say(line)


def main(arguments: list[str] | None = None) -> None:
    """Run the command and exit with its code."""
    atexit.register(gc.freeze)  # or the interpreter looks through all that is alive before it ends
    try:
        code = command.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        say(f"pdl: {error.format_message()} (pdl --help shows the options)")
        code = 2
    except SettingsError as error:
        say(f"pdl: {error}")
        code = 2
    except PdlError as error:
        say(f"pdl: {error}")
        code = 1
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:  # whoever read our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:  # a bug of ours, or a disk that fails: one line, and the rest for those who ask
        if os.environ.get("PDL_TRACEBACK"):
            raise
        say(f"pdl: {type(error).__name__}: {error} (PDL_TRACEBACK=1 shows where)")
        code = 1
    sys.exit(code)
