"""Checks llasta-rag/deploy as far as that can be done without a cluster and without Docker.

    python check.py           checks; exit status 1 where something is wrong
    python check.py --write   writes the plain manifests anew first
"""

import fnmatch
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import hcl2
import helm_python.chart as helm
import kubernetes_validate
import yaml
from helm_python import errors

import alloy
import compose
import monitoring
import pods
import vllm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DEPLOY = ROOT / "llasta-rag/deploy"
CHART = DEPLOY / "helm/llasta-rag"
VALUES = DEPLOY / "helm/k8s-monitoring-values.yaml"

# The oldest Kubernetes that is still looked after, and the newest that the schemas are there for.
KUBERNETES = ["1.34", "1.37"]

# The plain manifests, and what of the chart's values they are made with.
PLAIN = {
    "llasta.yaml": ({}, "with a real vLLM, which needs a node with a GPU"),
    "llasta-cuda.yaml": ({"faissWrap": {"gpu": {"enabled": True}}}, "with faiss-wrap and a real vLLM on a GPU each"),
    "llasta-without-gpu.yaml": ({"vllm": {"mode": "stand-in"}}, "with the stand-in in vLLM's place"),
}

# Every branch of the templates.
VARIANTS = {
    "as it comes": {},
    "without a GPU": {"vllm": {"mode": "stand-in"}},
    "with a server outside": {"vllm": {"mode": "external", "baseUrl": "https://llm.example:443"}},
    "with secrets": {
        "vllm": {"apiKeySecret": {"name": "vllm"}, "huggingFaceSecret": {"name": "hugging-face"}},
        "imagePullSecrets": [{"name": "registry"}],
    },
    "faiss-wrap on a GPU": {
        "faissWrap": {"gpu": {"enabled": True, "runtimeClassName": "nvidia"}, "download": True, "embedModel": "BAAI/bge-m3"}
    },
    "faiss-wrap on two GPUs": {
        "faissWrap": {"gpu": {"enabled": True, "count": 2, "indexDevice": "cuda:all", "indexMemoryMib": 1024, "imageTag": "a-tag"}}
    },
    "faiss-wrap on Milvus": {
        "faissWrap": {"milvus": {"enabled": True, "url": "http://milvus.milvus.svc:19530", "tokenSecret": {"name": "milvus"}, "replicas": 3}}
    },
    "without autoscaler": {"chatbotRag": {"autoscaling": {"enabled": False}}},
    "with callers named": {"networkPolicy": {"chatbotRagFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}},
    "elsewhere": {
        "telemetry": {
            "otlpEndpoint": "http://collector.observability.svc:4317",
            "namespace": "observability",
            "env": [{"name": "OTEL_TRACES_SAMPLER", "value": "always_on"}],
        },
        "chatbotRag": {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}], "affinity": {"podAntiAffinity": {}}},
    },
}

REFUSED = {
    "a mode that there is not": {"vllm": {"mode": "vlm"}},
    "a server outside without its address": {"vllm": {"mode": "external"}},
    "a misspelt value": {"chatbotRag": {"replica": 3}},
    "a number where a word belongs": {"telemetry": {"scrapeInterval": 15}},
    "a GPU without its number": {"faissWrap": {"gpu": {"enabled": True, "indexDevice": "cuda"}}},
    "Milvus without its address": {"faissWrap": {"milvus": {"enabled": True}}},
    "an endpoint without a scheme": {"telemetry": {"otlpEndpoint": "alloy:4317"}},
}

problems = 0


def say(text):
    print(f"deploy-check: {text}", flush=True)


def report(what, found):
    """One part's end: a line if all is well, one for each fault otherwise."""
    global problems
    for fault in found:
        print(f"deploy-check: error: {what}: {fault}", file=sys.stderr, flush=True)
    problems += len(found)
    if not found:
        say(what)


def tool(name):
    """A tool's path: from the virtual environment, or else from the system."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def lines(*command):
    """What a tool says when it is not content."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT)
    return [] if done.returncode == 0 else (done.stdout + done.stderr).strip().splitlines() or [f"exit status {done.returncode}"]


def relative(path):
    return str(path.relative_to(ROOT))


# ---------------------------------------------------------------------------------------------
# Formats.


