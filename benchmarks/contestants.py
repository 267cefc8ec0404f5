"""Who is measured: pdl in several ways, other programs, and the limit, each with the options that suit the job.

What is chosen for the others follows their manuals; README.md in this folder says what and why.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pycurl

from pdl import __version__

_HERE = Path(__file__).parent
_CURL_URLS = 50
"""URLs that xargs gives to one curl, over one connection."""


@dataclass(frozen=True)
class Job:
    """What is to be downloaded, and how.

    Args:
        urls: file with one URL a line.
        count: of them.
        dest: folder for the files, which is there.
        jobs: downloads at once.
        trusted: file of the certificates to trust; None without TLS.
        streams: connections for one file, where a program can do that.
        more: options for pdl alone.
    """

    urls: Path
    count: int
    dest: Path
    jobs: int
    trusted: Path | None = None
    streams: int = 1
    more: tuple[str, ...] = ()


class Contestant:
    """Something that downloads lists.

    Args:
        name: under which it is told of.
    """

    terminal = False
    """It draws its progress on a terminal."""
    code = 0
    """With which it ends when some downloads failed as they should."""

    def __init__(self, name: str) -> None:
        self.name = name

    def missing(self) -> str:
        """Why it cannot take part; empty if it can."""
        raise NotImplementedError

    def version(self) -> str:
        """As it tells it."""
        raise NotImplementedError

    def command(self, job: Job) -> list[str]:
        """The words of the command."""
        raise NotImplementedError

    def environment(self, job: Job) -> Mapping[str, str]:  # noqa: ARG002 - for those that need some
        """Variables that it needs beside those that all have."""
        return {}

    def prepare(self, job: Job) -> None:
        """Write the list in a form of its own, if it has one; no part of what is measured."""

    def tidy(self, job: Job, names: list[str]) -> None:
        """Put the files under their names, if it has names of its own for them."""


class Pdl(Contestant):
    """pdl as users run it: with its account and its progress."""

    terminal = True
    code = 3

    def __init__(self, name: str = "pdl", *options: str) -> None:
        super().__init__(name)
        self._options = options or ("-e", "curl")

    def missing(self) -> str:
        lacks = [each for each in self._options if each.startswith("--") and each not in _pdl_help()]
        return f"this pdl has no {lacks[0]}" if lacks else ""

    def version(self) -> str:
        return f"pdl {__version__}, libcurl {pycurl.version_info()[1]}"

    def command(self, job: Job) -> list[str]:
        trust = ["--cacert", str(job.trusted)] if job.trusted else []
        words = [str(job.urls), "-d", str(job.dest), "-j", str(job.jobs), *self._options]
        return [sys.executable, "-m", "pdl", *words, *trust, *job.more]


class Script(Contestant):
    """A script of this folder that takes a list, a folder and a number."""

    def __init__(self, name: str, script: str, version: str) -> None:
        super().__init__(name)
        self._script, self._version = _HERE / script, version

    def missing(self) -> str:
        return ""

    def version(self) -> str:
        return self._version

    def command(self, job: Job) -> list[str]:
        trust = [str(job.trusted)] if job.trusted else []
        return [sys.executable, str(self._script), str(job.urls), str(job.dest), str(job.jobs), *trust]


class Program(Contestant):
    """A program that is installed, or not."""

    def __init__(self, name: str, program: str = "") -> None:
        super().__init__(name)
        self.program = program or name

    def missing(self) -> str:
        return "" if shutil.which(self.program) else "not installed"

    def version(self) -> str:
        return _first_line(self.program, "--version")


class Curl(Program):
    """curl's own parallel mode."""

    def prepare(self, job: Job) -> None:
        listed = _listed(job)
        if not listed.exists():
            with job.urls.open() as lines, listed.open("w") as file:
                file.writelines(f'url = "{line.strip()}"\n' for line in lines)

    def command(self, job: Job) -> list[str]:
        trust = ["--cacert", str(job.trusted)] if job.trusted else []
        at_once = ["--parallel-max", str(min(job.jobs, _most_at_once(self.program)))]
        words = ["--disable", "-Z", *at_once, "--no-progress-meter", "-sSf"]
        words += ["--remote-name-all", "--output-dir", str(job.dest)]
        return [self.program, *words, *trust, "-K", str(_listed(job))]


