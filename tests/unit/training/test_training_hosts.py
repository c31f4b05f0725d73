"""The hosts of a job: who leads, and who learns from which rows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from contract import Job, JobError
from hosts import Hosts, read_hosts
from team import Team


def job(base: Path, document: object) -> Job:
    folder = base / "input" / "config"
    folder.mkdir(parents=True)
    (folder / "resourceconfig.json").write_text(json.dumps(document))
    return Job(base)


def test_without_a_file_there_is_one_host(tmp_path: Path) -> None:
    assert read_hosts(Job(tmp_path)) == Hosts(("algo-1",), "algo-1")


def test_the_first_by_name_leads(tmp_path: Path) -> None:
    document = {"hosts": ["algo-2", "algo-1"], "current_host": "algo-1", "network_interface_name": "eth0"}
    hosts = read_hosts(job(tmp_path, document))
    assert (hosts.names, hosts.interface, hosts.leads) == (("algo-1", "algo-2"), "eth0", True)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"hosts": ["algo-1", "algo-2"], "current_host": "algo-3"}, "'algo-3' is none of hosts (algo-1, algo-2)"),
        ({"hosts": ["algo-1"]}, "does not name the job's hosts: KeyError: 'current_host'"),
        ({"hosts": None, "current_host": "algo-1"}, "does not name the job's hosts: TypeError"),
        ([], "does not name the job's hosts: TypeError"),
    ],
)
def test_a_file_that_does_not_say_who_works(tmp_path: Path, document: object, problem: str) -> None:
    with pytest.raises(JobError) as raised:
        read_hosts(job(tmp_path, document))
    assert problem in str(raised.value)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_hosts_share_rows_out_in_equal_parts_that_nothing_but_the_seed_changes(count: int) -> None:
    names = tuple(f"algo-{number}" for number in range(1, count + 1))
    rows = np.arange(100, 107)
    shares = [Team(Hosts(names, name)).share(rows, np.random.default_rng(5)) for name in names]
    again = [Team(Hosts(names, name)).share(rows, np.random.default_rng(5)) for name in names]
    assert {len(share) for share in shares} == {-(-7 // count)}
    assert sorted({int(row) for share in shares for row in share}) == rows.tolist()
    assert [share.tolist() for share in shares] == [share.tolist() for share in again]


def test_fewer_rows_than_hosts_leave_none_without() -> None:
    names = ("algo-1", "algo-2", "algo-3")
    assert [len(Team(Hosts(names, name)).share(np.arange(1), np.random.default_rng(1))) for name in names] == [1, 1, 1]


def test_one_host_alone_shares_nothing() -> None:
    rows = np.arange(5)
    team = Team(Hosts(("algo-1",), "algo-1"))
    assert team.share(rows, np.random.default_rng(1)) is rows
    assert (team.batch_size(32), Team(Hosts(("a", "b", "c"), "a")).batch_size(32)) == (32, 11)
