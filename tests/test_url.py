"""URLs: one canonical form, references resolved, secrets masked."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdl import url as urls
from pdl.errors import Kind
from pdl.url import Canonical, UrlError, canonical, concealed, masked, origin, remove_dot_segments, resolve, split

ON_THE_WIRE = re.compile(
    r"https?://[a-z0-9._-]+(?::\d+)?/[!$%&'()*+,;=:@/?A-Za-z0-9._~-]*|https?://\[[0-9a-f:.]+\].*"
)
"""Letters that may stand in a request; no userinfo, no fragment, no blank."""

CANONICAL = {
    # scheme and host in lower case (RFC 3986 section 6.2.2.1)
    "HTTP://Example.COM/A": "http://example.com/A",
    "https://h": "https://h/",
    "http://h?q": "http://h/?q",
    "http://h#f": "http://h/",
    # ports (section 6.2.3)
    "http://h:80/": "http://h/",
    "https://h:443/": "https://h/",
    "http://h:443/": "http://h:443/",
    "https://h:80/": "https://h:80/",
    "http://h:/": "http://h/",
    "http://h:0080/": "http://h/",
    "http://h:08080/": "http://h:8080/",
    "http://h:1/": "http://h:1/",
    "http://h:65535/": "http://h:65535/",
    # dot segments (section 5.2.4)
    "http://h/a/b/c/./../../g": "http://h/a/g",
    "http://h/..": "http://h/",
    "http://h/../../a": "http://h/a",
    "http://h/a/.": "http://h/a/",
    "http://h/a/..": "http://h/",
    "http://h/a/..b/.c": "http://h/a/..b/.c",
    "http://h/a?b=/../c": "http://h/a?b=/../c",
    "http://h//a//b/": "http://h//a//b/",
    # escapes that are there stay, in their own case; what may not stand there is encoded as UTF-8
    "http://h/%7e%7E%2f%2e%2e/": "http://h/%7e%7E%2f%2e%2e/",
    "http://h/a b": "http://h/a%20b",
    "  http://h/a  ": "http://h/a",
    "http://h/100%": "http://h/100%25",
    "http://h/%zz%4": "http://h/%25zz%254",
    "http://h/ä/日?ö=ü": "http://h/%C3%A4/%E6%97%A5?%C3%B6=%C3%BC",
    'http://h/"<>\\^`{|}[]': "http://h/%22%3C%3E%5C%5E%60%7B%7C%7D%5B%5D",
    "http://h/?a[]=1&b=%": "http://h/?a%5B%5D=1&b=%25",
    "http://h/a?b?c": "http://h/a?b?c",
    "http://h/?": "http://h/?",
    "http://h/\x80\u2028": "http://h/%C2%80%E2%80%A8",
    "http://h/a#b?c#d": "http://h/a",
    # hosts
    "http://bücher.example/": "http://xn--bcher-kva.example/",
    "http://BÜCHER.example/": "http://xn--bcher-kva.example/",
    "http://\uff45xample\u3002com/": "http://example.com/",
    "http://straße.de/": "http://xn--strae-oqa.de/",
    "http://example.com./": "http://example.com./",
    "http://a_b.example/": "http://a_b.example/",
    "http://a--b.example/": "http://a--b.example/",
    "HTTP://" + "a" * 254 + "/": "http://" + "a" * 254 + "/",
    "http://127.0.0.1:81/": "http://127.0.0.1:81/",
    "http://[::1]/": "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]:80/": "http://[::1]/",
    "https://[2001:DB8::A]:8443/x": "https://[2001:db8::a]:8443/x",
    "http://[::FFFF:1.2.3.4]/": "http://[::ffff:1.2.3.4]/",
    "http://[::ffff:102:304]/": "http://[::ffff:1.2.3.4]/",
}


@pytest.mark.parametrize(("text", "expected"), CANONICAL.items())
def test_a_url_has_one_canonical_form(text: str, expected: str):
    assert canonical(text) == Canonical(expected, None)
    assert canonical(expected) == Canonical(expected, None)


INPUT = [
    "", " ", "h", "example.com/a", "/a", "//h/a", "://h/", "http", "http:", "http:/", "http:h/", "http:/h/",
    "http://", "http:///a", "http://?q", "http://:80/", "http://@/", "localhost:8080/a", "localhost:8080", "h:80?q",
    "h:80#f", "ht tp://h/", "1http://h/", "http://h\n/", "http://h/\r\nX: y", "http://h/\0", "http://h/\x7f",
    "http://h/\ud800", "http://a b/", "http://a%20b/", "http://a,b/", "http://.a/", "http://a..b/", "http://-a/",
    "http://a-/", "http://a-.b/", "http://a.-b/", "http://a-:81/", "http://" + "a" * 255 + "/", "http://\u00ad/",
    "http://h:0/", "http://h:65536/", "http://h:-1/", "http://h:8o/", "http://h:²/", "http://h:80:80/",
    "http://h:+80/", "http://[/", "http://[]/", "http://[::1/", "http://[::1]80/", "http://[::1]:x/",
    "http://[1.2.3.4]/", "http://[::g]/", "http://[v1.a]/", "http://[fe80::1%eth0]/", "http://[fe80::1%25eth0]/",
    "http://[::1%a b]/", "http://a\u2488com/", "http://a:b:c@/", "http://u%0a:p@h/", "http://u%3Ab:p@h/",
]  # fmt: skip


@pytest.mark.parametrize("text", INPUT)
def test_what_is_no_url_is_refused_as_input(text: str):
    with pytest.raises(UrlError) as raised:
        canonical(text)
    assert raised.value.kind is Kind.INPUT
    assert str(raised.value)


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "ftp://h/a",
        "gopher://h/",
        "data:,x",
        "javascript:alert(1)",
        "mailto:a@b",
        "C:\\x",
        "ws://h/",
    ],
)
def test_other_schemes_are_blocked(text: str):
    with pytest.raises(UrlError, match="only http and https are fetched, not") as raised:
        canonical(text)
    assert raised.value.kind is Kind.BLOCKED


def test_a_url_error_survives_pickling():
    error = pickle.loads(pickle.dumps(UrlError(Kind.BLOCKED, "no")))
    assert (error.kind, str(error)) == (Kind.BLOCKED, "no")


# userinfo


@pytest.mark.parametrize(
    ("userinfo", "expected"),
    [
        ("u:p", "u:p"), ("u", "u:"), ("u:", "u:"), (":p", ":p"), (":", None), ("", None),
        ("u:p:q", "u:p:q"), ("u%40x:p%3Aq", "u@x:p:q"), ("a@b:c@d", "a@b:c@d"), ("ü:%C3%BC", "ü:ü"),
        ("u:%FF", "u:\ufffd"), ("u:%", "u:%"),
    ],
)  # fmt: skip
def test_userinfo_is_taken_out_and_decoded(userinfo: str, expected: str | None):
    assert canonical(f"http://{userinfo}@h/a") == Canonical("http://h/a", expected)


def test_the_host_is_what_follows_the_last_at_sign_before_the_path():
    assert canonical("http://good.example\\@evil.example/@x").url == "http://evil.example/@x"
    assert canonical("http://h/u:p@x") == Canonical("http://h/u:p@x", None)
    assert canonical("http://h?u:p@x") == Canonical("http://h/?u:p@x", None)


@pytest.mark.parametrize(
    "text",
    ["http://user:secret/x@h/", "http://user:secret#x@h/", "http://user:secret?x@h/", "http://u:secret%0a@h/"],
)
def test_a_broken_password_is_not_in_the_message(text: str):
    with pytest.raises(UrlError) as raised:
        canonical(text)
    assert "secret" not in str(raised.value)


# the fast way and the slow one

PIECES = st.sampled_from(
    [
        "http", "https", "ftp", ":", "/", "//", "://", "?", "#", "@", "[", "]", "%", "%2", "%41", "%2e", "..",
        ".", "-", "_", "a", "h.example", "ä", "日本", "\u3002", "80", "443", "8080", "65536", "0", "::1",
        "\\", " ", "\t", "\n", "\0", "\x7f", "\x80", "\ud800", "\u200d", "\u0301", "'", '"', "(", "&", "=", "+",
    ]
)  # fmt: skip
URLISH = st.builds("".join, st.lists(PIECES, max_size=12)) | st.builds(
    "{}://{}{}".format,
    st.sampled_from(["http", "https"]),
    st.builds("".join, st.lists(PIECES, max_size=5)),
    st.builds("".join, st.lists(PIECES, max_size=8)),
)


def outcome(function, *args):
    try:
        return function(*args)
    except UrlError as error:
        return error.kind, error.message


@given(URLISH | st.text())
@example("http://" + "a" * 253 + "/")
@example("http://" + "a" * 254 + "/")
@example("http://h:00080/")
@example("http://h/x://a-/")
def test_the_fast_and_the_slow_way_agree(text: str):
    assert outcome(canonical, text) == outcome(urls._canonical, text)


@pytest.mark.fault(57)
@given(URLISH | st.text(), st.binary(max_size=40))
def test_whatever_is_given_a_url_comes_or_a_url_error(text: str, junk: bytes):
    for given_text in (text, "http://" + text, junk.decode("utf-8", "surrogateescape")):
        found = outcome(canonical, given_text)
        if isinstance(found, Canonical):
            assert ON_THE_WIRE.fullmatch(found.url)
            assert found.url.isascii()
            assert canonical(found.url) == Canonical(found.url, None)


# resolving references

RFC_3986_NORMAL = {  # section 5.4.1, with http for the base's scheme as it stands there
    "g": "http://a/b/c/g",
    "./g": "http://a/b/c/g",
    "g/": "http://a/b/c/g/",
    "/g": "http://a/g",
    "//g": "http://g/",
    "?y": "http://a/b/c/d;p?y",
    "g?y": "http://a/b/c/g?y",
    "#s": "http://a/b/c/d;p?q",
    "g#s": "http://a/b/c/g",
    "g?y#s": "http://a/b/c/g?y",
    ";x": "http://a/b/c/;x",
    "g;x": "http://a/b/c/g;x",
    "g;x?y#s": "http://a/b/c/g;x?y",
    "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/",
    "./": "http://a/b/c/",
    "..": "http://a/b/",
    "../": "http://a/b/",
    "../g": "http://a/b/g",
    "../..": "http://a/",
    "../../": "http://a/",
    "../../g": "http://a/g",
}
RFC_3986_ABNORMAL = {  # section 5.4.2
    "../../../g": "http://a/g",
    "../../../../g": "http://a/g",
    "/./g": "http://a/g",
    "/../g": "http://a/g",
    "g.": "http://a/b/c/g.",
    ".g": "http://a/b/c/.g",
    "g..": "http://a/b/c/g..",
    "..g": "http://a/b/c/..g",
    "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/",
    "g/./h": "http://a/b/c/g/h",
    "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y",
    "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x",
    "g?y/../x": "http://a/b/c/g?y/../x",
    "g#s/./x": "http://a/b/c/g",
    "g#s/../x": "http://a/b/c/g",
}
OTHER_REFERENCES = {
    "https://h/x": "https://h/x",
    "HTTPS://H": "https://h/",
    "//H:80/x": "http://h/x",
    " /a b\t": "http://a/a%20b",
    "ä?ö": "http://a/b/c/%C3%A4?%C3%B6",
    "./x:y": "http://a/b/c/x:y",
    "\\\\evil.example/x": "http://a/b/c/%5C%5Cevil.example/x",
}


@pytest.mark.parametrize(
    ("reference", "expected"), (RFC_3986_NORMAL | RFC_3986_ABNORMAL | OTHER_REFERENCES).items()
)
def test_a_reference_is_resolved_as_the_rfc_says(reference: str, expected: str):
    assert resolve("http://a/b/c/d;p?q", reference) == Canonical(expected, None)


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("g:h", Kind.BLOCKED), ("file:///etc/passwd", Kind.BLOCKED), ("data:,x", Kind.BLOCKED),
        ("http:g", Kind.INPUT), ("///path", Kind.INPUT), ("//", Kind.INPUT), ("http://", Kind.INPUT),
        ("/a\r\nX: y", Kind.INPUT), ("/\0", Kind.INPUT), ("http://h:x/", Kind.INPUT),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_is_refused(reference: str, kind: Kind):
    with pytest.raises(UrlError) as raised:
        resolve("http://a/b/c/d;p?q", reference)
    assert raised.value.kind is kind


def test_a_reference_keeps_scheme_port_and_brackets_of_its_base():
    assert resolve("https://h:8443/a/b?c", "//o/x").url == "https://o/x"
    assert resolve("https://h:8443/a/b?c", "/x").url == "https://h:8443/x"
    assert resolve("http://[::1]:81/a/b", "x").url == "http://[::1]:81/a/x"
    assert resolve("http://h/a", "http://u:p@o/x") == Canonical("http://o/x", "u:p")


@given(URLISH | st.text())
def test_any_reference_gives_a_canonical_url_or_a_url_error(reference: str):
    found = outcome(resolve, "https://h:81/a/b?c", reference)
    if isinstance(found, Canonical):
        assert canonical(found.url) == Canonical(found.url, None)


def rfc_remove_dot_segments(path: str) -> str:
    """RFC 3986 section 5.2.4 to the letter, for absolute paths."""
    out = ""
    while path:
        if path.startswith("/./"):
            path = path[2:]
        elif path == "/.":
            path = "/"
        elif path.startswith("/../"):
            path, out = path[3:], out.rpartition("/")[0]
        elif path == "/..":
            path, out = "/", out.rpartition("/")[0]
        else:
            end = path.find("/", 1)
            end = len(path) if end < 0 else end
            path, out = path[end:], out + path[:end]
    return out


@given(st.lists(st.sampled_from(["/", "/.", "/..", "a", ".", "..", "/a"]), max_size=12).map("".join))
def test_dot_segments_go_as_the_rfc_removes_them(rest: str):
    path = "/" + rest
    assert remove_dot_segments(path) == rfc_remove_dot_segments(path)


# taking apart


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://h/", ("http", "h", 80, "h", "/")),
        ("https://h/a/b?c=//d", ("https", "h", 443, "h", "/a/b?c=//d")),
        ("http://h:81/?", ("http", "h", 81, "h:81", "/?")),
        ("http://[::1]/x", ("http", "::1", 80, "[::1]", "/x")),
        ("https://[2001:db8::a]:8443/x:y", ("https", "2001:db8::a", 8443, "[2001:db8::a]:8443", "/x:y")),
    ],
)
def test_a_canonical_url_is_taken_apart(url: str, parts: tuple[object, ...]):
    assert tuple(split(url)) == parts


@pytest.mark.parametrize("start", ["http://h", "https://h", "http://h:81", "https://[::1]:81"])
def test_the_origin_is_scheme_and_authority(start: str):
    assert origin(start + "/") == origin(start + "/a?b=c/d") == start


# masking


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://u:p@h/", "http://***@h/"),
        ("see https://token@h/a and http://a:b@c", "see https://***@h/a and http://***@c"),
        ("http://u:p@q@h/", "http://***@h/"), ("http://h/a@b", "http://h/a@b"),
        ("http://h?x=a@b", "http://h?x=a@b"), ("a@b.example", "a@b.example"), ("http://h/ a@b", "http://h/ a@b"),
        ("", ""),
    ],
)  # fmt: skip
def test_userinfo_is_masked_wherever_it_stands(text: str, expected: str):
    assert masked(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://u:p@h/", "http://***@h/"), ("http://u:p/q?r#s@h/", "http://***@h/"), ("u:p@h", "***@h"),
        ("h/x", "h/x"), ("//u:p@h/a b", "//***@h/a b"), ("http:/u:p@h", "http:/***@h"), ("a b@c@d", "***@d"),
        ("", ""), ("http://u:p@h/\tname=x\thttp://v:q@m/", "http://***@h/\tname=x\thttp://***@m/"),
    ],
)  # fmt: skip
def test_of_what_is_no_url_all_that_may_be_userinfo_is_concealed(text: str, expected: str):
    assert concealed(text) == expected


@pytest.mark.fault(27)
@given(st.text(alphabet=st.characters(exclude_characters="/?# \t\n@", exclude_categories=["Zs", "Cc", "Zl", "Zp"])))
def test_no_password_shows_through_the_mask(password: str):
    secret = f"sEcReT{password}"
    assert "sEcReT" not in masked(f"cannot fetch http://user:{secret}@h/x: no")
