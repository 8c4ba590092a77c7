"""docker-compose.yml stays true: every variable is a setting, every command is one of ours."""

from pathlib import Path
from typing import Any

import click
import pytest
import typer.main
import yaml

from service.cli import application
from service.kit.work import Queue
from service.settings import Settings

COMPOSE: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "docker-compose.yml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}


def test_it_holds_every_process_of_the_house() -> None:
    assert {service["command"][0] for service in OURS.values()} == {
        "migrate", "api", "relay", "poller", "sender", "worker", "serve"}


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting(name: str) -> None:
    known = {f"TUNEWORKS_{field.upper()}" for field in Settings.model_fields}
    assert {variable for variable in OURS[name]["environment"] if variable.startswith("TUNEWORKS_")} <= known


@pytest.mark.parametrize("name", OURS)
def test_every_command_parses(name: str) -> None:
    word, *arguments = OURS[name]["command"]
    group = typer.main.get_command(application.app)
    assert isinstance(group, click.Group) or hasattr(group, "commands")
    command = group.commands[word]
    command.make_context(word, list(arguments), resilient_parsing=False)


def test_the_workers_serve_every_queue() -> None:
    commands = [service["command"] for service in OURS.values() if service["command"][0] == "worker"]
    served = {queue for command in commands for queue in command[command.index("--queues") + 1].split(",")}
    assert served == {queue.value for queue in Queue}


def test_targets_exist_in_the_dockerfile() -> None:
    dockerfile = (Path(__file__).parents[1] / "Dockerfile").read_text()
    assert all(f" AS {service['build']['target']}\n" in dockerfile for service in OURS.values())
