"""The server as a process: up, down, and what is left behind when it is killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner

from opsctl import sandbox
from opsctl.cli.root import root
from opsctl.errors import ConfigurationError, RefusedError
from tests.functional.sandbox.cloud import Cloud, alive, task, wait_for

STUBBORN = (
    "import os, signal, subprocess, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
    "print(os.getpid(), child.pid, flush=True)\ntime.sleep(300)\n"
)


def start_stubborn_job(place: Path, server: dict) -> tuple[Cloud, str, list[int]]:
    """A job that ignores SIGTERM and has a child in a session of its own: the sandbox, the job's name, both pids."""
    cloud = Cloud(server, place)
    wanted = cloud.training(STUBBORN)
    cloud.client("sagemaker").create_training_job(**wanted)
    return cloud, wanted["TrainingJobName"], [int(word) for word in cloud.begun(wanted["TrainingJobName"])]


def gone(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)


def test_up_twice_is_up_once(place: Path) -> None:
    server = sandbox.up(place)
    assert json.loads((place / "server.json").read_text()) == server == sandbox.status(place) == sandbox.up(place)
    assert server["url"] == f"http://127.0.0.1:{server['port']}"
    with pytest.raises(RefusedError, match="the sandbox is up with port"):
        sandbox.up(place, server["port"] + 1)
    with pytest.raises(RefusedError, match="the sandbox is up with stopped jobs succeed, not fail"):
        sandbox.up(place, stopped_jobs="fail")


def test_down_twice_is_down_once(place: Path) -> None:
    server = sandbox.up(place)
    assert sandbox.down(place) is True
    assert sandbox.down(place) is False
    assert not place.exists()
    assert sandbox.status(place) is None
    assert not alive(server["pid"])


def test_a_port_in_use(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is in use") as raised:
            sandbox.up(place, port)
    assert raised.value.hint == "leave --port out for a free one, or name another"
    assert not place.exists()


def test_down_ends_every_job(place: Path) -> None:
    _, _, pids = start_stubborn_job(place, sandbox.up(place))
    sandbox.down(place)
    assert gone(pids)


def test_killing_the_server_leaves_no_job_and_up_starts_anew(place: Path) -> None:
    server = sandbox.up(place)
    _, name, pids = start_stubborn_job(place, server)
    assert [(job["kind"], job["name"], job["pid"]) for job in sandbox.jobs(place)] == [("training", name, pids[0])]
    os.kill(server["pid"], signal.SIGKILL)
    wait_for(lambda: gone(pids), "the jobs to end")
    # The kernel may close the pipes to the jobs before it gives up the server's lock.
    wait_for(lambda: sandbox.status(place) is None, "the server to be gone")
    again = sandbox.up(place)
    assert again["pid"] != server["pid"]
    assert sandbox.jobs(place) == []
    assert list((place / "jobs").iterdir()) == []


def test_a_job_that_ignores_sigterm_is_killed_after_the_grace(place: Path) -> None:
    cloud, name, pids = start_stubborn_job(place, sandbox.up(place, grace=1.0))
    began = time.monotonic()
    cloud.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert cloud.trained(name)["TrainingJobStatus"] == "Stopped"
    assert time.monotonic() - began >= 1.0
    assert gone(pids)


def test_a_stopped_job_can_fail_its_state(place: Path) -> None:
    cloud = Cloud(sandbox.up(place, stopped_jobs="fail"), place)
    wanted = cloud.training("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    end = cloud.run({"Train": task("sagemaker:createTrainingJob.sync", wanted)})
    assert (end["status"], end["error"]) == ("FAILED", "States.TaskFailed")
    assert json.loads(end["cause"])["SecondaryStatus"] == "MaxRuntimeExceeded"


def test_a_directory_that_is_not_a_sandboxs_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for refused in (sandbox.up, sandbox.down):
        with pytest.raises(RefusedError, match=r"is not a sandbox's directory: it holds thesis\.txt"):
            refused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_nothing_of_the_users_own_aws_reaches_a_job(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL_S3": "https://s3.example.com",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com",
        "MY_SECRET": "hunter2",
    }
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    server = sandbox.up(place)
    monkeypatch.undo()
    cloud = Cloud(server, place)
    body = "import os\nreturn {name: value for name, value in os.environ.items() if not name.startswith('AWS_LAMBDA')}"
    answer = cloud.client("lambda").invoke(FunctionName=cloud.function(body), Payload=b"{}")
    seen = json.loads(answer["Payload"].read())
    assert not set(foreign) - {"AWS_ACCESS_KEY_ID"} & set(seen)
    assert {name: value for name, value in seen.items() if name.startswith("AWS_") and name != "AWS_EXECUTION_ENV"} == {
        "AWS_ENDPOINT_URL": server["url"],
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_only_loopback_is_listened_on(cloud: Cloud) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        if not address.startswith("127."):
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, cloud.server["port"]), timeout=60)


@pytest.mark.parametrize(
    "header", [("Origin", "https://example.com"), ("Host", "example.com"), ("Sec-Fetch-Site", "cross-site")]
)
def test_browsers_are_turned_away(cloud: Cloud, header: tuple[str, str]) -> None:
    request = urllib.request.Request(cloud.server["url"] + "/", headers=dict([header]))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=60)


def test_the_commands(place: Path) -> None:
    def run(*words: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(root, ["sandbox", words[0], "--dir", str(place), *words[1:]])
        return result.exit_code, result.stdout, result.stderr

    assert run("status") == (1, "", f"No sandbox is up in {place}. Start one: opsctl sandbox up\n")
    code, url, talk = run("up")
    assert (code, talk.startswith(f"The sandbox is up, in {place} (")) == (0, True)
    assert run("up")[1:] == (url, talk.replace(talk.splitlines()[0], f"The sandbox is already up, in {place}."))
    report = json.loads(run("status", "-o", "json")[1])
    assert (report["status"], report["url"], report["jobs"]) == ("up", url.strip(), [])
    assert "region     us-east-1" in run("status")[1]
    assert run("down") == (0, "", f"The sandbox is down; {place} is removed.\n")
    assert run("down") == (0, "", f"No sandbox in {place}.\n")


def test_env_turns_a_shell_to_the_sandbox(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.example.com")
    result = CliRunner().invoke(root, ["sandbox", "env", "--dir", str(cloud.directory)])
    lines = result.stdout.splitlines()
    assert "unset AWS_PROFILE" in lines
    assert "unset AWS_ENDPOINT_URL_STS" in lines
    for line in lines:
        name, _, value = line.partition(" ")[2].partition("=")
        if line.startswith("export"):
            monkeypatch.setenv(name, value)
        else:
            monkeypatch.delenv(name, raising=False)
    assert boto3.session.Session().client("sts").get_caller_identity()["Account"] == "123456789012"
