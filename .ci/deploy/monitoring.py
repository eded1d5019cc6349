"""What the values for Grafana's chart k8s-monitoring have to keep. The chart itself cannot be had here."""

import re

# What chart 4.4 has at the top, as far as it is used: it ignores keys that it does not know.
CHART_KEYS = {
    "cluster", "destinations", "clusterMetrics", "hostMetrics", "telemetryServices", "clusterEvents", "podLogsViaLoki",
    "annotationAutodiscovery", "applicationObservability", "collectors",
}
# The names that the user's own commands use, and the kinds that the presets make of them.
WORKLOADS = {"alloy-metrics": "daemonset", "alloy-logs": "daemonset", "alloy-receiver": "deployment"}


def faults(values, terraform):
    """Everything that is wrong with the values, or with what Terraform makes for them, one line each."""
    found = [f"the chart has no key {name}" for name in sorted(values.keys() - CHART_KEYS)]
    collectors, destinations = values["collectors"], values["destinations"]
    if not isinstance(destinations, dict) or not isinstance(collectors, dict):
        found.append("destinations and collectors are to be maps")
    if {name: [one for one in collector["presets"] if one in ("daemonset", "deployment")] for name, collector in collectors.items()} != {
        name: [kind] for name, kind in WORKLOADS.items()
    }:
        found.append("the collectors are not alloy-metrics, alloy-logs and alloy-receiver of the kinds that they should be")
    for name, feature in values.items():
        if isinstance(feature, dict) and "collector" in feature and feature["collector"] not in collectors:
            found.append(f"{name} names a collector that is not there")
    for name, destination in destinations.items():
        if destination["secret"] != {"create": False, "name": "grafana-cloud", "namespace": "grafana-k8s-monitoring"}:
            found.append(f"{name} makes a secret")
        for key in ("username", "password"):
            if key in destination["auth"]:
                found.append(f"{name} holds a {key}")
    for destination in destinations.values():
        for key in (destination["auth"]["usernameKey"], destination["auth"]["passwordKey"]):
            if not re.search(rf"(?m)^    {key} +=", terraform):
                found.append(f"Terraform's secret has no key {key}")
    for path in re.findall(r'name = "([a-z.]+)", value', terraform):
        at = values
        for part in path.split("."):
            at = at.get(part) if isinstance(at, dict) else None
        if at is None:
            found.append(f"Terraform sets {path}, which the values do not have")
    receivers = values["applicationObservability"]["receivers"]
    ports = [receivers["otlp"]["grpc"], receivers["otlp"]["http"], receivers["zipkin"]]
    if ports != [{"enabled": True, "port": port} for port in (4317, 4318, 9411)]:
        found.append("the receivers are not OTLP on 4317 and 4318 and Zipkin on 9411")
    if values["annotationAutodiscovery"]["scrapeInterval"] != "15s":
        found.append("annotated pods are not scraped every 15 s")
    return found
