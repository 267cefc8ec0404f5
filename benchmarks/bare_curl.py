"""A bare libcurl loop: the limit of what a downloader in one process of Python can do.

    python benchmarks/bare_curl.py urls.txt DEST JOBS [CAFILE]

It has nothing that makes a downloader one: bodies go straight to their final names; no file is checked, retried,
resumed or recorded; names that collide are overwritten; nothing tells of progress. What fails ends it. Everything
else is as cheap as Python allows: one multi handle on epoll, easy handles that are set up once, bodies that go from
libcurl to `os.write` without a function of Python between them.
"""

from __future__ import annotations

import os
import select
import sys
from functools import partial
from typing import Any

import pycurl

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_MASKS = {pycurl.POLL_IN: _IN, pycurl.POLL_OUT: _OUT, pycurl.POLL_INOUT: _IN | _OUT}
_READ, _WRITE = pycurl.CSELECT_IN, pycurl.CSELECT_OUT
_BUFFER = 512 * 1024


class Sockets:
    """The sockets that libcurl wants watched, in an epoll.

    Between two requests libcurl lets go of a connection that it keeps. Such a socket stays in the epoll: most are
    wanted again at once, and this saves two system calls for each file.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._masks: dict[int, int] = {}
        self._wanted: set[int] = set()

    def want(self, what: int, descriptor: int, _multi: object, _data: object) -> None:
        """libcurl's socket callback."""
        if what == pycurl.POLL_REMOVE:
            self._wanted.discard(descriptor)
            return
        self._wanted.add(descriptor)
        mask = _MASKS[what]
        if mask == _IN == self._masks.get(descriptor):
            return  # the same connection as before: a new one wants to be written to first
        try:
            self._epoll.modify(descriptor, mask)
        except FileNotFoundError:  # never seen, or closed since, and this is another
            self._epoll.register(descriptor, mask)
        self._masks[descriptor] = mask

    def ready(self, timeout: float) -> list[tuple[int, int]]:
        """The sockets at which something can be done, and what, as libcurl wants to be told."""
        found = []
        for descriptor, events in self._epoll.poll(timeout):
            if descriptor in self._wanted:  # errors count as both, so that libcurl finds out which it is
                found.append((descriptor, (events & ~_OUT and _READ) | (events & ~_IN and _WRITE)))
            else:  # the server has closed a kept connection, which libcurl finds out when it wants it again
                self._epoll.unregister(descriptor)
                self._masks.pop(descriptor)
        return found


def new_handle(authorities: str) -> Any:
    """An easy handle with all that stays the same."""
    curl = pycurl.Curl()
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.FAILONERROR, 1)
    curl.setopt(pycurl.BUFFERSIZE, _BUFFER)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
    curl.setopt(pycurl.PIPEWAIT, 1)  # many files over one connection, where that speaks HTTP/2
    if authorities:
        curl.setopt(pycurl.CAINFO, authorities)
    return curl


def download(urls: str, dest: str, jobs: int, authorities: str = "") -> None:
    """Fetch every URL of a list, `jobs` at once, to the last segment of its path.

    Raises:
        SystemExit: if one of them fails.
    """
    os.makedirs(dest, exist_ok=True)
    beginning = os.path.join(dest, "")
    sockets = Sockets()
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_SOCKETFUNCTION, sockets.want)
    multi.setopt(pycurl.M_MAXCONNECTS, jobs)
    action, add, remove = multi.socket_action, multi.add_handle, multi.remove_handle
    free = [new_handle(authorities) for _ in range(jobs)]
    opened: dict[Any, int] = {}
    with open(urls) as lines:
        left = True
        while True:
            while left and free:
                url = next(lines, "").strip()
                if not url:
                    left = False
                    break
                curl = free.pop()
                name = beginning + url[url.rindex("/") + 1 :]
                opened[curl] = file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
                curl.setopt(pycurl.URL, url)
                curl.setopt(pycurl.WRITEFUNCTION, partial(os.write, file))
                add(curl)
            if not opened:
                break
            wait = multi.timeout()
            if wait == 0:
                action(pycurl.SOCKET_TIMEOUT, 0)  # may end transfers, so what follows must not wait
            for descriptor, events in sockets.ready(wait / 1000 if wait >= 0 else -1):
                action(descriptor, events)
            queued = 1
            while queued:
                queued, good, bad = multi.info_read()
                if bad:
                    _, code, message = bad[0]
                    raise SystemExit(f"{bad[0][0].getinfo(pycurl.EFFECTIVE_URL)}: {message} ({code})")
                for curl in good:
                    os.close(opened.pop(curl))
                    remove(curl)
                free += good
    for curl in free:
        curl.close()
    multi.close()


def main(urls: str, dest: str, jobs: str, authorities: str = "") -> None:
    download(urls, dest, int(jobs), authorities)


if __name__ == "__main__":
    main(*sys.argv[1:])
