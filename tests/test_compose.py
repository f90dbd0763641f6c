"""docker-compose.yml and the Dockerfile against the code: what they name exists and is safe."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from prometheus_client import CollectorRegistry

from locard.cli.commands import locard
from locard.cli.processes import SECONDS_TO_STOP
from locard.cli.settings import Settings
from locard.ingest.collector import collector_app
from locard.ingest.eventlog.kafka_cluster import KafkaSettings
from locard.ingest.observability import health_server
from locard.query.api import query_app

ROOT = Path(__file__).resolve().parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name in SERVICES if name != "kafka")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
HOME = "/var/lib/locard"


def parsed(name: str) -> tuple[click.Command, dict[str, Any]]:
    """Return the command of one of our services and the values of its options."""
    command_name, *arguments = SERVICES[name]["command"]
    command = locard.commands[command_name]
    return command, command.make_context(command_name, arguments).params


def probe(name: str) -> tuple[int, str]:
    """Return the port and the path that a service's health check asks."""
    test = SERVICES[name]["healthcheck"]["test"]
    assert test[:3] == ["CMD", "python", "-c"]
    compile(test[3], name, "exec")
    (port,) = re.findall(r'"127\.0\.0\.1", ([0-9]+)', test[3])
    (path,) = re.findall(r'"GET", "([^"]+)"', test[3])
    return int(port), path


def copied() -> list[str]:
    """Return what the Dockerfile copies from the repository."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_the_services_are_those_of_the_design():
    """The log, collector, consumer, sealer and API, each running its command of `locard`."""
    assert {name: SERVICES[name]["command"][0] for name in OURS} == {
        "collector": "collect",
        "consumer": "consume",
        "sealer": "seal",
        "api": "serve",
    }
    assert 'ENTRYPOINT ["locard"]' in DOCKERFILE


@pytest.mark.parametrize("name", OURS)
def test_commands_and_options_exist(name):
    """Each command line is one that `locard` takes, and its ports are the command's own."""
    command, values = parsed(name)
    for option in command.params:
        if option.name == "port":
            assert values["port"] == option.default
    assert values.get("health_port", 1)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_loopback_alone(name):
    """A published port is bound to 127.0.0.1 and leads to the port that the command listens on."""
    ports = SERVICES[name].get("ports", [])
    if name in ("collector", "api"):
        _, values = parsed(name)
        assert ports == [f"127.0.0.1:{values['port']}:{values['port']}"]
        assert values["host"] == "0.0.0.0"  # noqa: S104 - inside the container
    else:
        assert ports == []


@pytest.mark.parametrize("name", OURS)
def test_variables_are_settings(name):
    """Every LOCARD_ variable, here and in the Dockerfile, is a key of the settings."""
    variables = [*SERVICES[name].get("environment", {}), *re.findall(r"LOCARD_[A-Z_]+", DOCKERFILE)]
    for variable in variables:
        assert variable.removeprefix("LOCARD_").lower() in Settings.model_fields, variable


def test_the_settings_agree_with_the_log(tmp_path):
    """Both sides use the same topic by default, on the broker that compose starts."""
    settings = Settings(home=tmp_path)
    assert settings.kafka_topic == KafkaSettings("").topic
    assert settings.kafka_replication == 1  # there is one broker
    advertised = SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    for name in ("collector", "consumer"):
        assert advertised == f"PLAINTEXT://{SERVICES[name]['environment']['LOCARD_KAFKA']}"
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


@pytest.mark.parametrize("name", ["api", "collector"])
def test_health_checks_ask_pages_that_exist(name, tmp_path):
    """The check asks a GET route of the service's application on the service's port."""

    class NoLog:
        topic_id = ""

    app = query_app(tmp_path, "x") if name == "api" else collector_app(NoLog(), "x")  # type: ignore[arg-type]
    port, path = probe(name)
    assert port == parsed(name)[1]["port"]
    assert path in {route.path for route in app.routes if "GET" in route.methods}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["consumer", "sealer"])
def test_a_services_health_check_asks_a_page_that_exists(name):
    """The check asks a page of the health server on the port that the command is given."""
    import httpx

    port, path = probe(name)
    values = parsed(name)[1]
    assert (port, values["health_host"]) == (values["health_port"], "127.0.0.1")
    with health_server("127.0.0.1", 0, CollectorRegistry(), lambda: True) as listening:
        address = f"http://127.0.0.1:{listening}{path}"
        assert httpx.get(address, trust_env=False).status_code == 200


def test_services_wait_for_what_they_need():
    """Every service is checked, and one starts when what it needs is healthy."""
    for name, service in SERVICES.items():
        assert service["healthcheck"]["retries"] > 1, name
    needs = {name: service.get("depends_on", {}) for name, service in SERVICES.items()}
    assert {name: list(needed) for name, needed in needs.items()} == {
        "kafka": [],
        "collector": ["kafka"],
        "consumer": ["kafka"],
        "sealer": ["consumer"],
        "api": ["consumer"],
    }
    for needed in needs.values():
        assert all(need == {"condition": "service_healthy"} for need in needed.values())


