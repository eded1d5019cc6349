"""The checks find what they are for: mistakes that are planted here."""

import copy
import tempfile
import unittest
from pathlib import Path

import yaml

import alloy
import compose
import monitoring
import pods
import vllm

HERE = Path(__file__).resolve().parent
DEPLOY = HERE.parent.parent / "llasta-rag/deploy"


class Alloy(unittest.TestCase):
    text = (DEPLOY / "alloy/config.alloy").read_text()

    def faults_of(self, old, new):
        self.assertIn(old, self.text)
        try:
            return alloy.check(alloy.parse(self.text.replace(old, new, 1)))
        except alloy.Fault as fault:
            return [str(fault)]

    def test_what_is_shipped_has_no_fault(self):
        self.assertEqual(alloy.check(alloy.parse(self.text)), [])

    def test_each_mistake_is_found(self):
        for old, new, part in (
            ("otelcol.processor.batch.default.input", "otelcol.processor.batch.other.input", "not declared"),
            ("[prometheus.relabel.vllm_names.receiver]", "[loki.write.cloud.receiver]", "prometheus belongs here"),
            ("discovery.relabel.pods.output", "discovery.relabel.pods.targets", "not declared"),
            ('role = "pod"', 'rol = "pod"', "has no argument rol"),
            ('timeout = "2s"', 'timeout = "2s" send_batch_size = 1', "behind the end of a statement"),
            ('  url = sys.env("LOKI_URL")\n', "", "lacks url"),
            ('sys.env("LOKI_URL")', 'env("LOKI_URL")', "not among the functions"),
            ("otelcol.receiver.zipkin", "otelcol.receiver.zipkn", "not among the components"),
            ('prometheus.scrape "pods"', "prometheus.scrape", "is to have a label"),
            ('"k8s.node.name",\n', '"k8s.node.name"\n', "a comma is missing"),
            ("logging {", "logging {{", "is missing before"),
        ):
            with self.subTest(new=new):
                found = self.faults_of(old, new)
                self.assertTrue(any(part in fault for fault in found), found)

    def test_what_nobody_refers_to_is_found(self):
        found = self.faults_of("prometheus.relabel.vllm_contract.receiver,\n", "")
        self.assertEqual(found, ["nothing refers to prometheus.relabel.vllm_contract"])


class Pods(unittest.TestCase):
    objects = [one for one in yaml.safe_load_all((DEPLOY / "kubernetes/llasta.yaml").read_text()) if one]

    def find(self, objects, kind, name):
        return next(one for one in pods.of_kind(objects, kind) if one["metadata"]["name"] == name)

    def test_what_is_shipped_has_no_fault(self):
        self.assertEqual(pods.faults(self.objects), [])

    def test_each_mistake_is_found(self):
        def change(kind, name, apply):
            objects = copy.deepcopy(self.objects)
            apply(self.find(objects, kind, name)["spec"])
            return pods.faults(objects)

        pod = lambda spec: spec["template"]["spec"]  # noqa: E731
        container = lambda spec: pod(spec)["containers"][0]  # noqa: E731
        scrape = lambda spec: spec["template"]["metadata"]["annotations"]  # noqa: E731
        for name, apply, part in (
            ("chatbot-rag", lambda s: pod(s)["securityContext"].update(runAsNonRoot=False), "may run as root"),
            ("chatbot-rag", lambda s: container(s)["securityContext"].update(readOnlyRootFilesystem=False), "write to its root"),
            ("chatbot-rag", lambda s: container(s).pop("livenessProbe"), "no livenessProbe"),
            ("chatbot-rag", lambda s: container(s)["resources"].pop("limits"), "no limit of memory"),
            ("chatbot-rag", lambda s: container(s).update(image="vmeoc/llasta"), "has no version"),
            ("chatbot-rag", lambda s: container(s)["env"].append({"name": "VLLM_API_KEY", "value": "x"}), "stands in the manifest"),
            ("chatbot-rag", lambda s: scrape(s).update({"k8s.grafana.com/scrape": True}), "is no string"),
            ("chatbot-rag", lambda s: scrape(s).update({"k8s.grafana.com/metrics.portNumber": "80"}), "is scraped at 80"),
            ("chatbot-rag", lambda s: scrape(s).update({"k8s.grafana.com/metrics.port": "8080"}), "no annotation of the chart's"),
            ("chatbot-rag", lambda s: s.update(replicas=2), "undoes what it does"),
            ("chatbot-rag", lambda s: container(s)["env"].append({"name": "X", "value": "http://elsewhere:80"}), "may not call"),
            ("chatbot-rag", lambda s: pod(s).pop("enableServiceLinks"), "VLLM_PORT"),
            ("faiss-wrap", lambda s: s["strategy"].update(type="RollingUpdate"), "shares its volume"),
            ("faiss-wrap", lambda s: s.update(replicas=2), "no disruption budget"),
            ("vllm", lambda s: pod(s).pop("tolerations"), "wants a GPU"),
        ):
            with self.subTest(part=part):
                found = change("Deployment", name, apply)
                self.assertTrue(any(part in fault for fault in found), found)
        found = change("NetworkPolicy", "chatbot-rag", lambda s: s["egress"].pop(0))
        self.assertIn("chatbot-rag: may not ask for addresses", found)
        found = change("Service", "faiss-wrap", lambda s: s["ports"][0].update(port=80))
        self.assertTrue(any("leads to a port" in fault for fault in found), found)
        secret = [*self.objects, {"kind": "Secret", "metadata": {"name": "x"}}]
        self.assertEqual(pods.faults(secret), ["x: a Secret has no place in a manifest"])


