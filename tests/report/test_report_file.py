"""The file that a report goes to: never one that holds something else."""

from __future__ import annotations

import json
import os
import stat
import sys

import pytest
import samples

from pdl.errors import DestinationError, SettingsError
from pdl.report.file import ReportFile


@pytest.mark.parametrize("path", ["urls.txt", "-", "http://h/a.html", "report", ".html", "a.html.gz", "a b.txt"])
def test_what_is_no_report_is_refused_with_the_right_order(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        ReportFile(path)
    assert str(caught.value).startswith(f"--report takes a file that ends in .html, .json or .md, not {path!r}; ")
    assert "if that is a list, it goes before: pdl " in str(caught.value)
    if path == "urls.txt":
        assert str(caught.value).endswith(": pdl urls.txt --report")


@pytest.mark.parametrize("name", ["a.html", "b.JSON", "c.Md"])
def test_the_ending_tells_the_form_and_a_report_is_replaced(name, tmp_path):
    path = tmp_path / name
    path.touch()
    it = samples.one_row()
    for _ in range(2):
        ReportFile(str(path)).write(it)
    form = {"html": it.to_html, "json": it.to_json, "md": it.to_markdown}[name[2:].lower()]
    assert path.read_text(encoding="utf-8") == form()
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("report", samples.REPORTS.values(), ids=samples.REPORTS)
@pytest.mark.parametrize("name", ["a.json", "a.md"])
def test_every_report_is_known_again(name, report, tmp_path):
    for _ in range(2):
        ReportFile(str(tmp_path / name)).write(report)


@pytest.mark.parametrize(
    "content",
    [
        "http://h/a\n",
        "\0\1\2\xff",
        "<!doctype html>\n<title>mine</title>",
        '{"schema": "other/1"}',
        '["pdl.run/1"]',
        "# mine\n\n<!-- pdl report -->\n",
        'http://h/ <meta name="generator" content="pdl 0.1.0">\n',
        "\n",
    ],
)
@pytest.mark.parametrize("name", ["a.html", "a.json", "a.md"])
def test_nothing_else_is_replaced(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(SettingsError, match="exists and is no report of pdl's"):
        ReportFile(str(path))
    assert path.read_bytes() == content.encode("latin-1")


def test_a_list_is_never_replaced_even_an_empty_one_under_another_name(tmp_path):
    (tmp_path / "list.md").touch()
    os.link(tmp_path / "list.md", tmp_path / "other.md")
    with pytest.raises(SettingsError, match="something else"):
        ReportFile(str(tmp_path / "other.md"), [str(tmp_path / "none"), str(tmp_path / "list.md"), "-"])


def test_a_folder_is_refused(tmp_path):
    (tmp_path / "a.html").mkdir()
    with pytest.raises(SettingsError, match="it is a folder"):
        ReportFile(str(tmp_path / "a.html"))


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="there is no folder"):
        ReportFile(str(tmp_path / "none" / "a.json"))


def test_a_nul_in_the_name_is_refused():
    with pytest.raises(SettingsError):
        ReportFile("a\0b.json")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_must_not_be_written_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(SettingsError, match="cannot be written: Permission denied"):
            ReportFile(str(tmp_path / "a.json"))
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(SettingsError, match="is no report"):
        ReportFile(str(tmp_path / "a.json"))


def test_looking_leaves_nothing_behind(tmp_path):
    ReportFile(str(tmp_path / "a.html"))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_in_the_end_says_so_and_keeps_the_old(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    file = ReportFile(str(folder / "a.json"))
    folder.rmdir()
    with pytest.raises(DestinationError, match=r"the report .*a\.json' cannot be written: No such file"):
        file.write(samples.one_row())


@pytest.mark.skipif(sys.platform == "win32", reason="no such access rights")
def test_a_report_has_the_rights_that_files_have(tmp_path):
    (tmp_path / "other").touch()
    ReportFile(str(tmp_path / "a.json")).write(samples.one_row())
    rights = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("other", "a.json")]
    assert rights[0] == rights[1]
    json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
