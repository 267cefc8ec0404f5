import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdl.errors import Kind
from pdl.model import Digest, Download, Malformed
from pdl.sources.lines import DIGEST_LENGTHS, LONGEST, SHOWN, entry_of, entry_of_bytes, entry_of_text

SHA256 = "ab" * 32


def test_a_bare_url_is_a_download():
    assert entry_of_bytes(b"https://h/a.jpg", "l:3") == Download(
        "https://h/a.jpg", line="https://h/a.jpg", where="l:3"
    )


def test_the_url_is_canonical_and_the_line_stays_as_it_stood():
    entry = entry_of_bytes(b" HTTP://Example.COM:80/a b#top ", "l:1")

    assert entry.url == "http://example.com/a%20b"
    assert entry.line == " HTTP://Example.COM:80/a b#top "


def test_every_field_finds_its_place():
    line = f"https://h/a\thttps://m/a\tname=b.jpg\tsha256={SHA256.upper()}\tsize=12\thttp://n/?x=1"

    assert entry_of(line, "l:1") == Download(
        "https://h/a",
        mirrors=("https://m/a", "http://n/?x=1"),
        name="b.jpg",
        digest=Digest("sha256", SHA256),
        size=12,
        line=line,
        where="l:1",
    )


@pytest.mark.parametrize(("algorithm", "length"), DIGEST_LENGTHS.items())
def test_each_digest_has_its_length(algorithm, length):
    assert entry_of(f"http://h/\t{algorithm}={'a' * length}", "").digest == Digest(algorithm, "a" * length)
    assert isinstance(entry_of(f"http://h/\t{algorithm}={'a' * (length - 1)}", ""), Malformed)


def test_of_several_digests_the_strongest_counts():
    line = f"http://h/\tmd5={'a' * 32}\tsha256={SHA256}\tsha1={'b' * 40}"

    assert entry_of(line, "").digest == Digest("sha256", SHA256)


def test_userinfo_goes_to_the_credentials_of_its_own_url():
    entry = entry_of("http://u:p%40q@h/a\thttp://m/a\thttp://v@n/a", "")

    assert (entry.url, *entry.mirrors) == ("http://h/a", "http://m/a", "http://n/a")
    assert entry.credentials == (("http://h/a", "u:p@q"), ("http://n/a", "v:"))


def test_a_mirror_that_repeats_the_url_is_dropped():
    assert entry_of("http://h/a\tHTTP://H/a\thttp://m/\thttp://m/#x", "").mirrors == ("http://m/",)


@pytest.mark.parametrize(
    "line", [b"", b"\r", b"  ", b"\t", b"# http://h/", b"#\xff\0", b"#" * (LONGEST + 9), b"\xef\xbb\xbf"]
)
def test_blank_lines_and_comments_are_no_entries(line):
    assert entry_of_bytes(line, "") is None


@pytest.mark.parametrize("line", [b"\xef\xbb\xbfhttp://h/a", b"http://h/a\r", b"\xef\xbb\xbfhttp://h/a\r"])
def test_a_byte_order_mark_and_crlf_do_not_matter(line):
    assert entry_of_bytes(line, "l:1") == Download("http://h/a", line="http://h/a", where="l:1")


def test_a_comment_may_follow_a_byte_order_mark():
    assert entry_of_bytes(b"\xef\xbb\xbf# list", "") is None


def test_empty_columns_are_passed_over():
    assert entry_of("http://h/a\t\tname=x\t", "").name == "x"


