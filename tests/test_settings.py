"""The options of a job: their checks, and messages that name the option."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdl import __version__
from pdl.errors import PdlError, SettingsError
from pdl.settings import FORBIDDEN_HEADERS, MOST_JOBS, MOST_SPLIT, Settings, settings_from


def refused(**options: object) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings(**options)
    return str(raised.value)


def test_the_defaults_are_settings():
    settings = Settings()
    assert settings == settings_from({})
    assert settings.user_agent == f"pdl/{__version__}"


def test_settings_survive_pickling_and_cannot_be_changed():
    settings = Settings(headers={"X": "1"}, max_time=5, proxy="http://u:p@h")
    assert pickle.loads(pickle.dumps(settings)) == settings
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.jobs = 3


def test_settings_show_no_secrets():
    shown = repr(Settings(headers={"Authorization": "Bearer sEcReT"}, proxy="http://u:sEcReT@proxy"))
    assert "sEcReT" not in shown


def test_an_unknown_option_is_named_with_those_that_there_are():
    with pytest.raises(SettingsError, match=r"there is no option 'job'; there are .*jobs") as raised:
        settings_from({"job": 3})
    assert isinstance(raised.value, PdlError)
    assert isinstance(raised.value, ValueError)


# numbers

WHOLE = {
    "jobs": 1, "per_host": 1, "split": 1, "split_size": 65_536, "retries": 0, "max_filesize": 0, "max_redirects": 0,
}  # fmt: skip
REAL = ["retry_delay", "connect_timeout", "timeout", "min_speed", "max_time", "deadline"]
FROM_NOTHING = ["retry_delay", "min_speed"]
OPTIONAL = ["per_host", "max_filesize", "max_time", "deadline"]


@pytest.mark.parametrize(("name", "least"), WHOLE.items())
def test_a_whole_number_has_a_least_value(name: str, least: int):
    assert getattr(Settings(**{name: least}), name) == least
    assert refused(**{name: least - 1}) == f"{name} takes a whole number from {least}, not {least - 1}"


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [1.0, "3", True, False, float("nan"), [], b"1"])
def test_a_whole_number_is_nothing_else(name: str, value: object):
    assert refused(**{name: value}).startswith(f"{name} takes a whole number from")


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_number_has_an_end(name: str):
    most = {"jobs": MOST_JOBS, "split": MOST_SPLIT}.get(name, 2**63 - 1)
    assert getattr(Settings(**{name: most}), name) == most
    assert refused(**{name: most + 1}).startswith(f"{name} takes a whole number ")


@pytest.mark.parametrize("name", REAL)
def test_a_number_may_be_whole_or_broken(name: str):
    for value in (1, 0.001, 1e300):
        assert getattr(Settings(**{name: value}), name) == value


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    "value", [-1, -0.001, float("inf"), float("-inf"), float("nan"), 10**400, "3", True, [], 1j]
)
def test_a_number_is_finite_and_nothing_else(name: str, value: object):
    bound = "from 0" if name in FROM_NOTHING else "above 0"
    assert refused(**{name: value}).startswith(f"{name} takes a number {bound}, not ")


@pytest.mark.parametrize("name", REAL)
def test_only_some_numbers_may_be_nothing(name: str):
    if name in FROM_NOTHING:
        assert getattr(Settings(**{name: 0}), name) == 0
    else:
        assert refused(**{name: 0}) == f"{name} takes a number above 0, not 0"


@pytest.mark.parametrize("name", [*WHOLE, *REAL])
def test_only_some_numbers_may_be_left_open(name: str):
    if name in OPTIONAL:
        assert getattr(Settings(**{name: None}), name) is None
    else:
        assert refused(**{name: None}).endswith("not None")


# words


@pytest.mark.parametrize("name", ["insecure", "content_disposition", "overwrite", "update", "raw"])
@pytest.mark.parametrize("value", ["no", 0, None, 1.0])
def test_a_switch_is_on_or_off(name: str, value: object):
    assert getattr(Settings(**{name: True}), name) is True
    assert refused(**{name: value}) == f"{name} is True or False, not {value!r}"


@pytest.mark.parametrize("layout", ["flat", "tree", "hash"])
def test_a_layout_is_one_of_three(layout: str):
    assert Settings(layout=layout).layout == layout


@pytest.mark.parametrize("layout", ["", "Flat", None, 1, ["flat"]])
def test_another_layout_is_refused(layout: object):
    assert refused(layout=layout) == f"layout is one of flat, tree, hash, not {layout!r}"


@pytest.mark.parametrize("agent", ["a\r\nX: y", "a\tb", "ä", "\x7f", None, 3])
def test_a_user_agent_can_be_sent(agent: object):
    assert refused(user_agent=agent) == "user_agent takes printable ASCII characters only"


@pytest.mark.parametrize("name", ["dest", "cacert", "failed", "output"])
def test_a_path_may_be_of_any_kind_that_a_path_can_be(name: str):
    for given_path in ("a/b", Path("a/b"), b"a/b"):
        assert getattr(Settings(**{name: given_path}), name) in ("a/b", str(Path("a/b")))
    assert refused(**{name: 5}) == f"{name} takes a path, not 5"


def test_there_is_always_a_destination():
    assert refused(dest=None) == "dest takes a path, not None"
    assert Settings(cacert=None, failed=None, output=None) == Settings()


@pytest.mark.parametrize("proxy", [5, b"http://h", ["http://h"]])
def test_a_proxy_is_text(proxy: object):
    assert refused(proxy=proxy) == f"proxy takes a URL, not {proxy!r}"


# header fields


@pytest.mark.parametrize(
    "given_headers",
    [
        {"X-A": "1", "x-b": " 2\t"},
        [("X-A", "1"), ("x-b", "2")],
        (("X-A", "1"), ["x-b", "2"]),
        {"X-A": "1", "x-b": "2"}.items(),
    ],
)
def test_headers_come_as_pairs_or_as_a_mapping(given_headers: object):
    assert Settings(headers=given_headers).headers == (("X-A", "1"), ("x-b", "2"))


def test_a_field_may_be_given_twice():
    assert Settings(headers=[("X", "1"), ("X", "2")]).headers == (("X", "1"), ("X", "2"))


@pytest.mark.parametrize("given_headers", ["X: 1", 5, None, [("X",)], [("X", "1", "2")], [5], {"X"}])
def test_other_headers_are_refused(given_headers: object):
    assert refused(headers=given_headers) == "headers takes pairs of a name and a value, or a mapping"


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "a\r\n", "ä", "a\0", "(a)", 5, None, b"a"])
def test_the_name_of_a_field_is_a_token(name: object):
    assert refused(headers=[(name, "1")]) == f"{name!r} is not the name of a header field"


@pytest.mark.parametrize("name", sorted(FORBIDDEN_HEADERS))
def test_fields_that_belong_to_the_transfer_cannot_be_set(name: str):
    for spelled in (name, name.upper(), name.title()):
        assert refused(headers={spelled: "x"}) == (
            f"the header field {spelled!r} belongs to the transfer and cannot be set"
        )


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\0", "a\x7f", "\u20ac", "\ud800", "a\x0bb"])
def test_the_value_of_a_field_can_be_sent(value: str):
    message = refused(headers={"X": value})
    assert message == "the value of the header field 'X' has characters that cannot be sent"


@pytest.mark.parametrize(("value", "kind"), [(1, "int"), (None, "NoneType"), (b"x", "bytes")])
def test_the_value_of_a_field_is_text(value: object, kind: str):
    assert refused(headers={"X": value}) == f"the value of the header field 'X' is a {kind}, not text"


@pytest.mark.parametrize("value", ["", "a b", "a\tb", "\xe4", "x" * 10_000])
def test_a_value_may_be_anything_else(value: str):
    assert Settings(headers={"X": value}).headers == (("X", value),)


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=10)), max_size=4))
def test_any_header_is_refused_or_fit_to_be_sent(headers: list[tuple[str, str]]):
    try:
        checked = Settings(headers=headers).headers
    except SettingsError:
        return
    for name, value in checked:
        line = f"{name}: {value}".encode("latin-1")
        assert not set(line) & {0, 10, 13, 127}


# media types


@pytest.mark.parametrize(
    ("given_types", "ranges"),
    [
        ("image/*", ("image/*",)),
        ("image/PNG,\tapplication/vnd.x+json ", ("image/png", "application/vnd.x+json")),
        (["image/*", "audio/*, video/*"], ("image/*", "audio/*", "video/*")),
        (("*/*",), ("*/*",)),
        ((each for each in ["text/html"]), ("text/html",)),
        ((), ()),
        ([], ()),
    ],
)
def test_types_come_as_text_or_one_by_one(given_types: object, ranges: tuple[str, ...]):
    assert Settings(accept=given_types).accept == ranges


@pytest.mark.parametrize(
    "text",
    [
        "",
        "png",
        "image",
        "*",
        "image/",
        "/png",
        "*/png",
        "im*/png",
        "image/p*",
        "a/b/c",
        "image/png;q=1",
        "a b/c",
        "ä/b",
    ],
)
def test_a_type_is_two_names_or_a_range(text: str):
    message = f"accept takes media types such as image/* or application/pdf, not {text!r}"
    assert refused(accept=text) == message
    assert refused(accept=["image/*", text]) == message
    assert refused(accept=f"image/*,{text}") == message


@pytest.mark.parametrize("given_types", [None, 5, [5], [b"image/png"], b"image/png", [["image/png"]]])
def test_types_are_text(given_types: object):
    message = refused(accept=given_types)
    assert message == f"accept takes media types such as image/* or application/pdf, not {given_types!r}"


@given(
    st.dictionaries(
        st.sampled_from([field.name for field in dataclasses.fields(Settings)]),
        st.none() | st.integers() | st.floats() | st.text(),
        max_size=6,
    )
)
def test_any_options_are_settings_or_a_settings_error(options: dict[str, object]):
    try:
        settings = settings_from(options)
    except SettingsError as error:
        assert any(name in str(error) for name in options)  # noqa: PT017 - what else is raised fails the test
    else:
        assert isinstance(settings.dest, str)
