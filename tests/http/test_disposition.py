"""Content-Disposition as servers send it, and as an attacker would: a name or none, and never an exception."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdl.http.disposition import file_name
from pdl.naming import safe_name


def utf8(text: str) -> str:
    """Raw UTF-8 as the head's parser gives it."""
    return text.encode().decode("latin-1")


DECOMPOSED, TURNED, INVISIBLE = utf8("e\u0301"), utf8("gpj.\u202eexe"), utf8("\u200b")

NAMES = {
    # the grammar of RFC 6266
    "attachment; filename=a.png": "a.png",
    'attachment; filename="a.png"': "a.png",
    'inline; filename="a.png"': "a.png",
    'form-data; name="field"; filename="a.png"': "a.png",
    'x-unheard-of; filename="a.png"': "a.png",
    'ATTACHMENT; FILENAME="A.PNG"': "A.PNG",
    'attachment;filename="a.png"': "a.png",
    'attachment ; filename = "a.png" ; size=1': "a.png",
    'attachment;\tfilename\t=\t"a.png"': "a.png",
    'attachment; creation-date="Wed, 12 Feb 1997 16:29:51 -0500"; filename="a.png"': "a.png",
    'attachment; filename="a;b=c.png"': "a;b=c.png",
    'attachment; filename="a, b.png"': "a, b.png",
    r'attachment; filename="a\"b\".png"': 'a"b".png',
    r'attachment; filename="a\;b.png"': "a;b.png",
    r'attachment; filename="f\oo.html"': "foo.html",
    'attachment; note="; filename=no.png"; filename=yes.png': "yes.png",
    r'attachment; note="\"; filename=no.png"; filename=yes.png': "yes.png",
    # RFC 8187
    "attachment; filename*=UTF-8''%e2%82%ac%20rates.png": "€ rates.png",
    "attachment; filename*=utf-8'en'%E2%82%AC.png": "€.png",
    "attachment; filename*=iso-8859-1'de'%E4.png": "ä.png",
    "attachment; FILENAME*=Utf-8''a.png": "a.png",
    "attachment; filename*=UTF8''%c3%a4.png": "ä.png",
    "attachment; filename*=\"UTF-8''%c3%a4.png\"": "ä.png",
    f"attachment; filename*=UTF-8''{utf8('ä')}.png": "ä.png",
    "attachment; filename*=UTF-8''it%27s.png": "it's.png",
    "attachment; filename*=UTF-8''it's.png": "it's.png",
    "attachment; filename*=UTF-8''a+b.png": "a+b.png",
    "attachment; filename*=UTF-8''100%25.png": "100%.png",
    "attachment; filename*=UTF-8''%2525.png": "%25.png",  # decoded once
    "attachment; filename*=UTF-8''=?utf-8?q?a?=.png": "=?utf-8?q?a?=.png",
    "attachment; filename=\"no.png\"; filename*=UTF-8''yes.png": "yes.png",
    "attachment; filename*=UTF-8''yes.png; filename=\"no.png\"": "yes.png",
    "attachment; filename*=UTF-8''1.png; filename*=UTF-8''2.png": "1.png",
    # a broken extended value is passed over
    "attachment; filename*=UTF-8''%e2%82.png; filename=a.png": "a.png",
    "attachment; filename*=UTF-8''%zz.png; filename=a.png": "a.png",
    "attachment; filename*=UTF-8''50%; filename=a.png": "a.png",
    "attachment; filename*=UTF-8''; filename=a.png": "a.png",
    "attachment; filename*=UTF-8'%41.png; filename=a.png": "a.png",
    "attachment; filename*=b.png; filename=a.png": "a.png",
    "attachment; filename*=GBK''%c4%e3.png; filename=a.png": "a.png",
    "attachment; filename*=''b.png; filename=a.png": "a.png",
    "attachment; filename*=rot13''b.png; filename=a.png": "a.png",
    "attachment; filename*=UTF-8''%c3%28.png; filename*=UTF-8''b.png; filename=a.png": "b.png",
    "attachment; filename*=UTF-8''..%2f; filename=a.png": "a.png",
    "attachment; filename*=GBK''%c4%e3.png": None,
    # what the grammar does not allow
    "filename=a.png": "a.png",
    'filename="a.png"; attachment': "a.png",
    "; filename=a.png": "a.png",
    "attachment;;; filename=a.png;;": "a.png",
    "attachment; filename=a b.png": "a b.png",
    "attachment; filename=a,b.png": "a,b.png",
    "attachment; filename=[a](b)@c.png": "[a](b)@c.png",
    "attachment; filename==a.png": "=a.png",
    "attachment; filename='a.png'": "'a.png'",
    'attachment; filename=a"b.png': 'a"b.png',
    'attachment; filename="a.png': "a.png",
    'attachment; filename="a.png\\': "a.png",
    'attachment; filename="a.png"junk; size=1': "a.png",
    'attachment; filename="a.png" filename="b.png"': "a.png",
    'attachment; filename="a.png"; filename="b.png"': "a.png",
    'attachment; filename=""; filename="b.png"': "b.png",
    'attachment; filename="a.png", attachment; filename="b.png"': "a.png",
    "attachment; filename= a.png ": "a.png",
    'attachment; filename=" a.png "': "a.png",
    "attachment; filename=a.": "a.",
    # beyond ASCII
    f'attachment; filename="{utf8("ä€")}.png"': "ä€.png",
    f"attachment; filename={utf8('日本語')}.png": "日本語.png",
    'attachment; filename="ä.png"': "ä.png",  # ISO-8859-1
    f'attachment; filename="{utf8("ä")}\xe4.png"': f"{utf8('ä')}\xe4.png",  # no UTF-8 as a whole
    f'attachment; filename="{DECOMPOSED}.png"': "e\u0301.png",
    'attachment; filename="caf\\\xe9.png"': "café.png",
    # encoded words of RFC 2047
    'attachment; filename="=?UTF-8?B?w6QucG5n?="': "ä.png",
    'attachment; filename="=?utf-8?Q?=C3=A4_b.png?="': "ä b.png",
    "attachment; filename==?utf-8?Q?=C3=A4.png?=": "ä.png",
    'attachment; filename="=?ISO-8859-1?Q?=E4?=.png"': "ä.png",
    'attachment; filename="=?utf-8*de?q?=C3=A4?=.png"': "ä.png",
    'attachment; filename="=?utf-8?q?a?= =?utf-8?q?b?=.png"': "ab.png",
    'attachment; filename="=?utf-8?q?a?= b.png"': "a b.png",
    'attachment; filename="=?gb2312?B?xOM=?=.png"': "你.png",
    'attachment; filename="=?utf-8?B?w6Q?=.png"': "ä.png",  # padding is missing
    'attachment; filename="=?utf-8?q?a=252eb.png?="': "a%2eb.png",  # decoded once
    'attachment; filename="=?rot13?q?n.cat?="': "=?rot13?q?n.cat?=",
    'attachment; filename="=?utf-8?q?=C3?=.png"': "=?utf-8?q?=C3?=.png",
    'attachment; filename="=?utf-8?x?a?=.png"': "=?utf-8?x?a?=.png",
    'attachment; filename="=?utf-8?q?a.png"': "=?utf-8?q?a.png",
    # escapes in a plain name, as Chrome has it
    'attachment; filename="a%20b.png"': "a b.png",
    "attachment; filename=%E2%82%AC.png": "€.png",
    'attachment; filename="a%2520b.png"': "a%20b.png",  # decoded once
    'attachment; filename="50% off.png"': "50% off.png",
    'attachment; filename="a%zz%20b.png"': "a%zz b.png",
    'attachment; filename="a%e4%20b.png"': "a%e4%20b.png",  # no UTF-8
    f'attachment; filename="{utf8("ä")}%20b.png"': "ä b.png",
    'attachment; filename="a+b.png"': "a+b.png",
    # continuations of RFC 2231 are no part of HTTP
    'attachment; filename*0="a"; filename*1=".png"': None,
    "attachment; filename*0*=UTF-8''a; filename*1*=b.png; filename=c.png": "c.png",
    # folders, of every system
    'attachment; filename="a/b/c.png"': "c.png",
    'attachment; filename="/abs/c.png"': "c.png",
    'attachment; filename="../../etc/passwd"': "passwd",
    "attachment; filename=../../etc/passwd": "passwd",
    'attachment; filename="..%2f..%2fetc%2fpasswd"': "passwd",
    "attachment; filename*=UTF-8''%2e%2e%2f%2e%2e%5cpasswd": "passwd",
    'attachment; filename="=?utf-8?q?..=2F..=5Cpasswd?="': "passwd",
    r'attachment; filename="C:\\x"': "x",
    r'attachment; filename="C:\dir\new.png"': "new.png",
    r"attachment; filename=C:\dir\new.png": "new.png",
    r'attachment; filename="\\\\server\\share\\x.png"': "x.png",
    r'attachment; filename="\\server\share\x.png"': "x.png",
    r'attachment; filename="..\\..\\x.png"': "x.png",
    'attachment; filename=".pdl/ledger.sqlite3"': "ledger.sqlite3",
    # left to be made safe
    "attachment; filename=CON": "CON",
    "attachment; filename=.htaccess": ".htaccess",
    "attachment; filename=C:x": "C:x",
    'attachment; filename="a\0b.png"': "a\0b.png",
    'attachment; filename="a\rb\nc\t.png"': "a\rb\nc\t.png",
    f'attachment; filename="{TURNED}"': "gpj.\u202eexe",
    "attachment; filename=" + "x" * 300: "x" * 300,
    # no name at all
    "": None,
    "attachment": None,
    "inline;": None,
    "attachment; filename": None,
    "attachment; filename=": None,
    'attachment; filename=""': None,
    'attachment; filename="': None,
    "attachment; filename=;": None,
    "attachment; filename=.": None,
    'attachment; filename=".."': None,
    'attachment; filename=" . . "': None,
    'attachment; filename="dir/"': None,
    'attachment; filename="\0\x01"': None,
    f'attachment; filename="{INVISIBLE}"': None,
    'attachment; filename="%2e%2e"': None,
    "attachment; xfilename=a.png": None,
    "attachment; filename.=a.png": None,
    "attachment; file name=a.png": None,
    "attachment filename=a.png": None,
    'attachment; note="; filename=a.png': None,
    '"filename=a.png"': None,
    "\0": None,
    "=;=;=": None,
}


