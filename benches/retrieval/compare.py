"""faiss-wrap and the same service in Python, side by side in one run.

    python compare.py --llasta BINARY --model FOLDER [--rounds 3] [--seconds 10] [--write docs/benchmarks.md]

Both have the same model, the same 2,000 passages, two threads and all telemetry on, sent to the same
collector. Rounds alternate between them, so that whatever else the machine does meets both. Needs `wrk`.
With --write the tables take the place of those between the two marks in the file.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any, Dict, List

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PASSAGES = 2000
WORDS = 60
BATCH = 64
MARKS = ("<!-- retrieval -->", "<!-- /retrieval -->")


def words() -> List[str]:
    """The vocabulary of the project's own documents."""
    text = " ".join(path.read_text() for path in sorted((ROOT / "docs").rglob("*.md")))
    return sorted(set(re.findall(r"\b[a-z]{3,12}\b", text)))


def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(url: str, body: Any = None, timeout: float = 300) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


class Service:
    """One of the two, as a process."""

    def __init__(self, name: str, command: List[str], environment: Dict[str, str], log: pathlib.Path) -> None:
        self.name = name
        self.log = log.open("w")
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=self.log, stderr=subprocess.STDOUT
        )

    def wait(self, url: str) -> None:
        self.url = url
        for _ in range(1200):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended: see {self.log.name}")
            try:
                if call(f"{url}/health", timeout=5)["status"] == "ok":
                    return
            except OSError:
                pass
            time.sleep(0.1)
        sys.exit(f"{self.name} does not answer")

    def ingest(self, items: List[Dict[str, Any]]) -> float:
        began = time.perf_counter()
        for start in range(0, len(items), BATCH):
            call(f"{self.url}/upsert", {"items": items[start : start + BATCH]})
        return len(items) / (time.perf_counter() - began)

    def load(self, connections: int, seconds: int, queries: pathlib.Path) -> Dict[str, float]:
        text = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s",
             "-s", str(HERE / "queries.lua"), f"{self.url}/search", "--", str(queries)],
            check=True, capture_output=True, text=True,
        )
        if text.stderr:
            sys.exit(f"{self.name}: {text.stderr[:400]}")
        def share(percent: int) -> float:
            value, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text.stdout).groups()
            return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text.stdout).group(1))
        return {"rate": rate, "p50": share(50), "p99": share(99)}

    def resident(self) -> float:
        """MiB in memory, and the most there ever was."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


def same(ours: Service, theirs: Service, queries: List[str]) -> int:
    """How many queries have the same answers: the same texts, and scores within 0.001."""
    equal = 0
    for query in queries:
        a, b = (call(f"{one.url}/search", {"query": query, "top_k": 5})["results"] for one in (ours, theirs))
        close = all(abs(x["score"] - y["score"]) < 1e-3 for x, y in zip(a, b))
        # Of texts with almost the same score either may come first.
        ids = {x["id"] for x in a} == {y["id"] for y in b} or abs(a[-1]["score"] - b[-1]["score"]) < 1e-4
        equal += len(a) == len(b) == 5 and close and ids
    return equal


def table(rows: List[List[str]]) -> str:
    head, *rest = rows
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rest]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llasta", required=True, type=pathlib.Path)
    parser.add_argument("--model", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()

    chance, vocabulary = random.Random(20), words()
    items = [
        {"id": f"p{number}", "text": " ".join(chance.choices(vocabulary, k=WORDS)), "metadata": {"n": number}}
        for number in range(PASSAGES)
    ]
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = pathlib.Path(scratch_name)
        texts = [" ".join(chance.choices(vocabulary, k=8)) for _ in range(60_000)]
        shares = []
        for number in range(2 * arguments.rounds + 2):
            path = scratch / f"queries{number}"
            path.write_text("\n".join(texts[number :: 2 * arguments.rounds + 2]) + "\n")
            shares.append(path)
        otlp, here, there = port(), port(), port()
        collector = subprocess.Popen(
            [str(arguments.llasta), "check", "--otlp", f"127.0.0.1:{otlp}", "--duration", "2h"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        threads = {"OMP_NUM_THREADS": "2", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}",
                   "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        ours = Service("faiss-wrap", [
            str(arguments.llasta), "serve", "faiss-wrap", "--port", str(here), "--log-format", "json",
            "--data-dir", str(scratch / "data"), "--embed-model", str(arguments.model), "--index", "faiss",
            "--embed-threads", "2",
        ], threads, scratch / "ours.log")
        theirs = Service("Python", [
            sys.executable, str(HERE / "service.py"), "--model", str(arguments.model), "--port", str(there),
        ], threads, scratch / "theirs.log")
        both = (ours, theirs)
        try:
            for one, number in zip(both, (here, there)):
                one.wait(f"http://127.0.0.1:{number}")
            ingested = {one.name: one.ingest(items) for one in both}
            equal = same(ours, theirs, texts[:100])
            many: Dict[str, List[Dict[str, float]]] = {one.name: [] for one in both}
            single: Dict[str, List[Dict[str, float]]] = {one.name: [] for one in both}
            for one, queries in zip(both, shares[-2:]):
                one.load(16, 2, queries)
            for number in range(arguments.rounds):
                for at, one in enumerate(both):
                    many[one.name].append(one.load(16, arguments.seconds, shares[2 * number + at]))
            for number in range(arguments.rounds):
                for at, one in enumerate(both):
                    single[one.name].append(one.load(1, max(2, arguments.seconds // 2), shares[-1 - at]))
            resident = {one.name: one.resident() for one in both}
        finally:
            for one in both:
                one.end()
            collector.terminate()
            collector.wait(30)

    def middle(runs: Dict[str, List[Dict[str, float]]], name: str, what: str) -> float:
        return statistics.median(run[what] for run in runs[name])

    rows = [["", "faiss-wrap", "Python", "ratio"]]

    def row(title: str, ours_: float, theirs_: float, digits: int, more_is_better: bool) -> None:
        ratio = ours_ / theirs_ if more_is_better else theirs_ / ours_
        rows.append([title, f"{ours_:,.{digits}f}", f"{theirs_:,.{digits}f}", f"{ratio:.1f}"])

    for title, runs, what, digits, more in (
        ("searches per second, 16 connections", many, "rate", 0, True),
        ("p50, ms, 16 connections", many, "p50", 1, False),
        ("p99, ms, 16 connections", many, "p99", 1, False),
        ("p50, ms, 1 connection", single, "p50", 1, False),
        ("p99, ms, 1 connection", single, "p99", 1, False),
    ):
        row(title, middle(runs, ours.name, what), middle(runs, theirs.name, what), digits, more)
    row("passages ingested per second", ingested[ours.name], ingested[theirs.name], 0, True)
    row("resident memory, MiB", resident[ours.name], resident[theirs.name], 0, False)
    text = (
        f"{table(rows)}\n\n{equal} of 100 queries had the same five passages with the same scores "
        f"(within 0.001). Medians of {arguments.rounds} rounds of {arguments.seconds} s."
    )
    print(text)
    if arguments.write:
        page = arguments.write.read_text()
        before, rest = page.split(MARKS[0], 1)
        after = rest.split(MARKS[1], 1)[1]
        arguments.write.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
