"""Files that are there, read and held against their digests: --verify, --checksums and --dry-run."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from accounts import expected, files_in
from faultserver import FaultServer, run_pdl
from hypothesis import given
from hypothesis import strategies as st

import pdl
from pdl.model import Digest, Notice
from pdl.storage.checksums import Checksums

pytestmark = pytest.mark.fault(58)

TARGETS = [f"/file/{n}" for n in range(5)]


class Notices:
    """Hears what a run has to say."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def on(self, event: object) -> None:
        if isinstance(event, Notice):
            self.said.append(event.message)

    def close(self) -> None:
        """Nothing is held back."""


def fetched(server: FaultServer, dest: Path, **options: object) -> list[str]:
    urls = [server.url(target) for target in TARGETS]
    assert pdl.download_all(urls, dest, **options).done == 5
    server.clear()
    return urls


def damage(path: Path) -> None:
    """Change a byte, and nothing that a look at the folder shows."""
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("listed", [True, False])
def test_what_is_damaged_or_missing_is_fetched_again(
    engine_name, server: FaultServer, tmp_path: Path, listed: bool
):
    urls = fetched(server, tmp_path, digest="sha256")
    damage(tmp_path / "1")
    os.unlink(tmp_path / "2")
    os.truncate(tmp_path / "3", 10)
    heard = Notices()
    summary = pdl.download_all(
        urls if listed else None, tmp_path, engine=engine_name, verify=True, digest="sha256", progress=heard
    )
    assert (summary.done, summary.skipped_by_reason, summary.failed) == (3, {"done": 2}, 0)
    assert sorted(record.target for record in server.requests) == ["/file/1", "/file/2", "/file/3"]
    assert files_in(tmp_path) == expected(server, TARGETS)
    assert "2 files are whole by their digests" in heard.said


def test_without_digests_the_size_is_all_that_is_known(server: FaultServer, tmp_path: Path):
    urls = fetched(server, tmp_path)
    damage(tmp_path / "1")
    os.truncate(tmp_path / "3", 10)
    heard = Notices()
    summary = pdl.download_all(urls, tmp_path, verify=True, progress=heard)
    assert (summary.done, summary.skipped_by_reason) == (1, {"done": 4})
    assert "4 files are whole: 0 by their digests, 4 by their size only" in heard.said


def test_a_dry_run_only_tells(server: FaultServer, tmp_path: Path):
    fetched(server, tmp_path, digest="md5")
    damage(tmp_path / "1")
    os.unlink(tmp_path / "2")
    os.truncate(tmp_path / "3", 10)
    before = files_in(tmp_path)
    for _ in range(2):
        run = run_pdl("--verify", "--dry-run", "-d", tmp_path, "--json")
        assert run.returncode == 6
        assert "1 is damaged: its md5 has changed" in run.stdout
        assert "2 is missing" in run.stdout
        assert "3 has 10 bytes, where 1000 were fetched" in run.stdout
        assert "2 files are whole by their digests" in run.stderr
    assert server.requests == []
    assert files_in(tmp_path) == before
    assert pdl.download_all(None, tmp_path, verify=True).done == 3
    assert files_in(tmp_path) == expected(server, TARGETS)


def test_a_dry_run_needs_something_to_tell_and_no_list(tmp_path: Path):
    assert run_pdl("--dry-run", "-d", tmp_path).returncode == 2
    assert run_pdl("--verify", "--dry-run", "http://h/x", "-d", tmp_path).returncode == 2


def test_files_of_others_are_taken_over(server: FaultServer, tmp_path: Path):
    urls = [server.url(target) for target in TARGETS[:2]]
    (tmp_path / "0").write_bytes(b"theirs")
    assert pdl.download_all(urls[:1], tmp_path).skipped_by_reason == {"exists": 1}
    assert pdl.download_all(urls[:1], tmp_path, verify=True).skipped_by_reason == {"done": 1}
    assert pdl.download_all(urls[:1], tmp_path).skipped_by_reason == {"done": 1}
    assert server.requests == []
    assert (tmp_path / "0").read_bytes() == b"theirs"