@pytest.mark.fault(57)
@pytest.mark.parametrize(
    "line",
    [
        b"example.com/a",
        b"hello",
        b"http:/h/a",
        b"http://",
        b"http://h/\0",
        b"http://h/\x1b[31m",
        b"http://h/a\rb",
        b"http://h/\xff",
        b"\xff\xfe",
        b"\thttp://h/",
        b"http://h/\tname=",
        b"http://h/\tname=a\0b",
        b"http://h/\tname=a\tname=b",
        b"http://h/\tcolour=red",
        b"http://h/\tproxy=http://p/",
        b"http://h/\tNAME=a",
        b"http://h/\tcat.jpg",
        b"http://h/\tsize=",
        b"http://h/\tsize=-1",
        b"http://h/\tsize=1_0",
        "http://h/\tsize=\u0663".encode(),
        b"http://h/\tsize=" + b"9" * 5000,
        b"http://h/\tsha256=" + b"g" * 64,
        ("http://h/\tmd5=" + "\u0660" * 32).encode(),
        b"http://h/" + b"a" * LONGEST,
    ],
)
def test_what_cannot_be_understood_is_malformed_input(line):
    entry = entry_of_bytes(line, "l:7")

    assert isinstance(entry, Malformed)
    assert (entry.kind, entry.where) == (Kind.INPUT, "l:7")
    assert entry.message


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    "line", ["ftp://h/a", "file:///etc/passwd", "javascript:alert(1)", "http://h/\tgopher://m/"]
)
def test_other_schemes_are_blocked(line):
    assert entry_of(line, "").kind is Kind.BLOCKED


@pytest.mark.fault(57)
def test_the_longest_line_is_read_and_one_byte_more_is_not():
    longest = b"http://h/" + b"a" * (LONGEST - 9)

    assert isinstance(entry_of_bytes(longest + b"\r", ""), Download)
    assert isinstance(entry_of_bytes(longest + b"a", ""), Malformed)
    assert isinstance(entry_of_text(longest.decode() + "\n", ""), Download)
    assert isinstance(entry_of_text(longest.decode() + "a\n", ""), Malformed)


def test_an_over_long_string_is_measured_in_bytes():
    assert isinstance(entry_of_text("http://h/" + "€" * (LONGEST // 3), ""), Malformed)


@pytest.mark.fault(57)
def test_a_malformed_line_is_escaped_and_cut():
    entry = entry_of_bytes(b"\x1b]0;x\x07\xff\r\n\xe2\x80\xae" + b"a" * 500, "")

    assert entry.line.startswith("\\x1b]0;x\\x07\\xff\\r\\n\\u202eaaa")
    assert entry.line.isprintable()
    assert len(entry.line) == SHOWN


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    "line",
    [
        "http://user:hidden@h/\0",
        "http://user:very hidden@h/\0",
        "http://h/\tftp://user:hidden@m/",
        "http://user:" + "hidden" * 300 + "@h/\0",
        "http://user:" + "hidden" * 30 + "@h/\0",
        "http://user:hidden@h/" + "a" * LONGEST,
        "http://h:99999/\thttp://user:hidden@h/",
        "http://h/" + "a" * 970 + "\thttp://user:hidden@m/\0",
    ],
)
def test_a_malformed_line_shows_no_userinfo(line):
    for entry in (entry_of_bytes(line.encode(), ""), entry_of_text(line, "")):
        assert isinstance(entry, Malformed)
        assert "hid" not in entry.line + entry.message


def test_a_message_does_not_grow_with_the_line():
    assert len(entry_of("http://" + "a" * 60_000 + "!/", "").message) <= SHOWN


@pytest.mark.fault(57)
@given(st.binary(max_size=200))
@example(b"\t=\t")
@example(b"http://[::1/")
@example(b"http://h\ttp://h/\tname=\xed\xa0\x80")
def test_any_bytes_give_a_download_a_malformed_line_or_nothing(raw):
    entry = entry_of_bytes(raw, "l:1")

    assert entry is None or isinstance(entry, (Download, Malformed))
    if isinstance(entry, Malformed):
        assert entry.line.isprintable()
        assert entry.message.isprintable()


urls = st.builds(
    "{}://{}{}/{}".format,
    st.sampled_from(["http", "https", "HTTP"]),
    st.sampled_from(["", "u:p@", "ü:%40@"]),
    st.sampled_from(["h", "example.com:8080", "[::1]", "bücher.example"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
lines = st.builds(
    lambda url, mirrors, fields: "\t".join([url, *mirrors, *fields]),
    urls,
    st.lists(urls, max_size=2),
    st.permutations(["size=12", f"sha256={SHA256}"]),
)


@given(lines, names)
def test_a_download_can_be_fed_back_by_its_line(line, name):
    entry = entry_of(f"{line}\tname={name}", "l:1")

    assert isinstance(entry, Download)
    assert entry.name == name
    assert entry_of_bytes(entry.line.encode(), "l:1") == entry
