"""Reads Alloy's configuration syntax and checks a configuration's components.

No package of a registry brings Alloy's own parser, so this is one written after the documentation of the
syntax (grafana.com/docs/alloy, "Configuration syntax") and of the components that this project uses (version
1.19). It knows blocks, attributes and expressions; of the components in COMPONENTS it knows the arguments,
blocks and exports, and which kind of value goes where. It does not evaluate anything, and `alloy validate`
knows more: run that where Alloy is at hand.
"""

import json
import re
from dataclasses import dataclass, field


class Fault(Exception):
    """What is wrong, with the line."""


@dataclass
class Block:
    name: str
    label: str | None
    line: int
    body: list = field(default_factory=list)

    def attributes(self):
        return {one.name: one for one in self.body if isinstance(one, Attribute)}

    def blocks(self, name=None):
        return [one for one in self.body if isinstance(one, Block) and name in (None, one.name)]


@dataclass
class Attribute:
    name: str
    line: int
    value: tuple


TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<newline>\n)
      | (?P<space>[ \t\r]+)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<raw>`[^`]*`)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<operator>\|\||&&|==|!=|<=|>=|[-+*/%^<>!={}\[\](),.])""",
    re.VERBOSE | re.DOTALL,
)


def tokens(text):
    """(kind, text, line) of each token; a line's end is one too."""
    at, line, found = 0, 1, []
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise Fault(f"line {line}: cannot be read from {text[at:at + 20]!r} on")
        kind, word = match.lastgroup, match.group()
        if kind not in ("space", "comment"):
            found.append((kind, word, line))
        line += word.count("\n")
        at = match.end()
    found.append(("end", "", line))
    return found


LEVELS = [["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">="], ["+", "-"], ["*", "/", "%"], ["^"]]


class Parser:
    def __init__(self, text):
        self.tokens, self.at = tokens(text), 0

    def peek(self, skip_lines=False):
        while skip_lines and self.tokens[self.at][0] == "newline":
            self.at += 1
        return self.tokens[self.at]

    def take(self, *wanted, skip_lines=False):
        kind, word, line = self.peek(skip_lines)
        if wanted and word not in wanted and kind not in wanted:
            raise Fault(f"line {line}: {' or '.join(wanted)} is missing before {word or kind!r}")
        self.at += 1
        return kind, word, line

    def body(self, closing):
        """Statements until `closing`, each of which ends with its line."""
        statements, names = [], {}
        while True:
            kind, word, line = self.peek(skip_lines=True)
            if word == closing or kind == closing:
                self.at += 1
                return statements
            statement = self.statement()
            if isinstance(statement, Attribute):
                if statement.name in names:
                    raise Fault(f"line {line}: {statement.name} is set twice")
                names[statement.name] = True
            statements.append(statement)
            kind, word, line = self.peek()
            if kind not in ("newline", "end") and word != closing:
                raise Fault(f"line {line}: {word!r} stands behind the end of a statement")

    def statement(self):
        _, name, line = self.take("name")
        while self.peek()[1] == ".":
            self.take()
            name += "." + self.take("name")[1]
        kind, word, _ = self.peek()
        if word == "=" and "." not in name:
            self.take()
            return Attribute(name, line, self.expression())
        label = None
        if kind == "string":
            label = unquote(self.take()[1])
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", label):
                raise Fault(f"line {line}: {label!r} cannot be a label")
        self.take("{")
        return Block(name, label, line, self.body("}"))

    def expression(self, level=0):
        if level == len(LEVELS):
            return self.unary()
        left = self.expression(level + 1)
        while self.peek()[1] in LEVELS[level]:
            operator = self.take()[1]
            self.peek(skip_lines=True)
            left = ("operation", operator, left, self.expression(level + 1))
        return left

    def unary(self):
        if self.peek()[1] in ("!", "-"):
            return ("operation", self.take()[1], self.unary())
        value = self.primary()
        while self.peek()[1] in (".", "[", "("):
            _, sign, line = self.take()
            if sign == ".":
                value = ("access", value, self.take("name")[1], line)
            elif sign == "[":
                value = ("index", value, self.expression())
                self.take("]")
            else:
                value = ("call", value, self.listed(")"))
        return value

    def listed(self, closing):
        items = []
        while self.peek(skip_lines=True)[1] != closing:
            items.append(self.expression())
            if self.peek(skip_lines=True)[1] != closing:
                self.take(",")
            elif self.tokens[self.at - 1][0] == "newline":
                raise Fault(f"line {self.tokens[self.at][2]}: a comma is missing at the line's end before {closing!r}")
        self.take(closing)
        return items

    def primary(self):
        kind, word, line = self.take("string", "raw", "number", "name", "[", "{", "(")
        if kind == "string":
            return ("literal", unquote(word))
        if kind == "raw":
            return ("literal", word[1:-1])
        if kind == "number":
            return ("literal", float(word))
        if word in ("true", "false", "null"):
            return ("literal", {"true": True, "false": False, "null": None}[word])
        if kind == "name":
            return ("name", word, line)
        if word == "(":
            value = self.expression()
            self.take(")")
            return value
        if word == "[":
            return ("array", self.listed("]"))
        return ("object", self.members())

    def members(self):
        members = {}
        while self.peek(skip_lines=True)[1] != "}":
            kind, word, _ = self.take("name", "string")
            self.take("=")
            members[unquote(word) if kind == "string" else word] = self.expression()
            if self.peek(skip_lines=True)[1] != "}":
                self.take(",")
            elif self.tokens[self.at - 1][0] == "newline":
                raise Fault(f"line {self.tokens[self.at][2]}: a comma is missing at the line's end before '}}'")
        self.take("}")
        return members


def unquote(word):
    """The text of a string. Alloy's escapes are Go's; those that are used here are JSON's too."""
    try:
        return json.loads(word)
    except ValueError as error:
        raise Fault(f"{word} is no string: {error}") from error


def parse(text):
    """The statements of a configuration."""
    return Parser(text).body("end")


# ---------------------------------------------------------------------------------------------
# The components that are used here. `!` marks what has to be there; a value's kind is what a reference in
# it may point to, and `value` anything that is no component's.

RULE = {
    "arguments": {k: "value" for k in ("source_labels", "separator", "regex", "target_label", "replacement", "action", "modulus")}
}
OUTPUT = {"arguments": {"metrics": "consumer", "logs": "consumer", "traces": "consumer"}}
TLS = {"arguments": {k: "value" for k in ("insecure", "insecure_skip_verify", "ca_file", "server_name")}}
CLIENT = {"arguments": {"endpoint!": "value", "auth": "auth", "compression": "value", "headers": "value"}, "blocks": {"tls": TLS}}
BASIC = {"arguments": {"username": "value", "password": "value"}}
SELECTORS = {"arguments": {"role!": "value", "label": "value", "field": "value"}}
SERVER = {"arguments": {"endpoint": "value", "max_recv_msg_size": "value"}}
STAGES = {
    "stage.cri": {},
    "stage.docker": {},
    "stage.json": {"arguments": {"expressions!": "value", "source": "value", "drop_malformed": "value"}},
    "stage.labels": {"arguments": {"values!": "value"}},
    "stage.structured_metadata": {"arguments": {"values": "value"}},
    "stage.timestamp": {"arguments": {"source!": "value", "format!": "value", "action_on_failure": "value"}},
}

COMPONENTS = {
    "logging": {"arguments": {"level": "value", "format": "value", "write_to": "loki"}},
    "otelcol.receiver.otlp": {"blocks": {"grpc": SERVER, "http": SERVER, "output!": OUTPUT}},
    "otelcol.receiver.zipkin": {"arguments": {"endpoint": "value"}, "blocks": {"output!": OUTPUT}},
    "otelcol.processor.memory_limiter": {
        "arguments": {"check_interval!": "value", "limit": "value", "limit_percentage": "value", "spike_limit_percentage": "value"},
        "blocks": {"output!": OUTPUT},
        "exports": {"input": "consumer"},
    },
    "otelcol.processor.k8sattributes": {
        "arguments": {"auth_type": "value"},
        "blocks": {
            "extract": {"arguments": {"metadata": "value"}},
            "pod_association": {"blocks": {"source!": {"arguments": {"from!": "value", "name": "value"}}}},
            "output!": OUTPUT,
        },
        "exports": {"input": "consumer"},
    },
    "otelcol.processor.batch": {
        "arguments": {"timeout": "value", "send_batch_size": "value", "send_batch_max_size": "value"},
        "blocks": {"output!": OUTPUT},
        "exports": {"input": "consumer"},
    },
    "otelcol.exporter.otlp": {"blocks": {"client!": CLIENT}, "exports": {"input": "consumer"}},
    "otelcol.exporter.otlphttp": {"blocks": {"client!": CLIENT}, "exports": {"input": "consumer"}},
    "otelcol.exporter.prometheus": {
        "arguments": {"forward_to!": "prometheus", "add_metric_suffixes": "value", "resource_to_telemetry_conversion": "value"},
        "exports": {"input": "consumer"},
    },
    "otelcol.exporter.loki": {"arguments": {"forward_to!": "loki"}, "exports": {"input": "consumer"}},
    "otelcol.auth.basic": {"arguments": {"username": "value", "password": "value"}, "exports": {"handler": "auth"}},
    "discovery.docker": {"arguments": {"host!": "value", "refresh_interval": "value"}, "exports": {"targets": "targets"}},
    "discovery.kubernetes": {
        "arguments": {"role!": "value"},
        "blocks": {"namespaces": {"arguments": {"names": "value", "own_namespace": "value"}}, "selectors": SELECTORS},
        "exports": {"targets": "targets"},
    },
    "discovery.relabel": {
        "arguments": {"targets!": "targets"},
        "blocks": {"rule": RULE},
        "exports": {"output": "targets", "rules": "rules"},
    },
    "prometheus.scrape": {
        "arguments": {
            "targets!": "targets", "forward_to!": "prometheus", "scrape_interval": "value", "scrape_timeout": "value",
            "job_name": "value", "metrics_path": "value", "honor_labels": "value", "scrape_protocols": "value",
        },
        "blocks": {"clustering": {"arguments": {"enabled!": "value"}}},
    },
    "prometheus.relabel": {
        "arguments": {"forward_to!": "prometheus", "max_cache_size": "value"},
        "blocks": {"rule": RULE},
        "exports": {"receiver": "prometheus", "rules": "rules"},
    },
    "prometheus.remote_write": {
        "arguments": {"external_labels": "value"},
        "blocks": {
            "endpoint": {
                "arguments": {"url!": "value", "name": "value", "send_exemplars": "value", "headers": "value"},
                "blocks": {"basic_auth": BASIC},
            }
        },
        "exports": {"receiver": "prometheus"},
    },
    "loki.source.docker": {
        "arguments": {
            "host!": "value", "targets!": "targets", "forward_to!": "loki", "labels": "value",
            "relabel_rules": "rules", "refresh_interval": "value",
        }
    },
    "loki.source.kubernetes": {"arguments": {"targets!": "targets", "forward_to!": "loki"}},
    "loki.source.kubernetes_events": {
        "arguments": {"forward_to!": "loki", "job_name": "value", "namespaces": "value", "log_format": "value"}
    },
    "loki.process": {"arguments": {"forward_to!": "loki"}, "blocks": STAGES, "exports": {"receiver": "loki"}},
    "loki.write": {
        "arguments": {"external_labels": "value"},
        "blocks": {"endpoint": {"arguments": {"url!": "value", "tenant_id": "value"}, "blocks": {"basic_auth": BASIC}}},
        "exports": {"receiver": "loki"},
    },
}

# What may be called, and what is there without being declared.
FUNCTIONS = {"sys.env", "array.concat", "string.format", "string.replace", "json_path", "convert.nonsensitive"}
CONSTANTS = {"constants.hostname", "constants.os", "constants.arch"}


def check(statements, outside=()):
    """Everything that is wrong with a configuration's components, one line each.

    `outside` lists exports that whoever takes the statements in declares, each as `component.label.export`
    with its kind: `("prometheus.remote_write.cloud.receiver", "prometheus")`.
    """
    faults, exports, used = [], dict(outside), set()
    for block in statements:
        if isinstance(block, Attribute):
            faults.append(f"line {block.line}: {block.name} stands outside every block")
            continue
        known = COMPONENTS.get(block.name)
        if known is None:
            faults.append(f"line {block.line}: {block.name} is not among the components that this check knows")
            continue
        if (block.label is None) != ("." not in block.name):
            faults.append(f"line {block.line}: {block.name} is to have {'a' if '.' in block.name else 'no'} label")
        for export, kind in known.get("exports", {}).items():
            path = f"{block.name}.{block.label}.{export}"
            if path in exports:
                faults.append(f"line {block.line}: {block.name} {block.label!r} is there twice")
            exports[path] = kind

    for block in statements:
        if isinstance(block, Block) and block.name in COMPONENTS:
            contents(block, COMPONENTS[block.name], exports, used, faults, block.name)
    # What nothing points to gets nothing, or gives what it has to nobody.
    owners = {path.rsplit(".", 1)[0] for path, kind in exports.items() if (path, kind) not in outside}
    for owner in sorted(owners - {path.rsplit(".", 1)[0] for path in used}):
        faults.append(f"nothing refers to {owner}")
    return faults


def contents(block, known, exports, used, faults, where):
    arguments = {name.rstrip("!"): kind for name, kind in known.get("arguments", {}).items()}
    blocks = {name.rstrip("!"): inner for name, inner in known.get("blocks", {}).items()}
    for one in block.body:
        if isinstance(one, Attribute):
            if one.name not in arguments:
                faults.append(f"line {one.line}: {where} has no argument {one.name}")
            else:
                for fault in references(one.value, arguments[one.name], exports, used):
                    faults.append(f"line {one.line}: {where}, {one.name}: {fault}")
        elif one.name not in blocks:
            faults.append(f"line {one.line}: {where} has no block {one.name}")
        else:
            contents(one, blocks[one.name], exports, used, faults, f"{where} > {one.name}")
    there = {one.name for one in block.body}
    for name in [*known.get("arguments", {}), *known.get("blocks", {})]:
        if name.endswith("!") and name[:-1] not in there:
            faults.append(f"line {block.line}: {where} lacks {name[:-1]}")


def path_of(value):
    """`a.b.c` of an access of an access of a name."""
    if value[0] == "name":
        return value[1]
    if value[0] == "access":
        before = path_of(value[1])
        return before and f"{before}.{value[2]}"
    return None


def references(value, kind, exports, used):
    """What is wrong with the references in a value that stands where `kind` belongs."""
    if value[0] in ("name", "access"):
        path = path_of(value)
        if path in CONSTANTS:
            return []
        if path not in exports:
            return [f"{path or 'an expression'} is not declared"]
        used.add(path)
        return [] if exports[path] == kind else [f"{path} is for {exports[path]}, and {kind} belongs here"]
    inner = []
    if value[0] == "call":
        function = path_of(value[1])
        if function not in FUNCTIONS:
            inner.append(f"{function} is not among the functions that this check knows")
        members = value[2]
    elif value[0] == "array":
        members = value[1]
    elif value[0] == "object":
        members = value[1].values()
    elif value[0] == "operation":
        members = value[2:]
    elif value[0] == "index":
        members = value[1:]
    else:
        members = []
        if kind in ("prometheus", "loki", "consumer", "auth", "rules"):
            inner.append(f"a constant stands where {kind} belongs")
    for member in members:
        # Inside a target's labels are plain values.
        inner += references(member, "value" if value[0] == "object" else kind, exports, used)
    return inner


def relabelling(statements, label):
    """The rules of the prometheus.relabel with this label, as a Prometheus takes them."""
    for block in statements:
        if isinstance(block, Block) and block.name == "prometheus.relabel" and block.label == label:
            return [
                {name: plain(one.value) for name, one in rule.attributes().items()} for rule in block.blocks("rule")
            ]
    raise Fault(f'there is no prometheus.relabel "{label}"')


def plain(value):
    """A value without references, as Python has it."""
    if value[0] == "literal":
        return value[1]
    if value[0] == "array":
        return [plain(one) for one in value[1]]
    raise Fault("a rule's values are to be constants")
