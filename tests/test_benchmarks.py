"""The benchmark against other programs, on a few files: that it measures, and that it notices what is not whole."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))

needs_nginx = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("nginx", path=PATH) is None, reason="nginx is not installed"
)


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules of the benchmarks can be imported, by this test alone."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == BENCHMARKS:
            del sys.modules[name]


def peers(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCHMARKS / "peers.py", *words], capture_output=True, text=True, timeout=50, check=False
    )


def test_every_script_is_described() -> None:
    described = re.findall(
        r"^\| `(\w+\.py)` \|", (BENCHMARKS / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    started = [
        path.name
        for path in BENCHMARKS.glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    ]
    assert sorted(described) == sorted(started)


@needs_nginx
def test_pdl_the_limit_and_a_peer_are_measured_on_the_same_list(tmp_path: Path) -> None:
    to = tmp_path / "found.json"
    words = ["--workload", "many", "--scale", "0.001", "--rounds", "1", "--peer", "bare", "curl", "--json", to]
    done = peers(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("many: 60,000 files of 10 KB (here 0.1% of that)\n")
    assert done.stdout.index("targets are meant for all of it") < done.stdout.index("target met")
    found = json.loads(to.read_text())
    assert found["about"]["pdl"]
    many = found["workloads"]["many"]
    assert many["count"] == 60
    expected = {"pdl", "bare"} | ({"curl"} if shutil.which("curl") else set())
    assert expected <= set(many["standings"])
    for name, standing in many["standings"].items():
        assert not standing["broken"], name
        figures = standing["rounds"]["1"]
        assert figures["wall"] > 0
        assert figures["cpu"] > 0
    assert {each["text"]: each["met"] for each in many["targets"]}["at most 80 MiB"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks run where nginx does")
@pytest.mark.parametrize("option", ["--rounds", "--scale", "--jobs", "--count"])
def test_no_number_may_be_nought(option: str) -> None:
    done = peers("--workload", "start", option, "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("rounds, scale, jobs and count are above 0\n")


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks run where nginx does")
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = peers("--workload", "start", "--json", tmp_path / "nowhere" / "found.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "found.json: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


@needs_nginx
def test_a_contestant_that_leaves_a_file_out_or_spoils_one_is_out(scripts: None, tmp_path: Path) -> None:
    import contestants  # noqa: PLC0415 - on the path for this test only
    import courses  # noqa: PLC0415
    from measuring import Broken  # noqa: PLC0415

    class Sloppy(contestants.Script):
        """The bare loop, and then something happens to its files."""

        def __init__(self, accident: Any) -> None:
            super().__init__("sloppy", "bare_curl.py", "")
            self._accident = accident

        def tidy(self, job: contestants.Job, names: list[str]) -> None:
            self._accident(job.dest / names[-1])

    def spoil(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    course = courses.Course(courses.Extent(5, jobs=2))
    try:
        assert course.run(Sloppy(Path.exists), 1).wall > 0
        for accident in (Path.unlink, spoil, lambda path: path.with_name("more").touch()):
            with pytest.raises(Broken):
                course.run(Sloppy(accident), 1)
            assert not course.dest.exists()
    finally:
        course.close()
    assert not course.server.folder.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks run where nginx does")
def test_a_program_that_fails_is_told_of_with_its_last_words(scripts: None) -> None:
    import measuring  # noqa: PLC0415 - on the path for this test only

    command = [sys.executable, "-c", "import sys; print('first', file=sys.stderr); sys.exit('last')"]
    for terminal in (False, True):
        with pytest.raises(measuring.Broken, match="code 1: last"):
            measuring.measure(command, measuring.Around(quiet=True, terminal=terminal))


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks run where nginx does")
def test_an_interrupted_measurement_ends_the_program_and_waits_for_no_time_limit() -> None:
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    around = "measuring.Around(limit=600)"
    code = f"import measuring, sys; measuring.measure([sys.executable, '-c', {program!r}], {around})"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=BENCHMARKS
    ) as process:
        assert process.stdout is not None
        measured = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        try:
            _, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    assert stderr.endswith("KeyboardInterrupt\n")
    with pytest.raises(ProcessLookupError):
        os.kill(measured, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody adopts the children of others")
def test_the_work_of_a_child_that_was_left_behind_counts(scripts: None) -> None:
    import measuring  # noqa: PLC0415 - on the path for this test only

    work = "import time\nwhile time.process_time() < 0.3: pass"
    leave = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {work!r}])"
    assert measuring.measure([sys.executable, "-c", leave]).cpu > 0.3


@pytest.mark.skipif(sys.platform == "win32", reason="the benchmarks run where nginx does")
def test_targets_are_judged_by_the_rounds_that_both_ran(scripts: None) -> None:
    import results  # noqa: PLC0415 - on the path for this test only
    import targets  # noqa: PLC0415
    from measuring import Figures  # noqa: PLC0415

    def standing(**walls: float) -> results.Standing:
        rounds = {int(number[1:]): Figures(wall, 1.0, 50.0) for number, wall in walls.items()}
        return results.Standing([], "", rounds)

    found = results.Result(1000, 10_000, 4)
    found.standings = {
        "pdl": standing(r1=1, r2=2, r3=4),
        "curl": standing(r1=2, r2=3, r3=4),
        "bare": standing(r1=0.1),
    }
    judge = {target.text: target.judge(found, {}) for target in (targets.speed(1.5, "curl"), targets.rate(500))}
    assert [each.met for each in judge.values()] == [True, True]
    assert targets.fastest_peer(1.6).judge(found, {}).met is False  # bare is the limit, and no peer
    assert targets.apart(0.5, "curl").judge(found, {}).met is True
    assert targets.speed(1, "aria2c").judge(found, {}) == targets.UNKNOWN
    found.standings["curl"].broken = "killed"
    assert targets.fastest_peer(1).judge(found, {}) == targets.UNKNOWN
