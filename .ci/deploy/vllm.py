"""Runs a real Prometheus against a page of vLLM's and looks what the rules make of it.

Wherever rules are written, each set of them gets scrapes of its own: of vLLM's page as text, which is what vLLM
answers at /metrics; of the same page as vLLM's library answers where it is asked itself, with other names for
this scraper; and of a page of llasta's stand-in. The label `rules` tells the scrapes apart. vLLM's own names have
to come out as vLLM declares them, the copies bucket for bucket, and of the stand-in nothing is copied and nothing
renamed.
"""

import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

# vLLM's names and the contract's.
COPIES = {
    "vllm:e2e_request_latency_seconds_bucket": "vllm_request_duration_seconds_bucket",
    "vllm:e2e_request_latency_seconds_sum": "vllm_request_duration_seconds_sum",
    "vllm:e2e_request_latency_seconds_count": "vllm_request_duration_seconds_count",
    "vllm:generation_tokens_total": "vllm_tokens_generated_total",
    "vllm:num_requests_running": "vllm_active_requests",
    "vllm:num_requests_waiting": "vllm_queue_size",
}

STAND_IN = """\
# TYPE vllm_request_duration_seconds histogram
vllm_request_duration_seconds_bucket{model_name="llasta/extractive",le="+Inf"} 4
vllm_request_duration_seconds_count{model_name="llasta/extractive"} 4
vllm_request_duration_seconds_sum{model_name="llasta/extractive"} 2
# TYPE vllm_active_requests gauge
vllm_active_requests{model_name="llasta/extractive"} 1
"""


class Page:
    """A registry whose metrics are those of a text page."""

    def __init__(self, text):
        self.text = text

    def collect(self):
        return text_string_to_metric_families(self.text)

    def samples(self):
        return [sample for family in self.collect() for sample in family.samples]


def serve(page, accept=None):
    """The page as vLLM's library serves it, in the format that the scraper asks for or in that of `accept`. Its
    address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            encoder, content_type = choose_encoder(accept or self.headers.get("Accept", ""))
            body = encoder(page)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def scrape(name, address, where, rules):
    return {
        "job_name": name,
        "static_configs": [{"targets": [address], "labels": {"rules": where}}],
        "metric_relabel_configs": rules,
    }


class Prometheus:
    def __init__(self, work, jobs):
        config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
        (work / "prometheus.yml").write_text(yaml.safe_dump(config))
        self.log = open(work / "prometheus.log", "w+")
        free = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        self.address = f"127.0.0.1:{free.server_port}"
        free.server_close()
        self.process = subprocess.Popen(
            [
                "prometheus", f"--config.file={work}/prometheus.yml", f"--storage.tsdb.path={work}/tsdb",
                f"--web.listen-address={self.address}",
            ],
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
        )

    def query(self, expression):
        url = f"http://{self.address}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def wait(self, jobs):
        """Until every job was scraped well, or for 60 s."""
        until, seen = time.monotonic() + 60, None
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                seen = self.query("up == 1 and scrape_samples_scraped > 0")
                if len(seen) == jobs:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        self.log.seek(0)
        raise AssertionError(f"Prometheus did not scrape everything: {seen}\n{self.log.read()[-2000:]}")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def key(labels):
    """A series without what tells its scrape from the others."""
    return frozenset((name, value) for name, value in labels.items() if name not in ("__name__", "instance", "job", "rules"))


def faults(work, text, rule_sets):
    """What is wrong with what these rules make of vLLM's page, and how many copies each made.

    `rule_sets` maps where rules are written to a pair: those that restore vLLM's names, and those that copy.
    """
    page, found, counts = Page(text), [], {}
    expected = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in page.samples()}
    copied = {(COPIES[name], labels): value for (name, labels), value in expected.items() if name in COPIES}
    if {name for name, _ in copied} != set(COPIES.values()):
        found.append("the page lacks some of vLLM's names")
    stand_in = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in Page(STAND_IN).samples()}
    pages = {"text": serve(page, "text/plain;version=0.0.4"), "negotiated": serve(page), "stand-in": serve(Page(STAND_IN))}
    jobs, wanted = [], {}
    for where, (names, copies) in rule_sets.items():
        for kind, address in pages.items():
            own = stand_in if kind == "stand-in" else expected
            for what, rules, result in (("names", names, own), ("copies", copies, {} if kind == "stand-in" else copied)):
                job = f"{what} of {where}, {kind}"
                jobs.append(scrape(job, address, job, rules))
                wanted[job] = result
        counts[where] = len(copied)
    prometheus = Prometheus(work, jobs)
    try:
        prometheus.wait(len(jobs))
        for job, result in wanted.items():
            every = prometheus.query('{rules="%s",__name__!~"up|scrape_.*"}' % job)
            got = {(one["metric"]["__name__"], key(one["metric"])): float(one["value"][1]) for one in every}
            for (name, labels), value in sorted(result.items(), key=str):
                if got.get((name, labels)) != value:
                    found.append(f"{job}: {name} {sorted(labels)} is {got.get((name, labels))} and not {value}")
            for name, labels in sorted(got.keys() - result.keys(), key=str):
                found.append(f"{job}: {name} {sorted(labels)} should not be there")
    finally:
        prometheus.stop()
    return found, counts
