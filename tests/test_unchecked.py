"""Files in spans that have come, looked at as a whole."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from pdl import unchecked
from pdl.errors import Kind
from pdl.model import Digest, Download, Outcome, Verdict
from pdl.task import Ended, Task
from pdl.unchecked import Unchecked

CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def ended(row: int, digest: Digest | None = None, size: int = len(CONTENT)) -> Ended:
    download = Download(f"http://h/{row}", digest=digest)
    return Ended(Task(row, download, f"{row}"), Outcome(Verdict.DONE, status=206, size=size), 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for row in (1, 2):
        (tmp_path / f"{row}.part").write_bytes(CONTENT)
    return tmp_path


def waiting(folder: Path, *files: Ended, algorithm: str | None = None) -> Unchecked:
    found = Unchecked(lambda row: str(folder / f"{row}.part"), algorithm)
    for each in files:
        found.add(each)
    return found


def looked_at(files: Unchecked) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while files:
        outcomes += [each.outcome for each in files.look()]
    assert files.size == 0
    return outcomes


def test_without_a_digest_only_the_length_is_looked_at(folder: Path):
    files = waiting(folder, ended(1), ended(2, size=len(CONTENT) + 1))
    assert files.size == 2 * len(CONTENT) + 1
    right, short = looked_at(files)
    assert (right.verdict, right.digest, right.size) == (Verdict.DONE, None, len(CONTENT))
    assert (short.verdict, short.kind, short.status) == (Verdict.FAILED, Kind.DISK, 206)
    assert str(folder / "2.part") in short.message


def test_the_list_s_digest_goes_before_that_of_the_job(folder: Path):
    files = waiting(folder, ended(1, Digest("sha256", SHA256)), ended(2), algorithm="md5")
    first, second = looked_at(files)
    assert first.digest == Digest("sha256", SHA256)
    assert second.digest == Digest("md5", hashlib.md5(CONTENT).hexdigest())


def test_another_digest_than_the_list_s_is_told(folder: Path):
    (wrong,) = looked_at(waiting(folder, ended(1, Digest("sha256", "0" * 64))))
    assert (wrong.verdict, wrong.kind, wrong.digest) == (Verdict.FAILED, Kind.DIGEST, Digest("sha256", SHA256))


def test_a_part_that_is_gone_costs_its_file_alone(folder: Path):
    os.unlink(folder / "1.part")
    gone, right = looked_at(waiting(folder, ended(1), ended(2), algorithm="sha1"))
    assert (gone.kind, gone.errno) == (Kind.DISK, errno.ENOENT)
    assert right.verdict is Verdict.DONE


def test_it_takes_a_short_while_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch):
    files = waiting(folder, ended(1), ended(2), algorithm="sha256")
    now = iter(range(10_000))
    monkeypatch.setattr(unchecked.time, "monotonic", lambda: next(now) / 1000)
    turns = 0
    while files:
        files.look()
        turns += 1
    assert turns == 1
    monkeypatch.setattr(unchecked, "SLICE", 0.002)
    files.add(ended(1))
    assert files.look() == []
    assert len(files) == 1
    files.close()
    files.close()
    assert len(looked_at(files)) == 1