def test_images_are_pinned():
    """No image is named without the exact version, ours and the tested Kafka's among them."""
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    for image in images:
        assert re.search(r":[0-9]+\.[0-9]+\.[0-9]+(-[a-z-]+)?(@sha256:[0-9a-f]{64})?$", image), (
            image
        )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {SERVICES[name]["image"] for name in OURS} == {f"locard:{project['version']}"}
    kafka = re.search(r"<kafka.version>(.+)<", (ROOT / "script" / "kafka-pom.xml").read_text())
    assert kafka
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{kafka[1]}"


def test_no_secret_has_a_default():
    """The token comes from whoever starts it or nothing starts, and no other secret is needed."""
    text = (ROOT / "docker-compose.yml").read_text()
    for interpolated in re.findall(r"\$\{?[^}\n]*\}?", text):
        asked = re.match(r"\$\{LOCARD_(COLLECTOR|API)_TOKEN:\?|\$\(openssl rand", interpolated)
        assert asked, interpolated
    tokens = {
        name: [key for key in service.get("environment", {}) if _names_a_secret(key)]
        for name, service in SERVICES.items()
    }
    assert {name: found for name, found in tokens.items() if found} == {
        "collector": ["LOCARD_COLLECTOR_TOKEN"],
        "api": ["LOCARD_API_TOKEN"],
    }
    assert not re.search(r"TOKEN|PASSW|SECRET", DOCKERFILE)


def _names_a_secret(name: str) -> bool:
    return bool(re.search("TOKEN|PASSW|SECRET|KEY", name))


def test_services_can_do_little():
    """No service has a capability or gains a privilege; ours write to their volumes alone."""
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid"}, name
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["tmpfs"] == ["/tmp"]  # noqa: S108 - the container's own
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users == ["locard"]


def test_volumes_are_shared_as_little_as_can_be():
    """Each has its own: quarantine the consumer, identities and spool the collector.

    The sealer shares the keys. The API can only read the lake, and keeps what was read.
    """
    mounts = {name: service.get("volumes", []) for name, service in SERVICES.items()}
    lake = f"lake:{HOME}/lake"
    assert mounts["collector"] == [f"collector:{HOME}"]
    assert mounts["api"] == [f"api:{HOME}", f"{lake}:ro"]
    keys = f"keys:{HOME}/keys"
    assert set(mounts["consumer"]) == {lake, keys, f"quarantine:{HOME}/quarantine"}
    assert set(mounts["sealer"]) == {lake, keys, f"sealer:{HOME}"}
    used = {mount.split(":")[0] for mounted in mounts.values() for mount in mounted}
    assert used == COMPOSE["volumes"].keys()
    assert f"LOCARD_HOME={HOME}" in DOCKERFILE
    for mount in [
        *mounts["consumer"],
        *mounts["collector"],
        *mounts["sealer"],
    ]:  # made with their owner, or the volume would be root's
        assert re.search(rf"--owner=locard.*{re.escape(mount.split(':')[1])}\b", flat(DOCKERFILE))


def flat(text: str) -> str:
    """Return the text with continued lines joined."""
    return re.sub(r"\\\n\s*", "", text)


def test_raw_events_stay_on_their_network():
    """The log is on a network without a way out. The API is on it to record what is read."""
    assert COMPOSE["networks"]["log"] == {"internal": True}
    networks = {name: service["networks"] for name, service in SERVICES.items()}
    assert networks == {
        "kafka": ["log"],
        "collector": ["front", "log"],
        "consumer": ["log"],
        "sealer": ["log"],
        "api": ["front", "log"],
    }


@pytest.mark.parametrize("name", OURS)
def test_a_service_gets_the_time_it_may_take_to_stop(name):
    """The engine does not kill a service before it has given up by itself."""
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > SECONDS_TO_STOP


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_exists_and_reaches_the_builder(source):
    """Each file that the Dockerfile copies is in the repository and not kept back."""
    assert (ROOT / source).exists()
    is_kept_back = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.strip().removeprefix("!")
        if pattern and not line.startswith("#") and fnmatch(source, pattern):
            is_kept_back = not line.startswith("!")
    assert not is_kept_back


def test_the_image_has_every_package():
    """Each folder that the distribution is built from is copied, with what building it reads."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    folders = {package.split("/")[0] for package in packages}
    needed = {folder for folder in folders if any((ROOT / folder).rglob("*.py"))}
    needed |= {"pyproject.toml", project["project"]["readme"]}
    needed |= {*project["project"]["license-files"]}
    assert needed <= set(copied())
    assert "--require-hashes --requirement requirements/all.txt" in DOCKERFILE
