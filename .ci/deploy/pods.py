"""What every manifest of the services has to keep, beyond what Kubernetes' schema asks for."""

import re
from urllib.parse import urlsplit

SCRAPE = "k8s.grafana.com/"
# The annotations that the chart k8s-monitoring knows.
ANNOTATIONS = {
    SCRAPE + name
    for name in (
        "scrape", "job", "instance", "metrics.container", "metrics.path", "metrics.portName", "metrics.portNumber",
        "metrics.scheme", "metrics.param", "metrics.scrapeInterval", "metrics.scrapeTimeout",
    )
}


def of_kind(objects, kind):
    return [one for one in objects if one["kind"] == kind]


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.items())


def faults(objects):
    """Everything that is wrong with these objects, one line each."""
    found = []
    for one in objects:
        if one["kind"] == "Secret":
            found.append(f"{one['metadata']['name']}: a Secret has no place in a manifest")
    for deployment in of_kind(objects, "Deployment"):
        name = deployment["metadata"]["name"]
        template = deployment["spec"]["template"]
        found += [f"{name}: {fault}" for fault in pod(template)]
        found += [f"{name}: {fault}" for fault in scraping(template)]
        found += [f"{name}: {fault}" for fault in around(deployment, objects)]
    return found


def pod(template):
    found, spec = [], template["spec"]
    security = spec.get("securityContext", {})
    if not (security.get("runAsNonRoot") is True and security.get("runAsUser", 0) > 0):
        found.append("may run as root")
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        found.append("has no seccomp profile")
    if spec.get("automountServiceAccountToken") is not False:
        found.append("gets a token for the Kubernetes API, which it does not need")
    if spec.get("enableServiceLinks") is not False:
        found.append("gets variables such as VLLM_PORT from Kubernetes")
    volumes = {one["name"] for one in spec.get("volumes", [])}
    for container in spec["containers"]:
        inner = container.get("securityContext", {})
        if inner.get("readOnlyRootFilesystem") is not True:
            found.append("can write to its root")
        if inner.get("allowPrivilegeEscalation") is not False or inner.get("capabilities", {}).get("drop") != ["ALL"]:
            found.append("keeps privileges")
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe not in container:
                found.append(f"has no {probe}")
        resources = container.get("resources", {})
        for key in ("cpu", "memory"):
            if key not in resources.get("requests", {}):
                found.append(f"requests no {key}")
        if "memory" not in resources.get("limits", {}):
            found.append("has no limit of memory")
        tag = container["image"].rpartition(":")[2]
        if "/" in tag or tag in ("", "latest"):
            found.append(f"its image {container['image']} has no version")
        for mount in container.get("volumeMounts", []):
            if mount["name"] not in volumes:
                found.append(f"mounts {mount['name']}, which is no volume")
        for variable in container.get("env", []):
            if re.search(r"KEY|TOKEN|PASSWORD|SECRET", variable["name"]) and "value" in variable:
                found.append(f"{variable['name']} stands in the manifest")
        gpus = [key for key in resources.get("limits", {}) if key.endswith("/gpu")]
        if gpus and not (spec.get("tolerations") and spec.get("nodeSelector")):
            found.append("wants a GPU and does not go where there is one")
    return found


def scraping(template):
    found = []
    annotations = template["metadata"].get("annotations", {})
    ours = {key: value for key, value in annotations.items() if key.startswith(SCRAPE)}
    for key, value in ours.items():
        if not isinstance(value, str):
            found.append(f"{key} is no string")
        if key not in ANNOTATIONS:
            found.append(f"{key} is no annotation of the chart's")
    if ours.get(SCRAPE + "scrape") != "true":
        found.append("is not scraped")
    if ours.get(SCRAPE + "job") != template["metadata"]["labels"]["app.kubernetes.io/name"]:
        found.append("its job is not its name")
    ports = [str(port["containerPort"]) for one in template["spec"]["containers"] for port in one["ports"]]
    if [ours.get(SCRAPE + "metrics.portNumber")] != ports:
        found.append(f"is scraped at {ours.get(SCRAPE + 'metrics.portNumber')} and listens at {', '.join(ports)}")
    return found


