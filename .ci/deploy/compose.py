"""What the compose file of the local stack has to keep."""

import json
import re
from pathlib import Path

import compose_spec
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
MIXIN = ROOT / "llasta-telemetry/mixin"

# Services that end by themselves, or of whose image nothing can be run but the service.
NO_HEALTHCHECK = {"tempo", "volume-owners", "ingest"}
ROOT_ALLOWED = {"alloy", "volume-owners"}
# Images whose own user is not root.
OWN_USER = {"vmeoc/llasta", "prom/prometheus"}


def load(path):
    """The file as Compose reads it with nothing in the environment."""
    return yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", path.read_text()))


def over(base, override):
    """What two files mean together: mappings are merged, anything else is replaced."""
    if not (isinstance(base, dict) and isinstance(override, dict)):
        return override
    return {**base, **{key: over(base.get(key), value) for key, value in override.items()}}


def faults(compose, path):
    """Everything that is wrong with the stack that was read from this file, one line each."""
    found = []
    try:
        # The package reads no merge keys, so that it gets what they come to.
        compose_spec.PyCompose.from_json(json.dumps(compose))
    except ValueError as error:
        found.append(str(error))
    volumes = compose["volumes"].keys()
    for name, service in compose["services"].items():
        image, _, tag = service["image"].partition(":")
        if tag in ("", "latest"):
            found.append(f"{name}: the image {image} has no version")
        if "healthcheck" not in service and name not in NO_HEALTHCHECK:
            found.append(f"{name} has no health check")
        user = service.get("user", "1" if image in OWN_USER else "0").split(":")[0]
        if user == "0" and name not in ROOT_ALLOWED:
            found.append(f"{name} runs as root")
        if service.get("cap_drop") != ["ALL"] or service.get("privileged"):
            found.append(f"{name} keeps capabilities")
        if "memory" not in service.get("deploy", {}).get("resources", {}).get("limits", {}):
            found.append(f"{name} has no limit of memory")
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                found.append(f"{name} opens {port} to the network")
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if source.startswith("."):
                there = (path.parent / source).resolve()
                if not there.exists() and not (MIXIN in there.parents and not MIXIN.exists()):
                    found.append(f"{name} mounts {source}, which is not there")
            elif not source.startswith("/") and source not in volumes:
                found.append(f"{name} mounts {source}, which is no volume")
        dependencies = service.get("depends_on", {})
        for other in dependencies:
            if other not in compose["services"]:
                found.append(f"{name} waits for {other}, which is not there")
            elif isinstance(dependencies, dict):
                if dependencies[other]["condition"] == "service_healthy" and other in NO_HEALTHCHECK:
                    found.append(f"{name} waits for {other} to be healthy, which nothing tells")
        labels = service.get("labels", {})
        if ("llasta.job" in labels) != ("llasta.port" in labels):
            found.append(f"{name} has one of the labels llasta.job and llasta.port without the other")
    # Addresses inside: each names a service and a port of it.
    texts = [path.read_text(), *(one.read_text() for one in path.parent.rglob("*") if one.is_file() and one != path)]
    hosts = {match for text in texts for match in re.findall(r"https?://([a-z-]+):\d+", re.sub(r"(?m)^ *(#|//).*$", "", text))}
    found += [f"{host} is called and is no service" for host in sorted(hosts - compose["services"].keys() - {"localhost"})]
    # No settings of the services but those that they know.
    known = (ROOT / "docs/guides/configuration.md").read_text()
    for name, service in compose["services"].items():
        if service["image"].startswith("vmeoc/llasta"):
            for variable in service.get("environment", {}):
                if f"`{variable}`" not in known:
                    found.append(f"{name}: {variable} is not in docs/guides/configuration.md")
    return found