class Compose(unittest.TestCase):
    path = DEPLOY / "compose/compose.yaml"

    def test_each_mistake_is_found(self):
        shipped = compose.load(self.path)
        self.assertEqual(compose.faults(shipped, self.path), [])
        for name, change, part in (
            ("tempo", {"image": "grafana/tempo"}, "has no version"),
            ("loki", {"user": "0:0"}, "runs as root"),
            ("loki", {"cap_drop": []}, "keeps capabilities"),
            ("grafana", {"ports": ["3000:3000"]}, "to the network"),
            ("grafana", {"deploy": {}}, "no limit of memory"),
            ("prometheus", {"volumes": ["./prometheus/prometheus.yaml:/x:ro"]}, "which is not there"),
            ("prometheus", {"volumes": ["prometheus:/prometheus"]}, "which is no volume"),
            ("chatbot-rag", {"labels": {"llasta.job": "chatbot-rag"}}, "without the other"),
            ("chatbot-rag", {"environment": {"RAG_TOPK": "3"}}, "not in docs/guides/configuration.md"),
            ("chatbot-rag", {"depends_on": {"tempo": {"condition": "service_healthy"}}}, "which nothing tells"),
            ("chatbot-rag", {"depends_on": ["faiss"]}, "which is not there"),
            ("chatbot-rag", {"restart": "sometimes"}, "sometimes"),
        ):
            with self.subTest(part=part):
                changed = copy.deepcopy(shipped)
                changed["services"][name].update(change)
                found = compose.faults(changed, self.path)
                self.assertTrue(any(part in fault for fault in found), found)
        del shipped["services"]["alloy"]
        self.assertIn("alloy is called and is no service", compose.faults(shipped, self.path))


class Monitoring(unittest.TestCase):
    values = yaml.safe_load((DEPLOY / "helm/k8s-monitoring-values.yaml").read_text())
    terraform = (DEPLOY / "terraform/main.tf").read_text()

    def test_each_mistake_is_found(self):
        self.assertEqual(monitoring.faults(self.values, self.terraform), [])
        for change, part in (
            (lambda v: v.update(podLogs={"enabled": True}), "has no key podLogs"),
            (lambda v: v["clusterEvents"].update(collector="alloy-singleton"), "a collector that is not there"),
            (lambda v: v["collectors"]["alloy-receiver"].update(presets=["daemonset"]), "of the kinds"),
            (lambda v: v["destinations"]["loki"]["secret"].update(create=True), "makes a secret"),
            (lambda v: v["destinations"]["loki"]["auth"].update(password="x"), "holds a password"),
            (lambda v: v["destinations"]["loki"]["auth"].update(usernameKey="user"), "has no key user"),
            (lambda v: v["destinations"]["tempo"].pop("url"), "which the values do not have"),
            (lambda v: v["applicationObservability"]["receivers"]["zipkin"].update(port=9412), "Zipkin on 9411"),
            (lambda v: v["annotationAutodiscovery"].update(scrapeInterval="60s"), "every 15 s"),
        ):
            with self.subTest(part=part):
                values = copy.deepcopy(self.values)
                change(values)
                found = monitoring.faults(values, self.terraform)
                self.assertTrue(any(part in fault for fault in found), found)


class Vllm(unittest.TestCase):
    def test_rules_that_lose_a_name_or_a_bucket_are_found(self):
        jobs = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
        rules = {job["job_name"]: job.get("metric_relabel_configs") for job in jobs}
        names, copies = rules["vllm"], rules["vllm-contract"][:-1]
        buckets = copy.deepcopy(copies)
        buckets[0]["regex"] = buckets[0]["regex"].replace("(bucket|sum|count)", "(sum|count)")
        colons = copy.deepcopy(copies)
        for rule in colons:
            rule["regex"] = rule["regex"].replace("[:_]", ":")
        with tempfile.TemporaryDirectory() as work:
            rule_sets = {"none": ([], []), "buckets": (names, buckets), "colons": (names, colons)}
            found, _ = vllm.faults(Path(work), (HERE / "vllm.prom").read_text(), rule_sets)
        for part in (
            # The library does spell the names otherwise for this Prometheus: that is what the rules are for.
            "names of none, negotiated: vllm:num_requests_running",
            "copies of none, stand-in: vllm_active_requests",
            "copies of buckets, text: vllm_request_duration_seconds_bucket",
            "copies of colons, negotiated: vllm_queue_size",
        ):
            self.assertTrue(any(part in fault for fault in found), part)
        self.assertFalse([fault for fault in found if "names of buckets" in fault or "copies of colons, text" in fault])


if __name__ == "__main__":
    unittest.main()
