"""The loop that people write by hand: ThreadPoolExecutor and requests, one Session a thread, streaming to disk.

python benchmarks/requests_pool.py urls.txt DEST JOBS [CAFILE]
"""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import requests

local = threading.local()


def fetch(url: str, dest: str, verify: str | bool) -> None:
    if not hasattr(local, "session"):
        local.session = requests.Session()
    with local.session.get(url, stream=True, timeout=30, verify=verify) as response:
        response.raise_for_status()
        with open(os.path.join(dest, url.rsplit("/", 1)[1]), "wb") as file:
            file.writelines(response.iter_content(65536))


def main(urls: str, dest: str, jobs: str, authorities: str = "") -> None:
    os.makedirs(dest, exist_ok=True)
    with open(urls) as lines, ThreadPoolExecutor(int(jobs)) as pool:
        for future in [pool.submit(fetch, line.strip(), dest, authorities or True) for line in lines]:
            future.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
