"""How a workload is run: the server and the lists, one run of a contestant, and a look at what came of it."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contestants import Contestant, Job
from dead import DeadHosts
from measuring import Around, Broken, Figures, measure
from names import Names, full_name
from nginx import PLAIN, Nginx, Serving

_LIMIT = 900.0  # seconds for one run
_HERE = Path(__file__).parent
HOSTS = 5000
DEAD_HOSTS = 100
FOR_EACH = 4
"""Files of each host, living or dead."""
CONNECT_TIMEOUT = 5
"""Seconds that a dead host may cost, where there are some."""


@dataclass(frozen=True)
class Extent:
    """How much there is to do.

    Args:
        count: files.
        size: bytes of each.
        jobs: downloads at once.
        serving: how the server gives them.
        streams: connections for one file, where a program can do that.
    """

    count: int
    size: int = 10_240
    jobs: int = 64
    serving: Serving = PLAIN
    streams: int = 1

    def scaled(self, by: float) -> Extent:
        """The same with fewer files, or with a smaller one."""
        if self.count > 1:
            return replace(self, count=max(1, round(self.count * by)))
        return replace(self, size=max(1, round(self.size * by)))


class Course:
    """Files from one server in one list.

    Raises:
        SystemExit: if this machine lacks something that it needs; says what.
    """

    warms_up = True
    """The first round is no measurement."""
    rounds: int | None = None
    """As many rounds and no more."""

    def __init__(self, extent: Extent) -> None:
        self.extent = extent
        self.server = Nginx(extent.count, extent.size, extent.serving)
        try:
            self.dest = self.server.folder / "dest"
            self.prepare()
        except BaseException:
            self.close()
            raise

    def prepare(self) -> None:
        """Write the lists, and have the server open its files."""
        self.whole = self.write_list("whole", self.urls())
        self.first = self.write_list("first", self.urls()[: max(1, self.extent.count // 10)])
        self.warm_up()

    def warm_up(self) -> None:
        words = [self.whole, self.dest, min(64, self.extent.count), self.server.trusted or ""]
        command = self.around([sys.executable, str(_HERE / "bare_curl.py"), *map(str, words)])
        measure(command, Around(environment=self.environment(), quiet=True, limit=_LIMIT))
        shutil.rmtree(self.dest)

    def urls(self) -> list[str]:
        """One for each of the server's files, in their order."""
        return self.server.urls()

    def write_list(self, name: str, urls: Sequence[str]) -> Path:
        """Write a list."""
        path = self.server.folder / f"{name}.txt"
        path.write_text("".join(f"{url}\n" for url in urls))
        return path

    def around(self, command: list[str]) -> list[str]:
        """A command in the world of this course."""
        return command

    def environment(self) -> dict[str, str]:
        """What all contestants find: everything but proxies."""
        return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}

    def job(self, urls: Path, count: int) -> Job:
        return Job(urls, count, self.dest, self.extent.jobs, self.server.trusted, self.extent.streams)

    def run(self, contestant: Contestant, number: int) -> Figures:
        """Have a contestant download the list, or in round 0 a tenth of it, and look at what came.

        Raises:
            Broken: if it failed, or did not bring all.
        """
        if number:
            return self.measured(contestant, self.job(self.whole, self.extent.count), self.server.names)
        names = self.server.names[: max(1, self.extent.count // 10)]
        return self.measured(contestant, self.job(self.first, len(names)), names)

    def measured(self, contestant: Contestant, job: Job, names: list[str], code: int = 0) -> Figures:
        """Measure one job, whose files have these names at the server.

        Raises:
            Broken: if it failed, or did not bring all.
        """
        contestant.prepare(job)
        job.dest.mkdir()
        try:
            figures = measure(
                self.around(contestant.command(job)), self.surroundings(contestant, job, code), self.server.cpu
            )
            contestant.tidy(job, names)
            self.server.check(job.dest, names)
        except SystemExit as error:
            raise Broken(*error.args) from None
        except OSError as error:  # a file that should have been there
            raise Broken(str(error)) from None
        finally:
            shutil.rmtree(job.dest)
        return figures

    def surroundings(self, contestant: Contestant, job: Job, code: int) -> Around:
        environment = {**self.environment(), **contestant.environment(job)}
        return Around(environment, quiet=True, terminal=contestant.terminal, limit=_LIMIT, code=code)

    def close(self) -> None:
        self.server.close()


class HostsCourse(Course):
    """Files from thousands of hosts, a few from each, mixed; nginx answers for all of them."""

    def prepare(self) -> None:
        self.hosts = max(1, self.extent.count // FOR_EACH)
        addresses = {
            f"host-{number:04d}": f"127.0.{1 + number // 250}.{1 + number % 250}" for number in range(self.hosts)
        }
        self.names = Names(self.server.folder, {**addresses, **self.more_hosts()})
        super().prepare()

    def more_hosts(self) -> dict[str, str]:
        """Further names and their addresses."""
        return {}

    def urls(self) -> list[str]:
        order = list(range(self.extent.count))
        random.Random(1).shuffle(order)
        return [
            f"http://{full_name(f'host-{place % self.hosts:04d}')}:{self.server.port}/{name}"
            for place, name in zip(order, self.server.names, strict=True)
        ]

    def around(self, command: list[str]) -> list[str]:
        return self.names.around(command)

    def close(self) -> None:
        if hasattr(self, "names"):
            self.names.close()
        super().close()


class DeadCourse(HostsCourse):
    """The same, and once more with dead hosts among them, for the contestants with `+dead` in their names."""

    def more_hosts(self) -> dict[str, str]:
        self.dead = DeadHosts(max(1, min(DEAD_HOSTS, self.hosts // 50)))
        return {f"dead-{number:03d}": address for number, address in enumerate(self.dead.addresses)}

    def prepare(self) -> None:
        super().prepare()
        lost = [
            f"http://{full_name(f'dead-{number:03d}')}:{self.dead.port}/{place}.bin"
            for number in range(len(self.dead.addresses))
            for place in range(FOR_EACH)
        ]
        mixed = [*self.urls(), *lost]
        random.Random(2).shuffle(mixed)
        self.mixed, self.lost = self.write_list("mixed", mixed), len(lost)

    def run(self, contestant: Contestant, number: int) -> Figures:  # noqa: ARG002 - all rounds are alike
        urls, more, code = self.whole, 0, 0
        if "+dead" in contestant.name:
            urls, more, code = self.mixed, self.lost, contestant.code
        job = replace(self.job(urls, self.extent.count + more), more=("--connect-timeout", str(CONNECT_TIMEOUT)))
        return self.measured(contestant, job, self.server.names, code)

    warms_up = False  # each list would have to be gone through in full

    def close(self) -> None:
        if hasattr(self, "dead"):
            self.dead.close()
        super().close()


def _many(server: Nginx, number: int) -> str:
    """One of the URLs that all lead to the first file."""
    return f"{server.origin}/many/{number % 1000:03d}/{number:08d}.jpg"


class RerunCourse(Course):
    """A list that has been downloaded, once more; the server is gone, so that a single request would fail."""

    def __init__(self, extent: Extent) -> None:
        self.length = extent.count
        super().__init__(replace(extent, count=1))

    def prepare(self) -> None:
        self.whole = self.server.folder / "whole.txt"
        with self.whole.open("w") as file:
            file.writelines(f"{_many(self.server, number)}\n" for number in range(self.length))
        words = [self.whole, "-q", "-d", self.dest, "-e", "curl", "-j", self.extent.jobs]
        measure([sys.executable, "-m", "pdl", *map(str, words)], Around(environment=self.environment()))
        self.server.stop()

    def run(self, contestant: Contestant, number: int) -> Figures:  # noqa: ARG002 - all rounds are alike
        job = self.job(self.whole, self.length)
        figures = measure(contestant.command(job), self.surroundings(contestant, job, 0))
        found = sum(entry.name != ".pdl" for entry in os.scandir(self.dest))
        if found != self.length:
            raise Broken(f"{found} files instead of {self.length}")
        return figures


class LongCourse(Course):
    """A list of millions on standard input; files are taken away as they come, as there would be too many."""

    warms_up = False
    rounds = 1

    def __init__(self, extent: Extent) -> None:
        self.length = extent.count
        super().__init__(replace(extent, count=1))

    def prepare(self) -> None:
        """There is no list: it is written as it is read."""

    def run(self, contestant: Contestant, number: int) -> Figures:  # noqa: ARG002 - there is only one
        self.dest.mkdir()
        job = self.job(Path("-"), self.length)
        feeder = subprocess.Popen(
            [sys.executable, str(_HERE / "long_list.py"), f"{self.server.origin}/many", str(self.length)],
            stdout=subprocess.PIPE,
        )
        taker = Taker(self.dest, self.extent.size)
        try:
            around = replace(self.surroundings(contestant, job, 0), feed=feeder.stdout, limit=None)
            taker.start()
            figures = measure(contestant.command(job), around, self.server.cpu)
        finally:
            taker.stop()
            feeder.kill()
            feeder.wait()
            shutil.rmtree(self.dest)
        if taker.taken != self.length or taker.wrong:
            raise Broken(f"{taker.taken} files, {taker.wrong} of them not whole, instead of {self.length}")
        return replace(figures, first=taker.first)


class Taker(threading.Thread):
    """Takes files out of a folder as they come.

    Args:
        folder: that the files come to; what is below `.pdl` stays.
        size: that each should have, in bytes.
    """

    def __init__(self, folder: Path, size: int) -> None:
        super().__init__(daemon=True)
        self.taken = self.wrong = 0
        self.first: float | None = None
        """Seconds until the first one was there."""
        self._folder, self._size = folder, size
        self._over = threading.Event()

    def start(self) -> None:
        self._began = time.perf_counter()
        super().start()

    def stop(self) -> None:
        """Take what is left, and no more."""
        self._over.set()
        self.join()
        self._take()

    def run(self) -> None:
        while not self._over.wait(0.2 if self.taken else 0.005):
            self._take()

    def _take(self) -> None:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name == ".pdl":
                    continue
                if self.first is None:
                    self.first = time.perf_counter() - self._began
                self.wrong += entry.stat(follow_symlinks=False).st_size != self._size
                os.unlink(entry.path)
                self.taken += 1
