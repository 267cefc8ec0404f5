"""The ledger as a file: a table, JSON lines, digests."""

from __future__ import annotations

import csv
import json
import os
import stat

import pytest

import pdl
from pdl.errors import DestinationError, Kind
from pdl.model import Digest
from pdl.storage.export import ENDINGS, export, form_of

SHA256 = Digest("sha256", "ab" * 32)


def entry(row, status="done", **more):
    nothing = dict.fromkeys(pdl.LedgerEntry._fields)
    known = {"row": row, "status": status, "url": f"http://h/{row}", "path": f"p/{row}"}
    return pdl.LedgerEntry(**(nothing | {"mirrors": (), "message": "", "attempts": 0, "where": ""} | known | more))


def written(path, *entries):
    left_out = export(entries, str(path), form_of(str(path)))
    return left_out, path.read_bytes().decode()


def test_the_ending_of_the_name_says_how(tmp_path):
    table, lines, sums = (form_of(name) for name in ("a.csv", "a.jsonl", "SHA256SUMS"))
    assert len({table, lines, sums}) == 3
    assert form_of("x/A.CSV") is table
    assert form_of("a.ndjson") is lines
    assert {form_of(name) for name in ("x/sha256sums", "my-SHA256SUMS", "a.sha256", "a.sha256sums")} == {sums}
    assert [form_of(name) for name in ("a.json", "csv", "a.csv.gz", "a.csv/b", "a.md5", "")] == [None] * 6
    assert all(form_of(f"a{ending}") for ending in ENDINGS.replace(" or ", ", ").split(", "))


def test_a_table_has_a_column_for_every_field(tmp_path):
    odd = entry(1, name='a,"b"\nc', path="ü/日", mirrors=("http://m/", "http://n/"), digest=SHA256, queued=1.25)
    other = entry(2, "failed", kind=Kind.HTTP, http_status=404, wanted_digest=Digest("md5", "00"))
    _, text = written(tmp_path / "a.csv", odd, other)
    assert "\r" not in text
    first, second = csv.DictReader(text.splitlines(keepends=True))
    assert tuple(first) == pdl.LedgerEntry._fields
    assert (first["name"], first["path"], first["mirrors"]) == ('a,"b"\nc', "ü/日", "http://m/ http://n/")
    assert (first["digest"], first["queued"], first["size"]) == (f"sha256:{SHA256.value}", "1.25", "")
    assert (second["kind"], second["http_status"], second["wanted_digest"]) == ("http", "404", "md5:00")


def test_json_lines_have_an_object_for_every_entry(tmp_path):
    odd = entry(1, name="a\nb", mirrors=("http://m/",), digest=SHA256, size=0)
    _, text = written(tmp_path / "a.jsonl", odd, entry(2, "failed", kind=Kind.DNS))
    first, second = map(json.loads, text.splitlines())
    assert tuple(first) == pdl.LedgerEntry._fields
    assert (first["name"], first["mirrors"], first["size"]) == ("a\nb", ["http://m/"], 0)
    assert (first["digest"], first["wanted_digest"]) == (f"sha256:{SHA256.value}", None)
    assert (second["row"], second["kind"], second["size"]) == (2, "dns", None)


def test_digests_are_those_of_files_that_are_there(tmp_path):
    left_out, text = written(
        tmp_path / "SHA256SUMS",
        entry(1, digest=SHA256, path="a b/ü"),
        entry(2, "skipped", reason="done", digest=SHA256),
        entry(3, "skipped", reason="not-modified", digest=SHA256),
        entry(4, "skipped", reason="exists", digest=SHA256),
        entry(5, "skipped", reason="duplicate", digest=SHA256),
        entry(6, "failed", digest=SHA256),
        entry(7, "left", digest=SHA256),
        entry(8, digest=Digest("md5", "00")),
        entry(9, wanted_digest=SHA256),
    )
    assert text == "".join(f"{SHA256.value}  {path}\n" for path in ("a b/ü", "p/2", "p/3"))
    assert left_out == 2


def test_of_nothing_there_is_still_a_file(tmp_path):
    assert written(tmp_path / "a.csv") == (0, ",".join(pdl.LedgerEntry._fields) + "\n")
    assert written(tmp_path / "a.jsonl") == written(tmp_path / "a.sha256") == (0, "")


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX access rights")
def test_an_old_file_is_replaced_with_access_rights_by_default(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old, and longer than what comes\n" * 100)
    path.chmod(0o600)
    before = os.umask(0o027)
    try:
        _, text = written(path, entry(1))
    finally:
        os.umask(before)
    assert text.count("\n") == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def breaking():
        yield entry(1)
        assert path.read_text() == "old"
        raise DestinationError("the ledger is gone")

    with pytest.raises(DestinationError, match="the ledger is gone"):
        export(breaking(), str(path), form_of(str(path)))
    assert (list(tmp_path.iterdir()), path.read_text()) == ([path], "old")


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").write_text("")
    for name in ("missing/a.csv", "file/a.csv", "folder.csv", "a\0b.csv"):
        with pytest.raises(DestinationError, match=r"the export .*\.csv' cannot be written: "):
            export([entry(1)], str(tmp_path / name), form_of(name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a disk that is full")
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def on_a_full_disk(path, *args, **more):
        open(path, "x").close()
        return open("/dev/full", "w", **{key: value for key, value in more.items() if key != "mode"})

    monkeypatch.setattr("pdl.storage.replacing.open", on_a_full_disk, raising=False)
    with pytest.raises(DestinationError, match="cannot be written: No space left on device"):
        export([entry(1)], str(tmp_path / "a.csv"), form_of("a.csv"))
    assert list(tmp_path.iterdir()) == []