@pytest.mark.parametrize("value", NAMES)
def test_a_field_gives_the_name_in_the_table(value: str):
    assert file_name(value) == NAMES[value]


def test_no_field_gives_no_name():
    assert file_name(None) is None


pieces = st.sampled_from(
    [
        "attachment", "filename", "filename*", ";", "=", '"', "\\", "'", "utf-8''", "=?utf-8?", "q?", "b?", "?=",
        "%2f", "%2e", "%c3", "%", "../", "C:", ".pdl", "CON", " ", "\t", "\0", "\r\n", "\x85", "\xe4", "\u202e",
        "\ud800", "a", ".",
    ]
)  # fmt: skip
texts = st.lists(pieces).map("".join) | st.text()
fields = texts | texts.map("attachment; filename={}".format) | texts.map("attachment; filename*=utf-8''{}".format)


@given(fields)
@example("filename=" + "\\" * 100_000)
@example('filename="' + '\\"' * 50_000)
@example('filename="' + "=?utf-8?q?a?= " * 7_000)
@example('filename="=?utf-8?q?' + "=?" * 50_000)
@example("filename*=utf-8''" + "'%41" * 25_000)
@example(";=" * 50_000)
def test_any_field_gives_a_name_without_folders_or_none(value: str):
    name = file_name(value)
    if name is not None:
        assert name.strip() == name
        assert name
        assert "/" not in name
        assert "\\" not in name


@given(fields)
def test_a_name_that_is_made_safe_stays_in_its_folder_and_as_it_is(value: str):
    name = file_name(value)
    if name is None:
        return
    safe = safe_name(name)
    assert safe_name(safe) == safe
    assert safe.encode()
    for system in (PurePosixPath, PureWindowsPath):
        path = system("folder", safe)
        assert (path.parent, path.name) == (system("folder"), safe)
    assert not safe.startswith(".")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\")))
def test_a_name_survives_the_way_that_rfc_8187_gives_it(text: str):
    name = f"({text})"
    encoded = "".join(f"%{byte:02x}" for byte in name.encode())
    assert file_name(f"attachment; filename=\"other\"; filename*=UTF-8''{encoded}") == name


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\%=")))
def test_a_name_in_quotes_survives_as_raw_utf_8(text: str):
    name = f"({text})"
    quoted = name.replace('"', '\\"')
    assert file_name(f'attachment; filename="{utf8(quoted)}"') == name
