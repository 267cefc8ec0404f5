"""Names: safe everywhere, the same everywhere, and never outside the destination."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdl.errors import Kind, SettingsError
from pdl.model import Download, Malformed
from pdl.naming import Naming, hash64, identities, key, key_hash, safe_name, with_hash
from pdl.url import canonical

DEVICES = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"} | {
    f"{d}{n}" for d in ("COM", "LPT") for n in "0123456789¹²³"
}

nasty = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            './\\:<>|?*"-$ ~\x00\x1f\x7f\x85\u200b\u200d\u202e\u2028\ufeff\ud800\udfffé\u0301\u1fef\u212a¹²³'
        ),
        st.sampled_from("conprnauxulptCONLPT0123456789"),
    )
)
PIECES = ["con", "NUL", "lpt9", "COM¹", "conin$", ".", " ", "..", "é", "x" * 200, "a.jpg"]
names = st.one_of(nasty, st.lists(st.sampled_from(PIECES)).map("".join))


def path_of(url, layout="flat", output=None, name=None, row=7):
    download = Download(canonical(url).url, name=name)
    (hash_,) = identities([download])
    return Naming(layout, output).path(download, row, hash_)


def assert_safe(name):
    assert name
    assert len(name.encode()) <= 230
    assert not set(name) & set('<>:"|?*\\/')
    assert not {unicodedata.category(c) for c in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert unicodedata.is_normalized("NFC", name)
    assert name[-1] not in ". "
    assert name[0] not in ".- "
    assert name.partition(".")[0].rstrip(" ").upper() not in DEVICES
    assert key(name) != ".pdl"


@pytest.mark.fault(34)
@given(names)
@example("con.txt")
@example("lpt9 .txt")
@example("CON" + " " * 300 + "x.txt")
@example("aux" * 100)
@example("\u0344" * 200)
@example("." * 300 + "a")
@example("-" * 300)
def test_every_text_gives_a_safe_name(text):
    assert_safe(safe_name(text))


@given(names)
def test_a_safe_name_stays_as_it_is(text):
    name = safe_name(text)
    assert safe_name(name) == name


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("Ünïcode 漢字.png", "Ünïcode 漢字.png"),
        ("", "index"),
        (".", "index"),
        ("..", "index"),
        (" . ", "index"),
        (".bashrc", "_bashrc"),
        (".PDL", "_PDL"),
        ("-rf", "_rf"),
        (" -rf", "_rf"),
        ("a/b\\c", "a_b_c"),
        ("a:ads", "a_ads"),
        ("trailing. . ", "trailing"),
        ("con", "_con"),
        ("Con.tar.gz", "_Con.tar.gz"),
        ("lpt9 .txt", "_lpt9 .txt"),
        ("COM¹", "_COM¹"),
        ("CONIN$", "_CONIN$"),
        ("console.log", "console.log"),
        ("exe\u202egpj.txt", "exegpj.txt"),
        ("zero\u200bwidth", "zerowidth"),
        ("line\nfeed", "line_feed"),
        ("e\u0301", "é"),
        ("lone\udc80", "lone_"),
    ],
)
def test_known_texts_give_known_names(text, name):
    assert safe_name(text) == name


@pytest.mark.fault(34)
def test_a_long_name_is_cut_within_a_character_s_bounds_and_keeps_its_extension():
    name = safe_name("ä" * 200 + ".jpeg")
    assert name.endswith("ä.jpeg")
    assert 228 <= len(name.encode()) <= 230


def test_what_is_too_long_for_an_extension_is_cut_like_the_rest():
    assert len(safe_name("a." + "b" * 300)) == 230


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.jpg", "b.jpg"),
        ("http://h/a/b.jpg?x=/y.png", "b.jpg"),
        ("http://h", "index"),
        ("http://h/a/", "index"),
        ("http://h/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "_._.._etc_passwd"),
        ("http://h/a%252Fb", "a%2Fb"),
        ("http://h/%C3%A4.png", "ä.png"),
        ("http://h/%FF.png", "\ufffd.png"),
        ("http://h/a%00b", "a_b"),
    ],
)
def test_a_url_s_last_segment_is_decoded_once(url, name):
    assert path_of(url) == name


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("x.jpg", "x.jpg"),
        ("a/b\\x.jpg", "x.jpg"),
        ("..\\..", "index"),
        ("a%20b", "a%20b"),
        ("", "index"),
    ],
)
def test_the_list_s_name_comes_first(given_name, name):
    assert path_of("http://h/other.png", name=given_name) == name


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h.org/a/b/c.jpg", "h.org/a/b/c.jpg"),
        ("https://h.org:8443/a//b/", "h.org_8443/a/b/index"),
        ("http://[::1]:81/c", "__1_81/c"),
        ("http://h/%2e%2e/%2F/.git/con/x", "h/index/_/_git/_con/x"),
        ("http://h/.pdl/ledger.sqlite3", "h/_pdl/ledger.sqlite3"),
    ],
)
def test_a_tree_follows_the_url(url, path):
    assert path_of(url, "tree") == path


def test_a_tree_too_deep_for_any_file_system_ends_in_one_folder_for_the_rest():
    deep = "http://h/" + "/".join(f"folder{n}" for n in range(5000))
    one, other, elsewhere = (path_of(deep + rest, "tree") for rest in ("/a", "/b", "/c/a"))
    assert len(one) < 700
    assert one[:-1] == other[:-1]
    assert one.rpartition("/")[0] != elsewhere.rpartition("/")[0]
    assert one.startswith("h/folder0/folder1/")


def test_hash_folders_come_from_the_url_and_name():
    path = path_of("http://h/a.jpg", "hash")
    (hash_,) = identities([Download("http://h/a.jpg")])
    assert path == f"{hash_:016x}"[:2] + "/" + f"{hash_:016x}"[2:4] + "/a.jpg"
    assert path_of("http://h/a.jpg", "hash", name="a.jpg") != path


def test_hashes_are_the_same_on_every_machine():
    entries = [
        Download("http://h/a.jpg"),
        Download("http://h/a.jpg", name="b"),
        Malformed(Kind.INPUT, "", "http://h/a.jpg"),
    ]
    assert [f"{hash_:016x}" for hash_ in identities(entries)] == [
        "c84389b63151e1fd",
        "138c0fc58047e435",
        "1c7281be8f371561",
    ]
    assert hash64("http://h/a.jpg") == identities(entries)[0]


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{name}", "c.tar.gz"),
        ("{stem}-{index:06d}{ext}", "c.tar-000007.gz"),
        ("{host}/{path}/{name}", "h.org_81/a/b/c.tar.gz"),
        ("{path}/x", "a/b/x"),
        ("{hash:.2}/{index}", None),
        ("a//./b/{{{index}}}", "a/index/b/{7}"),
        ("{host}\\{name}", "h.org_81_c.tar.gz"),
        ("C:{name}", "C_c.tar.gz"),
        ("fixed", "fixed"),
    ],
)
def test_a_template_is_filled_and_made_safe(template, path):
    url = "http://h.org:81/a/b/c.tar.gz?q"
    (hash_,) = identities([Download(url)])
    assert path_of(url, output=template) == (path or f"{hash_:016x}"[:2] + "/7")


def test_a_template_without_anything_to_fill_in_still_gives_a_name():
    assert path_of("http://h/noext", output="{path}/{ext}") == "index"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("", "out of the destination"),
        ("/etc/{name}", "out of the destination"),
        ("a/../../{name}", "out of the destination"),
        ("{host}/", "ends in a folder"),
        ("{nope}", r"there is no field \{nope\}; there are \{name\}, \{stem\}"),
        ("{}", "there is no field"),
        ("{0}", "there is no field"),
        ("{name.__class__}", "there is no field"),
        ("{name[0]}", "there is no field"),
        ("{name!r}", "takes no other format"),
        ("{name:>9999999999}", "takes no other format"),
        ("{index:999999999d}", r"takes no other format than such as \{index:06d\}"),
        ("{index:{host}}", "takes no other format"),
        ("{name", "is no template"),
        ("name}", "is no template"),
    ],
)
def test_a_template_that_makes_no_sense_is_refused_at_once(template, message):
    with pytest.raises(SettingsError, match=message):
        Naming("flat", template)


@given(
    nasty,
    nasty,
    st.sampled_from(["{name}", "{path}/{name}", "{host}/{stem}/{ext}", "x{path}y/{name:.3}", "{stem}/{path}"]),
)
def test_no_template_leads_out_of_the_destination(segment, name, template):
    url = canonical("http://h/" + "".join(f"%{b:02X}" for b in segment.encode("utf-8", "surrogatepass")) + "/x").url
    for given_name in (None, name):
        download = Download(url, name=given_name)
        path = Naming("flat", template).path(download, 1, 2)
        for component in path.split("/"):
            assert_safe(component)


@pytest.mark.parametrize(
    ("path", "hashed"),
    [
        ("image.jpg", "image.00000000000000ff.jpg"),
        ("a.b/image", "a.b/image.00000000000000ff"),
        ("h.org/a.d", "h.org/a.00000000000000ff.d"),
        ("a.tar.gz", "a.tar.00000000000000ff.gz"),
        ("e. g", "e. g.00000000000000ff"),
    ],
)
def test_a_hash_stands_before_the_extension(path, hashed):
    assert with_hash(path, 255) == hashed


@given(names, st.integers(0, 2**64 - 1))
def test_a_name_with_a_hash_is_safe_but_for_17_bytes(text, hash_):
    hashed = with_hash(safe_name(text), hash_)
    assert len(hashed.encode()) <= 247
    assert safe_name(hashed[:100]) == hashed[:100].rstrip(" .")


@given(names)
def test_keys_fold_case_and_composition(text):
    name = safe_name(text)
    assert key(unicodedata.normalize("NFD", name)) == key(name)
    assert key(key(name)) == key(name)
    assert key_hash(name) == hash64(key(name))


@pytest.mark.fault(36)
@pytest.mark.parametrize(
    ("one", "other"), [("A.jpg", "a.jpg"), ("É", "e\u0301"), ("straße", "STRASSE"), ("ß", "ẞ")]
)
def test_what_a_file_system_may_take_for_the_same_has_the_same_key(one, other):
    assert key(one) == key(other)