class Xargs(Program):
    """As many processes of curl as downloads at once, each with a few dozen URLs for its one connection."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "xargs")

    def missing(self) -> str:
        return "" if shutil.which("xargs") and shutil.which("curl") else "not installed"

    def version(self) -> str:
        return f"{_first_line('xargs', '--version')}, {_first_line('curl', '--version')}"

    def command(self, job: Job) -> list[str]:
        each = max(1, min(_CURL_URLS, job.count // job.jobs))
        trust = ["--cacert", str(job.trusted)] if job.trusted else []
        curl = ["curl", "--disable", "-sSf", "--remote-name-all", "--output-dir", str(job.dest), *trust]
        return ["xargs", "-a", str(job.urls), "-n", str(each), "-P", str(job.jobs), *curl]


class Aria2(Program):
    """aria2, which reads the list as it goes, and sets aside no room for files that are small."""

    def command(self, job: Job) -> list[str]:
        words = ["--no-conf", "-q", "-i", str(job.urls), "-d", str(job.dest), "-j", str(job.jobs)]
        words += ["--deferred-input=true", "--file-allocation=falloc", "--max-download-result=0"]
        words += [f"-x{job.streams}", f"-s{job.streams}", "-k1M"]
        trust = [f"--ca-certificate={job.trusted}"] if job.trusted else []
        return [self.program, *words, *trust]


class Wget2(Program):
    """wget2, without the origin of each file in its extended attributes."""

    def command(self, job: Job) -> list[str]:
        words = ["--no-config", "-q", "--no-xattr", "-i", str(job.urls), "-P", str(job.dest)]
        words += ["--max-threads", str(max(job.jobs, job.streams))]
        if job.streams > 1:
            words += ["--chunk-size=4M"]
        trust = [f"--ca-certificate={job.trusted}"] if job.trusted else []
        return [self.program, *words, *trust]


class Img2dataset(Program):
    """img2dataset, which keeps the files as they are and computes no digests; a process for each of the cores."""

    def command(self, job: Job) -> list[str]:
        cores = min(os.cpu_count() or 1, job.jobs)
        words = {
            "url_list": job.urls,
            "output_folder": job.dest,
            "processes_count": cores,
            "thread_count": job.jobs // cores,
            "output_format": "files",
            "disable_all_reencoding": True,
            "compute_hash": None,
            "extract_exif": False,
            "number_sample_per_shard": 10_000,
        }
        return [self.program, *(f"--{name}={value}" for name, value in words.items())]

    def version(self) -> str:
        return "img2dataset"

    def environment(self, job: Job) -> Mapping[str, str]:
        trust = {"SSL_CERT_FILE": str(job.trusted)} if job.trusted else {}
        return {"NO_ALBUMENTATIONS_UPDATE": "1", **trust}  # else it asks the Internet for a newer version

    def prepare(self, job: Job) -> None:
        """Write the list in a form of its own, if it has one; no part of what is measured."""

    def tidy(self, job: Job, names: list[str]) -> None:
        for index, name in enumerate(names):
            shard, number = divmod(index, 10_000)
            (job.dest / f"{shard:05d}" / f"{shard:05d}{number:04d}.jpg").replace(job.dest / name)
        for path in job.dest.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name.endswith((".json", ".parquet")):
                path.unlink()


def contestants() -> dict[str, Contestant]:
    """All of them by name; pdl with the engine curl, in one process, comes first."""
    libcurl = f"libcurl {pycurl.version_info()[1]}"
    every: list[Contestant] = [
        Pdl(),
        Pdl("pdl:processes+curl", "-e", "processes", "--worker-engine", "curl", "--workers", "2"),
        Pdl("pdl:threads", "-e", "threads"),
        Pdl("pdl:gevent", "-e", "gevent"),
        Pdl("pdl +dead"),
        Pdl("pdl:split", "-e", "curl", "--split", "8"),
        Script("bare", "bare_curl.py", libcurl),
        *(Curl(name, program) for name, program in _curls().items()),
        Wget2("wget2"),
        Aria2("aria2c"),
        Xargs("xargs curl"),
        Img2dataset("img2dataset"),
        Script("requests", "requests_pool.py", _requests()),
    ]
    return {each.name: each for each in every}


def _requests() -> str:
    import requests  # noqa: PLC0415 - takes long to import, and only its version is asked for

    return f"requests {requests.__version__}"


@cache
def _pdl_help() -> frozenset[str]:
    """All options of pdl."""
    told = subprocess.run([sys.executable, "-m", "pdl", "--help"], capture_output=True, text=True, check=True)
    return frozenset(re.findall(r"--[a-z0-9-]+", told.stdout))


@cache
def _curls() -> dict[str, str]:
    """The first curl that a shell would find, as `curl`, and others of other versions."""
    found: dict[str, str] = {}
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        program = os.path.join(folder, "curl")
        if os.access(program, os.X_OK):
            found.setdefault(_first_line(program, "--version").split(" (")[0], program)
    named = {version.replace("curl ", "curl-"): program for version, program in list(found.items())[1:]}
    return {"curl": next(iter(found.values()), "curl"), **named}


@cache
def _most_at_once(curl: str) -> int:
    """The largest --parallel-max: with more, an older curl takes its default instead."""
    manual = subprocess.run([curl, "--manual"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"--parallel-max.{0,1500}?(\d+)\s+is\s+the\s+largest\s+supported", manual, re.DOTALL)
    return int(found[1]) if found else 300


def _listed(job: Job) -> Path:
    """The list as curl reads it."""
    return job.urls.with_suffix(".curl")


@cache
def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = (done.stdout or done.stderr).partition("\n")[0]
    return re.split(r" \(\w+-|, GNU | - ", line)[0].strip()  # without where it was built, and what it calls itself