def yaml_files():
    """Every YAML file that is no template of the chart's."""
    return sorted(
        path for path in [*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")] if CHART / "templates" not in path.parents
    )


def check_yaml():
    files = [relative(path) for path in yaml_files()]
    found = lines(tool("yamllint"), "--strict", "--format", "parsable", "--config-file", str(HERE / "yamllint.yaml"), *files)
    report(f"{len(files)} YAML files", found)


def sent_to_builder(file, patterns):
    """Whether a file goes to Docker's builder: the last pattern that matches it, or a folder above, decides."""
    parts, sent = file.split("/"), True
    above = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    for pattern in patterns:
        plain = pattern.removeprefix("!").removeprefix("**/")
        names = parts if pattern.removeprefix("!").startswith("**/") else above
        if any(fnmatch.fnmatchcase(name, plain) for name in names):
            sent = pattern.startswith("!")
    return sent


def check_context(dockerfile):
    """Whether cargo finds its way in what is sent to the builder."""
    text = (DEPLOY / f"docker/{dockerfile}.dockerignore").read_text()
    patterns = [line for line in text.splitlines() if line and not line.startswith("#")]
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    sent = [file for file in files if sent_to_builder(file, patterns) and (ROOT / file).is_file()]
    with tempfile.TemporaryDirectory() as folder:
        for file in sent:
            (Path(folder) / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, Path(folder) / file)
        metadata = ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1", "--quiet"]
        return lines(*metadata, "--manifest-path", f"{folder}/Cargo.toml")


def check_docker(name):
    found = lines(tool("hadolint"), relative(DEPLOY / "docker" / name))
    text = (DEPLOY / "docker" / name).read_text()
    manifest = (ROOT / "llasta-rag/Cargo.toml").read_text()
    features = re.search(r"^ARG FEATURES=(.*)$", text, re.MULTILINE).group(1).split(",")
    for feature in features:
        if not re.search(rf"^{re.escape(feature)} = \[", manifest, re.MULTILINE):
            found.append(f"llasta-rag has no feature {feature}")
    found += check_context(name)
    users = re.findall(r"^USER (.*)$", text, re.MULTILINE)
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        found.append("the image's user is no number, or is root")
    report(f"the {name}, with the features {', '.join(features)}", found)


def check_hcl():
    found, blocks, text = [], {}, ""
    folder = DEPLOY / "terraform"
    for path in sorted(folder.glob("*.tf")):
        text += path.read_text()
        try:
            with path.open() as file:
                for kind, members in hcl2.load(file).items():
                    blocks.setdefault(kind, []).extend(members if isinstance(members, list) else [])
        except Exception as error:  # The parser has no error of its own.
            found.append(f"{path.name}: {str(error).splitlines()[0]}")
    code = re.sub(r"(?m)^\s*#.*$", "", text)
    declared = set(re.findall(r'(?m)^variable "(\w+)"', code))
    used = set(re.findall(r"\bvar\.(\w+)", code))
    found += [f"var.{name} is not declared" for name in sorted(used - declared)]
    found += [f"variable {name} is not used" for name in sorted(declared - used)]
    local = set(re.findall(r"(?m)^  (\w+)\s*= ", re.search(r"(?s)locals \{.*?\n\}", code).group(0)))
    found += [f"local.{name} is not declared" for name in sorted(set(re.findall(r"\blocal\.(\w+)", code)) - local)]
    resources = set(re.findall(r'(?m)^resource "(\w+)" "(\w+)"', code))
    for kind, name in sorted(set(re.findall(r"\b((?:helm|kubernetes|grafana|mimirtool)_\w+)\.(\w+)", code)) - resources):
        found.append(f"{kind}.{name} is not declared")
    providers = set(re.findall(r'(?m)^    (\w+) = \{\n      source', code))
    for kind, name in sorted(resources):
        if kind.split("_")[0] not in providers:
            found.append(f"{kind}.{name} is of no provider that is asked for")
    for name in sorted(declared):
        block = re.search(rf'(?s)variable "{name}" \{{.*?\n\}}', code).group(0)
        if ("token" in name or "password" in name) and not ("sensitive   = true" in block and "default" not in block):
            found.append(f"variable {name} is secret, and not marked so or has a default")
    # What the files name has to be there.
    for path in re.findall(r'"\$\{local\.deploy\}/([^"$]+)"', code):
        if not (DEPLOY / path).exists():
            found.append(f"there is no {path}")
    if tool("terraform"):
        found += lines(tool("terraform"), "fmt", "-check", "-diff", str(folder))
    report(f"Terraform: {len(resources)} resources, {len(declared)} variables", found)


SECRETS = re.compile(r"glc_[A-Za-z0-9+/=]{8}|glsa_[A-Za-z0-9]{8}|hf_[A-Za-z0-9]{16}|-----BEGIN|eyJ[A-Za-z0-9_-]{20}")


def check_secrets():
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    found = [f"{relative(path)} holds what looks like a secret" for path in files if SECRETS.search(path.read_text())]
    report(f"no secret in {len(files)} files", found)


# ---------------------------------------------------------------------------------------------
# Kubernetes.


def validate(objects):
    found = []
    for one in objects:
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(str(part) for part in error.path)
                found.append(f"{one['kind']} {one['metadata']['name']} in Kubernetes {version}: {path}: {error.message[:200]}")
    return found


def render(chart, values):
    """The chart's manifests as text, in the order of the templates' names."""
    rendered = chart.render(values, name="llasta", namespace="llasta")
    parts = [text.strip() for path, text in sorted(rendered.items()) if path.endswith(".yaml") and text.strip()]
    return "\n---\n".join(part.removeprefix("---\n") for part in parts) + "\n"


def plain_manifest(chart, name):
    values, what = PLAIN[name]
    # What only means something to Helm stays out.
    values = compose.over(values, {"faissWrap": {"persistence": {"keep": False}}})
    text = re.sub(r"(?m)^ *(app\.kubernetes\.io/managed-by|helm\.sh/chart): .*\n", "", render(chart, values))
    return f"""\
# chatbot-rag, faiss-wrap and vLLM for those without Helm, {what}.
#
#   kubectl apply -f llasta-rag/deploy/kubernetes/{name}
#
# Rendered from llasta-rag/deploy/helm/llasta-rag: change it there, then run `bash .ci/deploy-check --write`.
apiVersion: v1
kind: Namespace
metadata:
  name: llasta
---
{text}"""


def check_chart(write):
    linted = helm.lint(str(CHART), {}, strict=True)
    report("Helm's own lint", linted["errors"])
    chart = helm.Chart.load(str(CHART))
    for name, values in VARIANTS.items():
        chart.validate_schema(values)
        objects = [one for one in yaml.safe_load_all(render(chart, values)) if one]
        found = validate(objects) + pods.faults(objects)
        report(f"the chart {name}: {len(objects)} objects", found)
    found = []
    for name, values in REFUSED.items():
        try:
            chart.validate_schema(values)
            render(chart, values)
            found.append(f"{name} is taken")
        except errors.HelmError:
            pass
    report(f"the chart refuses {', '.join(REFUSED)}", found)

    for name in PLAIN:
        path, text = DEPLOY / "kubernetes" / name, plain_manifest(chart, name)
        if write:
            path.write_text(text)
            say(f"wrote {relative(path)}")
        objects = [one for one in yaml.safe_load_all(path.read_text()) if one] if path.exists() else []
        found = validate(objects) + pods.faults(objects)
        if not path.exists() or path.read_text() != text:
            found.append("is not what the chart renders; run: bash .ci/deploy-check --write")
        report(f"{relative(path)}: {len(objects)} objects", found)


def check_monitoring():
    values, terraform = yaml.safe_load(VALUES.read_text()), (DEPLOY / "terraform/main.tf").read_text()
    report("values for the chart k8s-monitoring", monitoring.faults(values, terraform))


def check_alloy_manifests():
    folder = DEPLOY / "alloy"
    done = subprocess.run([tool("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        report("the manifests of Alloy", done.stderr.splitlines())
        return
    objects = [one for one in yaml.safe_load_all(done.stdout) if one]
    found = validate(objects)
    deployment = pods.of_kind(objects, "Deployment")[0]
    service = pods.of_kind(objects, "Service")[0]
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    if [ports.get(port["targetPort"]) for port in service["spec"]["ports"]] != [4317, 4318, 9411]:
        found.append("the Service does not lead to 4317, 4318 and 9411")
    chart = yaml.safe_load((CHART / "values.yaml").read_text())
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    if chart["telemetry"]["otlpEndpoint"] != f"http://{name}.{namespace}.svc.cluster.local:4317":
        found.append(f"the services send to {chart['telemetry']['otlpEndpoint']} and not to {name} in {namespace}")
    report(f"the manifests of Alloy: {len(objects)} objects", found)


# ---------------------------------------------------------------------------------------------
# The collector's configuration.


def check_alloy():
    """Both whole configurations, and what the chart's values add to its own. The rules of each."""
    rules = {}
    extra = yaml.safe_load(VALUES.read_text())["collectors"]["alloy-metrics"]["extraConfig"]
    for name, text, outside in (
        ("alloy/config.alloy", (DEPLOY / "alloy/config.alloy").read_text(), ()),
        ("compose/alloy/config.alloy", (DEPLOY / "compose/alloy/config.alloy").read_text(), ()),
        (relative(VALUES), extra, (("prometheus.remote_write.mimir.receiver", "prometheus"),)),
    ):
        try:
            statements = alloy.parse(text)
            found = alloy.check(statements, outside)
            names = statements
            if outside:
                # The chart scrapes vLLM's own names itself and takes rules for that.
                inner = yaml.safe_load(VALUES.read_text())["annotationAutodiscovery"]["extraMetricProcessingRules"]
                names = alloy.parse('prometheus.relabel "vllm_names" {\n' + inner + "}\n")
            rules[name] = (alloy.relabelling(names, "vllm_names"), alloy.relabelling(statements, "vllm_contract"))
            report(f"{name}: {len(statements)} components", found)
        except alloy.Fault as fault:
            report(name, [str(fault)])
    # What config.alloy takes from the environment, its own head names.
    text = (DEPLOY / "alloy/config.alloy").read_text()
    head = text.split("\n\n", 1)[0]
    report(
        "the variables of alloy/config.alloy are named at its head",
        [f"{name} is not" for name in sorted(set(re.findall(r'sys\.env\("(\w+)"\)', text))) if name not in head],
    )
    return rules


# ---------------------------------------------------------------------------------------------
# The local stack.

def check_compose():
    path = DEPLOY / "compose/compose.yaml"
    loaded = compose.load(path)
    report(f"the local stack: {len(loaded['services'])} services", compose.faults(loaded, path))
    # What an override says is laid over the stack, as Compose does.
    override = DEPLOY / "compose/compose.cuda.yaml"
    together = compose.over(loaded, compose.load(override))
    found = compose.faults(together, path)
    devices = together["services"]["faiss-wrap"]["deploy"]["resources"].get("reservations", {}).get("devices", [])
    if not any("gpu" in device["capabilities"] for device in devices):
        found.append("faiss-wrap gets no GPU")
    dockerfile = (DEPLOY / "compose" / together["services"]["faiss-wrap"]["build"]["context"]).resolve()
    if not (dockerfile / together["services"]["faiss-wrap"]["build"]["dockerfile"]).is_file():
        found.append("faiss-wrap is built from a Dockerfile that is not there")
    report("the local stack with a GPU", found)


def check_prometheus(rules):
    config = DEPLOY / "prometheus/prometheus.yml"
    found = []
    for path in (config, DEPLOY / "compose/prometheus/prometheus.yml"):
        found += lines(tool("promtool"), "check", "config", "--syntax-only", relative(path))
    report("Prometheus' configurations, by promtool", found)
    jobs = {job["job_name"]: job for job in yaml.safe_load(config.read_text())["scrape_configs"]}
    own, contract = jobs["vllm"]["metric_relabel_configs"], jobs["vllm-contract"]["metric_relabel_configs"]
    # In the test each scrape keeps the name of its own job.
    contract = [rule for rule in contract if rule.get("target_label") != "job"]
    rules = {relative(config): (own, contract), **rules}
    with tempfile.TemporaryDirectory() as work:
        found, counts = vllm.faults(Path(work), (HERE / "vllm.prom").read_text(), rules)
    what = ", ".join(f"{where} ({count} series)" for where, count in counts.items())
    report(f"vLLM's metrics in a real Prometheus, restored and copied by {what}", found)


def main():
    check_yaml()
    check_docker("Dockerfile")
    check_docker("Dockerfile.cuda")
    check_hcl()
    check_secrets()
    check_chart("--write" in sys.argv[1:])
    check_monitoring()
    check_alloy_manifests()
    rules = check_alloy()
    check_compose()
    check_prometheus(rules)
    if problems:
        print(f"deploy-check: {problems} problems", file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