# --checksums


def checksums(dest: Path, digests: dict[str, str]) -> Path:
    path = dest.parent / "SHA256SUMS"
    path.write_text("".join(f"{value}  {name}\n" for name, value in digests.items()))
    return path


def test_digests_come_from_a_file(engine_name, server: FaultServer, tmp_path: Path):
    dest = tmp_path / "out"
    digests = {str(n): hashlib.sha256(server.content(f"/file/{n}")).hexdigest() for n in range(4)}
    digests["3"] = "0" * 64
    path = checksums(dest, digests)
    urls = [server.url(target) for target in TARGETS]
    summary = pdl.download_all(urls, dest, engine=engine_name, checksums=path)
    assert (summary.done, summary.failed_by_kind) == (4, {"digest": 1})
    damage(dest / "1")
    server.clear()
    summary = pdl.download_all(urls[:3], dest, engine=engine_name, verify=True, checksums=path)
    assert (summary.done, summary.skipped_by_reason) == (1, {"done": 2})
    damage(dest / "2")  # the ledger has kept what the file said
    assert pdl.download_all(urls[:3], dest, engine=engine_name, verify=True).done == 1


@pytest.mark.parametrize(
    ("line", "path", "digest"),
    [
        ("d" * 64 + "  a.bin", "a.bin", Digest("sha256", "d" * 64)),
        ("D" * 40 + " *./a b/c.bin", "a b/c.bin", Digest("sha1", "d" * 40)),
        ("\\" + "d" * 32 + "  a\\\\b\\nc", "a\\b\nc", Digest("md5", "d" * 32)),
        ("SHA512 (x (1).bin) = " + "d" * 128, "x (1).bin", Digest("sha512", "d" * 128)),
        ("d" * 64 + "   leading", " leading", Digest("sha256", "d" * 64)),
    ],
)
def test_a_line_gives_a_path_its_digest(tmp_path: Path, line: str, path: str, digest: Digest):
    (tmp_path / "sums").write_text(f"# made by somebody\n\n{line}\n")
    known = Checksums(str(tmp_path / "sums"))
    assert known.digest(path) == digest
    assert known.digest(path + "x") is None
    known.close()


@pytest.mark.parametrize("text", ["hello\n", "abc  x\n", "d" * 63 + "  x\n", "d" * 64 + " x\n", "SHA256 x = 00\n"])
def test_what_is_no_checksum_is_told_with_its_line(tmp_path: Path, text: str):
    (tmp_path / "sums").write_text("d" * 64 + "  good\n" + text)
    with pytest.raises(pdl.SettingsError, match="sums:2 "):
        pdl.download_all(["http://h.invalid/x"], tmp_path / "out", checksums=tmp_path / "sums")


def test_a_file_of_checksums_that_is_not_there_is_one_message(tmp_path: Path):
    run = run_pdl("http://h.invalid/x", "-d", tmp_path / "out", "--checksums", tmp_path / "none")
    assert run.returncode == 2
    assert "the checksums" in run.stderr
    assert "Traceback" not in run.stderr


NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1)


@given(NAMES.filter(lambda name: not name.startswith("./")))
def test_every_name_comes_back(tmp_path_factory, name: str):
    path = tmp_path_factory.mktemp("sums") / "sums"
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "" if escaped == name else "\\"
    path.write_text(f"{mark}{'a' * 64}  {escaped}\n", encoding="utf-8", newline="\n")
    known = Checksums(str(path))
    assert known.digest(name) == Digest("sha256", "a" * 64)
    known.close()


@pytest.mark.parametrize("other", ["update", "overwrite"])
def test_what_asks_the_servers_does_not_verify_as_well(other: str):
    with pytest.raises(pdl.SettingsError, match=f"verify and {other} exclude each other"):
        pdl.Settings(verify=True, **{other: True})
