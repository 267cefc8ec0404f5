"""Which proxy an origin is reached through, and which certificates are trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdl.errors import SettingsError
from pdl.http.routes import Routes, ca_location
from pdl.settings import Settings

PROXY = "http://proxy.example:3128"


def proxy(url: str, settings: Settings | None = None, /, **environment: str) -> str | None:
    return Routes(settings or Settings(), environment).proxy(url)


# which proxy


def test_without_variables_everything_goes_directly():
    assert proxy("http://h/") is None
    assert proxy("https://h/") is None


def test_each_scheme_has_its_own_variable():
    assert proxy("http://h/", http="http://one:1", https="http://two:2") == "http://one:1"
    assert proxy("https://h/", http="http://one:1", https="http://two:2") == "http://two:2"
    assert proxy("https://h/", http="http://one:1") is None


def test_all_is_for_the_schemes_that_have_no_variable():
    assert proxy("http://h/", http="http://one:1", all="http://two:2") == "http://one:1"
    assert proxy("https://h/", http="http://one:1", all="http://two:2") == "http://two:2"


def test_the_variables_of_the_process_are_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("no_proxy", "direct.example")
    routes = Routes(Settings())
    assert routes.proxy("https://h/") == PROXY
    assert routes.proxy("https://direct.example/") is None
    assert routes.proxy("http://h/") is None


def test_the_option_wins_over_the_variables_and_knows_no_exceptions():
    settings = Settings(proxy="http://mine:1")
    for url in ("http://h/", "https://h/"):
        assert proxy(url, settings, http=PROXY, all=PROXY, no="*") == "http://mine:1"


def test_an_empty_option_goes_directly_whatever_the_variables_say():
    assert proxy("http://h/", Settings(proxy=""), http=PROXY, all=PROXY) is None


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("proxy:3128", "http://proxy:3128"),
        ("127.0.0.1:3128", "http://127.0.0.1:3128"),
        ("proxy", "http://proxy"),
        ("HTTP://Proxy:3128", "http://Proxy:3128"),
        ("HTTPS://u:p@proxy:443/", "https://u:p@proxy:443/"),
        ("http://[::1]:3128", "http://[::1]:3128"),
        ("http://u%40x:p%3A@proxy", "http://u%40x:p%3A@proxy"),
    ],
)
def test_a_proxy_is_a_url_or_a_host_with_a_port(given: str, understood: str):
    assert proxy("http://h/", http=given) == understood
    assert proxy("https://h/", Settings(proxy=given)) == understood


@pytest.mark.parametrize(
    "given",
    [
        "socks5://proxy:1080", "ftp://proxy", "http://", "http://:3128", "http://proxy:x", "http://proxy:0",
        "http://proxy:99999", "http://[::1", "http://[::x]:1", "http://pro\nxy:80", "://proxy", "direct://",
    ],
)  # fmt: skip
def test_a_proxy_that_pdl_cannot_speak_to_is_an_error_and_never_passed_by(given: str):
    for routes in (
        lambda: Routes(Settings(proxy=given)),
        lambda: Routes(Settings(), {"https": given}),
        lambda: Routes(Settings(), {"all": given}),
    ):
        with pytest.raises(SettingsError, match="not an http:// or https:// URL with a host"):
            routes()


def test_the_password_of_a_bad_proxy_is_not_in_the_message():
    with pytest.raises(SettingsError) as raised:
        Routes(Settings(proxy="socks5://user:secret@proxy:1080"))
    assert "socks5://***@proxy:1080" in str(raised.value)
    assert "secret" not in str(raised.value)


# NO_PROXY


@pytest.mark.parametrize(
    ("no", "url"),
    [
        ("*", "http://anything.example/"),
        ("example.com", "http://example.com/"),
        ("example.com", "https://example.com:8443/"),
        ("example.com", "http://a.b.example.com/"),
        (".example.com", "http://a.example.com/"),
        (".example.com", "http://example.com/"),
        ("*.example.com", "http://a.example.com/"),
        ("EXAMPLE.com", "http://example.com/"),
        ("example.com.", "http://example.com/"),
        ("example.com", "http://example.com./"),
        ("a, example.com ,b", "http://example.com/"),
        ("a example.com\tb", "http://example.com/"),
        ("example.com:80", "http://example.com/"),
        ("example.com:443", "https://example.com/"),
        ("example.com:8080", "http://example.com:8080/"),
        (".example.com:8080", "http://a.example.com:8080/"),
        ("localhost", "http://localhost:1/"),
        ("127.0.0.1", "http://127.0.0.1:1/"),
        ("127.0.0.1:81", "http://127.0.0.1:81/"),
        ("10.0.0.0/8", "http://10.1.2.3/"),
        ("10.1.1.1/8", "http://10.1.2.3/"),
        ("::1", "http://[::1]/"),
        ("[::1]", "http://[::1]:81/"),
        ("[::1]:81", "http://[::1]:81/"),
        ("fe80::/10", "http://[fe80::1]/"),
    ],
)
def test_an_exempt_host_is_reached_directly(no: str, url: str):
    assert proxy(url, all=PROXY, no=no) is None


@pytest.mark.parametrize(
    ("no", "url"),
    [
        ("", "http://h/"),
        (",, ,", "http://h/"),
        ("example.com", "http://notexample.com/"),
        ("example.com", "http://example.com.evil/"),
        ("example.com", "http://com/"),
        ("a.example.com", "http://example.com/"),
        ("example.com:80", "http://example.com:8080/"),
        ("example.com:8", "http://example.com:80/"),
        ("example.com:x", "http://example.com/"),
        ("example.com:\u00b2", "http://example.com:2/"),
        ("127.0.0.1", "http://127.0.0.2/"),
        ("127.0.0.1:81", "http://127.0.0.1/"),
        ("10.0.0.0/8", "http://11.0.0.1/"),
        ("10.0.0.0/8", "http://[::10.0.0.1]/"),
        ("10.0.0.0/99", "http://10.0.0.1/"),
        ("0.0.0.0/0", "http://name.example/"),
        ("[::1]:81", "http://[::1]:82/"),
        ("::/0", "http://127.0.0.1/"),
        (".", "http://h/"),
        ("*.", "http://h/"),
        (":80", "http://h/"),
        ("[]", "http://[::1]/"),
    ],
)
def test_any_other_host_goes_through_the_proxy(no: str, url: str):
    assert proxy(url, all=PROXY, no=no) == PROXY


def test_an_origin_is_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    routes = Routes(Settings(), {"all": PROXY, "no": "h"})
    asked: list[str] = []
    monkeypatch.setattr("pdl.http.routes._exempts", lambda entry, host, port: bool(asked.append(host)))
    for path in range(100):
        assert routes.proxy(f"http://a/{path}") == PROXY
        assert routes.proxy(f"http://b/{path}") == PROXY
    assert asked == ["a", "b"]


# certificates


def test_the_option_wins_then_the_variables_in_their_order(tmp_path: Path):
    names = ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
    environment = {}
    for name in ("--cacert", *names):
        environment[name] = str(tmp_path / name)
        (tmp_path / name).write_text("")
    assert ca_location(Settings(cacert=environment.pop("--cacert")), environment) == str(tmp_path / "--cacert")
    for name in names:
        assert ca_location(Settings(), environment) == str(tmp_path / name)
        environment[name] = ""


def test_without_any_variable_the_certificates_are_those_of_certifi():
    certifi = pytest.importorskip("certifi")
    assert ca_location(Settings(), {}) == certifi.where()


def test_a_folder_of_certificates_will_do(tmp_path: Path):
    assert ca_location(Settings(cacert=tmp_path), {}) == str(tmp_path)


@pytest.mark.parametrize("name", ["CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_variable_that_names_nothing_is_an_error_and_never_passed_by(name: str):
    with pytest.raises(SettingsError, match=f"{name} names '/none'"):
        ca_location(Settings(), {name: "/none"})


def test_certificates_that_do_not_exist_are_found_out_before_anything_starts(tmp_path: Path):
    with pytest.raises(SettingsError, match="--cacert names"):
        Routes(Settings(cacert=tmp_path / "none.pem"), {})