def around(deployment, objects):
    """The objects beside a Deployment: that each is there once and fits."""
    found = []
    name, spec = deployment["metadata"]["name"], deployment["spec"]
    labels = spec["template"]["metadata"]["labels"]
    if not selects(spec["selector"]["matchLabels"], labels):
        found.append("does not select its own pods")
    services = [one for one in of_kind(objects, "Service") if selects(one["spec"]["selector"], labels)]
    if [one["metadata"]["name"] for one in services] != [name]:
        found.append("has no Service of its name, or more than one")
    ports = {port["name"]: port["containerPort"] for one in spec["template"]["spec"]["containers"] for port in one["ports"]}
    for service in services:
        for port in service["spec"]["ports"]:
            if ports.get(port["targetPort"]) != port["port"]:
                found.append(f"its Service leads to a port {port['targetPort']} that it does not have")
    budgets = [one for one in of_kind(objects, "PodDisruptionBudget") if selects(one["spec"]["selector"]["matchLabels"], labels)]
    scalers = [one for one in of_kind(objects, "HorizontalPodAutoscaler") if one["spec"]["scaleTargetRef"]["name"] == name]
    if scalers and "replicas" in spec:
        found.append("has an autoscaler, and a number of replicas that undoes what it does")
    least = scalers[0]["spec"]["minReplicas"] if scalers else spec.get("replicas", 1)
    if least > 1 and not budgets:
        found.append("has no disruption budget")
    if least == 1 and budgets:
        found.append("has a disruption budget that forbids to drain its node")
    claims = {one["metadata"]["name"] for one in of_kind(objects, "PersistentVolumeClaim")}
    for volume in spec["template"]["spec"].get("volumes", []):
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is not None and claim not in claims:
            found.append(f"its claim {claim} is not there")
        if claim is not None and (spec.get("replicas") != 1 or spec["strategy"]["type"] != "Recreate"):
            found.append("shares its volume with another pod while it is replaced")
    return found + policies(spec["template"], objects)


def policies(template, objects):
    """Whether the network policies let through what the pod's own variables and annotations ask for."""
    labels, found = template["metadata"]["labels"], []
    all_policies = of_kind(objects, "NetworkPolicy")
    own = [one for one in all_policies if selects(one["spec"]["podSelector"]["matchLabels"], labels)]
    if len(own) != 1 or set(own[0]["spec"]["policyTypes"]) != {"Ingress", "Egress"}:
        return ["has not one network policy for both directions"]
    egress, ingress = own[0]["spec"]["egress"], own[0]["spec"]["ingress"]
    if not any(port["port"] == 53 for rule in egress for port in rule["ports"]):
        found.append("may not ask for addresses")
    services = {one["metadata"]["name"]: one["spec"]["selector"] for one in of_kind(objects, "Service")}
    for container in template["spec"]["containers"]:
        words = [variable.get("value", "") for variable in container.get("env", [])] + container.get("args", [])
        for url in re.findall(r"https?://[^\s,]+", " ".join(words)):
            host, port = urlsplit(url).hostname, urlsplit(url).port
            if not any(leads(rule, host, port, services) for rule in egress):
                found.append(f"may not call {url}")
    namespaces = [
        peer["namespaceSelector"] for rule in ingress for peer in rule.get("from", []) if "namespaceSelector" in peer
    ]
    if any("from" in rule for rule in ingress) and not namespaces:
        found.append("may not be scraped")
    return found


def leads(rule, host, port, services):
    if port not in [one["port"] for one in rule["ports"]]:
        return False
    if "to" not in rule:
        return True
    for peer in rule["to"]:
        namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
        if namespace is not None and f".{namespace}." in f"{host}.":
            return True
        selected = peer.get("podSelector", {}).get("matchLabels")
        if selected is not None and host in services and selects(selected, services[host]):
            return True
    return False
