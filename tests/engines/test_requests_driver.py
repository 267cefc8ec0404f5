"""The requests driver, with `responses` in the network's place: one exchange an attempt, and nothing of its own."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import responses
import urllib3.exceptions
from faultserver import FaultServer, ProxyServer

from pdl.engines import fetch
from pdl.engines.fetch import Driver
from pdl.engines.leash import Stopped
from pdl.errors import Kind
from pdl.http.fault import TransferError
from pdl.http.transfer import Transfer
from pdl.model import Advanced, Attempt, Digest, Event, Finished, Outcome, Partial, Responded, Verdict
from pdl.settings import Settings

URL = "http://h.example/a%20b/file.bin?x=~%7e[1]"


@pytest.fixture
def net() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture
def driver() -> Iterator[Driver]:
    made = Driver(Settings())
    yield made
    made.close()


@pytest.fixture
def attempt(tmp_path: Path) -> Attempt:
    return Attempt(id=7, row=1, url=URL, part=str(tmp_path / "1.part"))


def events_of(driver: Driver, attempt: Attempt) -> list[Event]:
    return [event for event in driver.fetch(attempt, driver.leash(attempt)) if event is not None]


def outcome_of(driver: Driver, attempt: Attempt) -> Outcome:
    """The outcome, which is told once, last, and of this attempt."""
    *before, last = events_of(driver, attempt)
    assert not any(isinstance(event, Finished) for event in before)
    assert isinstance(last, Finished)
    assert last.attempt == attempt.id
    return last.outcome


def content_of(attempt: Attempt) -> bytes | None:
    path = Path(attempt.part)
    return path.read_bytes() if path.exists() else None


# answers


def test_a_file_is_fetched_into_its_part(net, driver: Driver, attempt: Attempt):
    net.get(URL, body=b"0123456789")
    outcome = outcome_of(driver, attempt)
    assert outcome._replace(first_byte=None) == Outcome(Verdict.DONE, status=200, size=10, received=10, opened=True)
    assert content_of(attempt) == b"0123456789"


def test_a_digest_is_computed_on_the_way(net, driver: Driver, attempt: Attempt):
    digest = Digest("sha256", "2e7d2c03a9507ae265ecf5b5356885a53393a2029d241394997265a1a25aefc6")
    net.get(URL, body=b"c")
    assert outcome_of(driver, attempt._replace(digest=digest)).digest == digest


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, Kind.HTTP), (500, Kind.HTTP), (204, Kind.EMPTY), (304, Kind.PROTOCOL), (206, Kind.PROTOCOL),
        (416, Kind.HTTP), (407, Kind.PROXY),
    ],
)  # fmt: skip
def test_a_refusal_is_an_outcome_and_its_body_no_file(
    net, driver: Driver, attempt: Attempt, status: int, kind: Kind
):
    net.get(URL, body=b"sorry", status=status)
    outcome = outcome_of(driver, attempt)
    assert (outcome.verdict, outcome.kind, outcome.status) == (Verdict.FAILED, kind, status)
    assert content_of(attempt) is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_told_and_not_followed(net, driver: Driver, attempt: Attempt, status: int):
    net.get(URL, status=status, headers={"Location": "/next"})
    outcome = outcome_of(driver, attempt)
    assert (outcome.verdict, outcome.location) == (Verdict.REDIRECT, "http://h.example/next")
    assert len(net.calls) == 1


def test_the_rest_of_a_file_is_appended(net, driver: Driver, attempt: Attempt):
    Path(attempt.part).write_bytes(b"01234")
    net.get(URL, body=b"56789", status=206, headers={"Content-Range": "bytes 5-9/10", "ETag": '"v1"'})
    outcome = outcome_of(driver, attempt._replace(partial=Partial(5, '"v1"', 10, URL)))
    assert (outcome.verdict, outcome.size, outcome.received) == (Verdict.DONE, 10, 5)
    assert content_of(attempt) == b"0123456789"
    sent = net.calls[0].request.headers
    assert (sent["Range"], sent["If-Range"]) == ("bytes=5-", '"v1"')


def test_retry_after_reaches_the_outcome(net, driver: Driver, attempt: Attempt):
    net.get(URL, status=503, headers={"Retry-After": "17"})
    assert outcome_of(driver, attempt).retry_after == 17.0
    assert len(net.calls) == 1


@pytest.mark.fault(17)
def test_a_coding_is_not_decoded_behind_our_back(net, driver: Driver, attempt: Attempt):
    net.get("http://h.example/a.gz", body=b"not gzip at all", headers={"Content-Encoding": "gzip"})
    assert outcome_of(driver, attempt._replace(url="http://h.example/a.gz")).verdict is Verdict.DONE
    assert content_of(attempt) == b"not gzip at all"


def test_a_long_body_is_told_of_while_it_comes(net, driver: Driver, attempt: Attempt, monkeypatch):
    monkeypatch.setattr(fetch, "NEWS_EVERY", 0.0)
    body = b"x" * (3 * fetch.PIECE)
    net.get(URL, body=body, headers={"ETag": '"v1"', "Content-Length": str(len(body))})
    responded, *advanced, finished = events_of(driver, attempt)
    assert isinstance(responded, Responded)
    assert (responded.attempt, responded.status, responded.length) == (7, 200, len(body))
    assert responded.partial.if_range == '"v1"'
    assert advanced
    assert all(isinstance(event, Advanced) for event in advanced)
    sizes = [event.size for event in advanced]
    assert sizes == sorted(sizes)
    assert finished.outcome.size == len(body)


# the request


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"headers": (("X-Key", "1"), ("X-Key", "2"), ("Accept", "image/*"))},
        {"headers": (("Authorization", "Bearer t"), ("Cookie", "a=b"), ("User-Agent", "mine"))},
        {"credentials": "ü:p"},
        {"url": "http://h.example:8080/"},
        {"url": "https://[2001:db8::1]:8443/x?y"},
        {"partial": Partial(5, '"v1"', 10, URL)},
        {"headers": (("X-Latin", "\xe4"),)},
    ],
)
def test_what_goes_out_is_exactly_what_the_transfer_asks_for(net, driver: Driver, attempt: Attempt, fields):
    attempt = attempt._replace(**fields)
    net.get(attempt.url, body=b"x")
    outcome_of(driver, attempt)
    request = net.calls[0].request
    exact = Transfer(attempt, Settings()).request()
    assert tuple(request.headers.items()) == exact.headers
    assert (request.method, request.url, request.body) == ("GET", exact.url, None)


def test_nothing_of_the_environment_or_of_an_earlier_answer_goes_out(net, driver, attempt, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine h.example login u password p\n")
    for name, value in {"NETRC": str(netrc), "http_proxy": "http://proxy:1", "all_proxy": "http://proxy:1"}.items():
        monkeypatch.setenv(name, value)
    net.get(URL, body=b"x", headers={"Set-Cookie": "a=b; Path=/"})
    outcome_of(driver, attempt)
    outcome_of(driver, attempt)
    for call in net.calls:
        assert not {"cookie", "authorization", "proxy-authorization"} & {
            name.lower() for name in call.request.headers
        }
        assert call.request.proxy is None


def test_the_proxy_of_the_attempt_is_passed_on_and_its_password_to_nobody_else(net, driver, attempt):
    net.get(URL, body=b"x")
    outcome_of(driver, attempt._replace(proxy="http://u:secret@proxy.example:3128"))
    request = net.calls[0].request
    assert request.proxy == "http://u:secret@proxy.example:3128"
    assert "secret" not in str(request.headers)
    assert base64.b64encode(b"u:secret").decode() not in str(request.headers)


@pytest.mark.parametrize(
    ("url", "proxy", "line"),
    [
        (URL, None, "/a%20b/file.bin?x=~%7e[1]"),
        (URL, "http://proxy:1", URL),
        ("https://h.example/x", "http://proxy:1", "/x"),
        ("https://h.example/x", None, "/x"),
    ],
)
def test_the_request_line_has_the_whole_url_only_for_a_proxy_that_reads_it(net, driver, attempt, url, proxy, line):
    attempt = attempt._replace(url=url, proxy=proxy)
    net.get(url, body=b"x")
    outcome_of(driver, attempt)
    assert driver._adapter.request_url(net.calls[0].request) == line


def test_a_proxy_gets_its_own_credentials_and_the_origin_gets_none_of_them(
    server: FaultServer, attempt: Attempt, proxy_server: ProxyServer
):
    proxy = proxy_server.origin.replace("http://", "http://u:p%40q@")
    driver = Driver(Settings())
    try:
        assert outcome_of(driver, attempt._replace(url=server.url("/file"), proxy=proxy)).verdict is Verdict.DONE
    finally:
        driver.close()
    (at_proxy,) = proxy_server.requests
    assert at_proxy.header("Proxy-Authorization") == "Basic " + base64.b64encode(b"u:p@q").decode()
    (at_origin,) = server.requests
    assert at_origin.header("Proxy-Authorization") is None
    assert at_origin.header("Authorization") is None


# exceptions of the libraries

CANNOT_COME = {
    "RequestException",  # only its subclasses are raised
    "HTTPError", "TooManyRedirects", "StreamConsumedError", "UnrewindableBodyError",  # of Session and Response
    "InvalidJSONError", "JSONDecodeError", "RetryError",  # no JSON, and no retries of urllib3's
    "URLRequired", "MissingSchema", "InvalidHeader",  # while a request is prepared, which ours never is
}  # fmt: skip
EXCEPTIONS = {
    name: kind
    for name, kind in vars(requests.exceptions).items()
    if isinstance(kind, type) and issubclass(kind, requests.RequestException)
}


@pytest.mark.parametrize("name", sorted(set(EXCEPTIONS) - CANNOT_COME))
def test_every_exception_that_a_get_can_raise_has_a_kind(net, driver: Driver, attempt: Attempt, name: str):
    net.get(URL, body=EXCEPTIONS[name]("it happened"))
    outcome = outcome_of(driver, attempt)
    assert outcome.verdict is Verdict.FAILED
    assert outcome.kind not in (None, Kind.INTERNAL, Kind.WORKER)
    assert "it happened" in outcome.message


@pytest.mark.parametrize("name", sorted(CANNOT_COME))
def test_the_others_would_end_the_attempt_and_nothing_else(net, driver: Driver, attempt: Attempt, name: str):
    error = EXCEPTIONS[name]("it happened", "", 0) if name == "JSONDecodeError" else EXCEPTIONS[name]("it happened")
    net.get(URL, body=error)
    assert outcome_of(driver, attempt).kind is Kind.INTERNAL


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (requests.exceptions.ProxyError("x"), Kind.PROXY),
        (requests.exceptions.SSLError("x"), Kind.TLS),
        (requests.exceptions.ConnectTimeout("x"), Kind.TIMEOUT),
        (requests.exceptions.ReadTimeout("x"), Kind.TIMEOUT),
        (requests.exceptions.ConnectionError("x"), Kind.CONNECT),
        (requests.exceptions.ChunkedEncodingError("x"), Kind.TRUNCATED),
        (requests.exceptions.InvalidProxyURL("x"), Kind.INPUT),
        (urllib3.exceptions.ProtocolError("x"), Kind.RESET),
        (TransferError(Kind.DNS, "no such name", retries=1), Kind.DNS),
    ],
)
def test_each_exception_has_the_kind_of_what_it_means(net, driver, attempt, error: Exception, kind: Kind):
    net.get(URL, body=error)
    assert outcome_of(driver, attempt).kind is kind


def test_a_fault_keeps_what_it_says_of_further_tries(net, driver: Driver, attempt: Attempt):
    net.get(URL, body=TransferError(Kind.DNS, "no such name", retries=1))
    outcome = outcome_of(driver, attempt)
    assert (outcome.message, outcome.retries) == ("no such name", 1)


def test_a_bug_costs_one_attempt_and_is_called_so(net, driver: Driver, attempt: Attempt):
    net.get(URL, body=ZeroDivisionError("division by zero"))
    outcome = outcome_of(driver, attempt)
    assert (outcome.verdict, outcome.kind) == (Verdict.FAILED, Kind.WORKER)
    assert outcome.message == "the worker broke: ZeroDivisionError: division by zero"


# the leash


def test_an_attempt_that_was_let_go_before_it_began_asks_nobody(net, driver: Driver, attempt: Attempt):
    leash = driver.leash(attempt)
    leash.cut(Stopped())
    (event,) = driver.fetch(attempt, leash)
    assert event == Finished(7, Outcome(Verdict.STOPPED, message="stopped"))
    assert not net.calls


def test_an_attempt_without_time_asks_nobody(net, driver: Driver, attempt: Attempt):
    assert outcome_of(driver, attempt._replace(time_limit=0.0)).kind is Kind.TIMEOUT
    assert not net.calls


def test_a_generator_that_is_closed_in_the_middle_keeps_what_can_be_continued(net, driver, attempt):
    body = b"x" * (3 * fetch.PIECE)
    net.get(URL, body=body, headers={"ETag": '"v1"', "Content-Length": str(len(body))})
    steps = driver.fetch(attempt, driver.leash(attempt))
    next(steps)
    steps.close()
    assert content_of(attempt) == b"x" * fetch.PIECE


def test_an_attempt_that_is_let_go_in_the_middle_says_what_can_be_continued(net, driver, attempt):
    body = b"x" * (3 * fetch.PIECE)
    net.get(URL, body=body, headers={"ETag": '"v1"', "Content-Length": str(len(body))})
    steps = driver.fetch(attempt, driver.leash(attempt))
    next(steps)
    finished = steps.throw(Stopped())
    assert finished.outcome.verdict is Verdict.STOPPED
    assert finished.outcome.partial == Partial(fetch.PIECE, '"v1"', len(body), URL)
    assert list(steps) == []
