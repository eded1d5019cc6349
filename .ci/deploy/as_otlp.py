"""Sends services' metrics pages and log lines over OTLP, as a collector that scrapes and reads logs does.

    python as_otlp.py ENDPOINT SERVICE URL-OF-THE-PAGE FILE-WITH-THE-LINES [SERVICE URL FILE …]

ENDPOINT speaks OTLP over HTTP, such as http://127.0.0.1:4318. Prints how much was sent: data points and records.
"""

import json
import sys
import time
import urllib.request
from datetime import datetime

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client.parser import text_string_to_metric_families

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def value(of):
    if isinstance(of, bool):
        return AnyValue(bool_value=of)
    if isinstance(of, int):
        return AnyValue(int_value=of)
    if isinstance(of, float):
        return AnyValue(double_value=of)
    return AnyValue(string_value=of if isinstance(of, str) else json.dumps(of))


def attributes(of):
    return [KeyValue(key=key, value=value(one)) for key, one in of.items()]


def metrics(service, page, now):
    """A page as a request, and how many data points are in it."""
    request, points = ExportMetricsServiceRequest(), 0
    resource = request.resource_metrics.add(resource=Resource(attributes=attributes({"service.name": service})))
    scope = resource.scope_metrics.add()
    for family in text_string_to_metric_families(page):
        # OTLP has the unit beside the name, a page only in it.
        unit = "s" if family.name.endswith("_seconds") else ""
        metric = scope.metrics.add(name=family.name, description=family.documentation, unit=unit)
        if family.type == "histogram":
            metric.histogram.aggregation_temporality = CUMULATIVE
            for labels, parts in by_labels(family).items():
                bounds = sorted((float(le), count) for le, count in parts["bucket"].items())
                counts = [int(count) for _, count in bounds]
                metric.histogram.data_points.add(
                    time_unix_nano=now,
                    attributes=attributes(dict(labels)),
                    count=int(parts["count"]),
                    sum=parts["sum"],
                    explicit_bounds=[le for le, _ in bounds[:-1]],
                    bucket_counts=[after - before for before, after in zip([0, *counts], counts)],
                )
                points += 1
            continue
        kind = metric.gauge
        if family.type == "counter":
            kind = metric.sum
            kind.aggregation_temporality, kind.is_monotonic = CUMULATIVE, True
        for sample in family.samples:
            kind.data_points.add(time_unix_nano=now, attributes=attributes(sample.labels), as_double=sample.value)
            points += 1
    return request, points


def by_labels(family):
    """A histogram's samples, by the labels beside `le`."""
    series = {}
    for sample in family.samples:
        labels = dict(sample.labels)
        le = labels.pop("le", None)
        parts = series.setdefault(frozenset(labels.items()), {"bucket": {}})
        if le is not None:
            parts["bucket"][le] = sample.value
        else:
            parts[sample.name.rsplit("_", 1)[1]] = sample.value
    return series


def logs(service, lines):
    """Log lines as a request, and how many records are in it."""
    request, count = ExportLogsServiceRequest(), 0
    resource = request.resource_logs.add(resource=Resource(attributes=attributes({"service.name": service})))
    scope = resource.scope_logs.add()
    for line in lines:
        if not line.startswith("{"):
            continue
        fields = json.loads(line)
        fields.pop("service.name")
        at = datetime.fromisoformat(fields.pop("timestamp"))
        scope.log_records.add(
            time_unix_nano=int(at.timestamp() * 1_000_000) * 1_000,
            severity_text=fields.pop("level"),
            body=value(fields.pop("message")),
            trace_id=bytes.fromhex(fields.pop("trace_id", "")),
            span_id=bytes.fromhex(fields.pop("span_id", "")),
            attributes=attributes(fields),
        )
        count += 1
    return request, count


def send(url, request):
    headers = {"Content-Type": "application/x-protobuf"}
    with urllib.request.urlopen(urllib.request.Request(url, request.SerializeToString(), headers), timeout=30) as answer:
        answer.read()


def main():
    endpoint, *rest = sys.argv[1:]
    points = records = 0
    for service, url, file in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        with urllib.request.urlopen(url, timeout=30) as answer:
            request, count = metrics(service, answer.read().decode(), time.time_ns())
        send(f"{endpoint}/v1/metrics", request)
        points += count
        with open(file) as lines:
            request, count = logs(service, lines)
        send(f"{endpoint}/v1/logs", request)
        records += count
    print(points, records)


if __name__ == "__main__":
    main()
