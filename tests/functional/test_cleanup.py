"""`opsctl cleanup` and `opsctl data`: what goes, what stays, what is on record, and how it comes back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from opsctl.aws.bulk import Bulk
from opsctl.domain.objects import Place
from tests.functional.pipeline_world import BUCKET, Bench, training_failure

DAY = 86400.0
PLAN = """\
ACTION  RUN     MACHINE   STATUS     AGE   OBJECTS  SIZE   WHY
DELETE  old     training  SUCCEEDED  40 d  14       755 B  whole
KEEP    middle  training  SUCCEEDED  20 d  14       767 B  young
KEEP    failed  training  FAILED     2 d   10       677 B  redrivable

deletes 14 objects (755 B); gone for good: the bucket is not versioned
deleted from this machine: 14 objects, not more than 2,000,000
"""
HOLDINGS = """\
RUN     MACHINE   STATUS     AGE   OBJECTS  SIZE    USD/MONTH  CLASS     READ BY
old     training  SUCCEEDED  40 d  15       790 B   0.00       STANDARD  middle, held
failed  training  FAILED     2 d   10       677 B   0.00       STANDARD
middle  training  SUCCEEDED  20 d  14       585 B   0.00       STANDARD
total                              39       2.1 kB  0.00       STANDARD
"""
KEPT = {"code", "fetch-preprocessed-data", "train-image-model", "train-text-model", "train-sequence-model", "evaluate"}


@pytest.fixture
def runs(bench: Bench) -> Bench:
    """old (40 days ago), middle (20 days ago) and failed (2 days ago)."""
    for name, pause in (("old", 20), ("middle", 18), ("failed", 2)):
        if name == "failed":
            bench.world.script["Train Sequence Model"] = [training_failure("no")]
        assert bench.opsctl("start", "--name", name).exit_code == 0
        bench.world.now += pause * DAY
    return bench


def version(bench: Bench) -> None:
    bench.world.s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def below(bench: Bench, run: str) -> list[str]:
    return sorted(key.removeprefix(f"runs/{run}/") for key in bench.world.keys(f"runs/{run}/"))


def planned(bench: Bench, *words: str) -> dict[str, str]:
    """Per run, why it is kept, or the folders that go."""
    answer = bench.opsctl("cleanup", *words, "--dry-run", "-o", "json")
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    return {
        run["run"]: run["reason"] or " ".join(folder["folder"] or "." for folder in run["folders"])
        for run in document["runs"]
    }


ALL_OF_IT = ". code evaluate fetch-preprocessed-data train-image-model train-sequence-model train-text-model"


def test_the_plan_says_what_goes_what_stays_and_why(runs: Bench) -> None:
    answer = runs.opsctl("cleanup", "--older-than", "30d", "--dry-run")
    assert (answer.exit_code, answer.stdout) == (0, PLAN)
    assert len(below(runs, "old")) == 14


def test_what_was_planned_is_deleted_and_on_record_before(runs: Bench) -> None:
    keys = [f"runs/old/{key}" for key in below(runs, "old")]
    answer = runs.opsctl("cleanup", "--older-than", "30d", "--yes", "-o", "json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["result"]) == (0, {"objects": 14, "changed": 0, "kept": {}, "refused": []})
    assert (below(runs, "old"), len(below(runs, "middle"))) == ([], 14)
    (audit,) = runs.world.keys("audit/")
    heading, *entries = runs.world.s3.get_object(Bucket=BUCKET, Key=audit)["Body"].read().decode().splitlines()
    assert json.loads(heading)["asked"] == {"older_than": 2592000.0, "part": "all", "grace": 1209600.0}
    assert json.loads(heading)["by"].startswith("arn:aws:")
    assert sorted(json.loads(entry)["key"] for entry in entries) == keys
    again = runs.opsctl("cleanup", "--older-than", "30d", "--yes")
    assert (again.exit_code, again.stdout.endswith("nothing to clean up\n")) == (0, True)


@pytest.mark.parametrize(
    ("words", "engine", "said"),
    [
        ((), "local", "deleted from this machine: 14 objects, not more than 2,000,000"),
        (("--map-above", "13"), "map", "deleted by the distributed Map of the machine bulk: 14 objects, more than 13"),
        (("--map-above", "14"), "local", "deleted from this machine: 14 objects, not more than 14"),
        (("--engine", "map"), "map", "deleted by the distributed Map of the machine bulk: as --engine says"),
        (("--engine", "local", "--map-above", "0"), "local", "deleted from this machine: as --engine says"),
    ],
)
def test_the_plan_says_which_way_and_why(runs: Bench, words: tuple[str, ...], engine: str, said: str) -> None:
    answer = runs.opsctl("cleanup", "--run", "old", "--dry-run", *words)
    assert answer.stdout.splitlines()[-1] == said
    document = json.loads(runs.opsctl("cleanup", "--run", "old", "--dry-run", *words, "-o", "json").stdout)
    assert document["engine"] == {"name": engine, "why": said.partition(": ")[2]}


def test_a_deployment_without_the_machine_deletes_from_here_and_says_so(runs: Bench) -> None:
    machines = {"training": runs.connection.deployment.machines["training"]}
    runs.connection = replace(runs.connection, deployment=replace(runs.connection.deployment, machines=machines))
    answer = runs.opsctl("cleanup", "--run", "old", "--dry-run", "--map-above", "1")
    assert answer.stdout.splitlines()[-1] == "deleted from this machine: this deployment has no machine 'bulk'"
    answer = runs.opsctl("cleanup", "--run", "old", "--yes", "--engine", "map")
    assert (answer.exit_code, answer.stderr.splitlines()) == (4, [
        "error: this deployment has no machine 'bulk' to hand a manifest to",
        "hint: apply this release's module: terraform apply",
    ])  # fmt: skip
    assert len(below(runs, "old")) == 14


def test_only_the_data_goes_and_the_models_stay(runs: Bench) -> None:
    assert planned(runs, "--run", "old", "--steps", "data")["old"] == "fetch-preprocessed-data"
    assert runs.opsctl("cleanup", "--run", "old", "--steps", "data", "--yes").exit_code == 0
    assert {key.split("/")[0] for key in below(runs, "old") if "/" in key} == KEPT - {"fetch-preprocessed-data"}


def test_undo_brings_back_what_went_and_nothing_else(runs: Bench) -> None:
    version(runs)
    before = below(runs, "old")
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/old/note", Body=b"deleted by hand")
    runs.world.s3.delete_object(Bucket=BUCKET, Key="runs/old/note")
    assert "can be brought back with --undo" in runs.opsctl("cleanup", "--run", "old", "--yes").stdout
    runs.world.s3.delete_object(Bucket=BUCKET, Key="runs/old/code.json")  # as where a request is sent twice
    rehearsed = runs.opsctl("cleanup", "--undo", "--dry-run")
    assert (rehearsed.exit_code, rehearsed.stdout) == (0, "would bring back: 14 objects\n")
    assert below(runs, "old") == []
    answer = runs.opsctl("cleanup", "--undo")
    assert (answer.exit_code, answer.stdout) == (0, "brought back: 14 objects\n")
    assert below(runs, "old") == before
    again = runs.opsctl("cleanup", "--undo")
    assert (again.exit_code, again.stdout) == (3, "brought back: 0 objects\n")
    assert "error: nothing of the last cleanup is left to bring back" in again.stderr
    assert "error: nothing of nope is left" in runs.opsctl("cleanup", "--undo", "--run", "nope").stderr


def test_undo_asks_once_whether_the_bucket_is_versioned(runs: Bench) -> None:
    version(runs)
    assert runs.opsctl("cleanup", "--run", "old", "--yes").exit_code == 0
    asked: list[str] = []
    events = runs.connection.aws.client("s3").meta.events
    place, note = "before-call.s3.GetBucketVersioning", lambda **_: asked.append("versioned?")
    events.register(place, note)
    assert runs.opsctl("cleanup", "--undo", "--dry-run").stdout == "would bring back: 14 objects\n"
    events.unregister(place, note)
    assert len(asked) == 1


def test_undo_finds_a_run_in_an_earlier_cleanup(runs: Bench) -> None:
    version(runs)
    before = below(runs, "old")
    for name in ("old", "middle"):
        assert runs.opsctl("cleanup", "--run", name, "--yes").exit_code == 0
        runs.world.now += DAY
    assert runs.opsctl("cleanup", "--undo", "--run", "old").stdout == "brought back: 14 objects\n"
    assert (below(runs, "old"), below(runs, "middle")) == (before, [])


def test_what_was_deleted_brought_back_and_deleted_again_comes_back_once(runs: Bench) -> None:
    version(runs)
    before = below(runs, "old")
    for words in (("--run", "old", "--yes"), ("--undo",), ("--run", "old", "--yes"), ("--run", "middle", "--yes")):
        assert runs.opsctl("cleanup", *words).exit_code == 0
        runs.world.now += DAY
    undo = ("cleanup", "--undo", "--run", "old")
    assert runs.opsctl(*undo, "--dry-run").stdout == "would bring back: 14 objects\n"
    document = json.loads(runs.opsctl(*undo, "-o", "json").stdout)
    assert (document["objects"], document["changed"], len(document["cleanups"])) == (14, 0, 1)
    assert (below(runs, "old"), below(runs, "middle")) == (before, [])


def test_an_undo_says_which_cleanup_was_the_last(runs: Bench) -> None:
    version(runs)
    for name in ("old", "middle"):  # the one that is meant, and a schedule's
        runs.opsctl("cleanup", "--run", name, "--yes")
        runs.world.now += DAY
    id_, by = json.loads(runs.opsctl("cleanup", "--undo", "--dry-run", "-o", "json").stdout)["cleanups"][0], "arn:aws:"
    answer = runs.opsctl("cleanup", "--undo")
    assert answer.stderr.startswith(f"of {id_}, which {by}"), answer.stderr
    assert (below(runs, "old"), len(below(runs, "middle"))) == ([], 14)


def test_a_bucket_without_versions_cannot_undo(runs: Bench) -> None:
    answer = runs.opsctl("cleanup", "--undo")
    assert (answer.exit_code, answer.stdout) == (3, "")
    assert f"the bucket {BUCKET} is not versioned: what is deleted there is gone" in answer.stderr


def test_what_cannot_be_made_to_fit_is_told(runs: Bench) -> None:
    answer = runs.opsctl("cleanup", "--max-bytes-to-keep", "600B", "--dry-run")
    told = "warning: 677 B stay, more than the 600 B to keep: the plan says what keeps each run"
    assert (answer.exit_code, answer.stderr.splitlines()) == (0, [told])
    assert runs.opsctl("cleanup", "--max-bytes-to-keep", "1kB", "--dry-run").stderr == ""


def test_a_held_run_stays_until_it_is_released(runs: Bench) -> None:
    assert runs.opsctl("data", "hold", "old").stdout == "old is held\n"
    assert runs.opsctl("data", "hold", "old").stdout == "old was held already\n"
    assert planned(runs, "--run", "old")["old"] == "held"
    assert runs.opsctl("data", "release", "old").stdout == "old is released\n"
    assert planned(runs, "--run", "old")["old"] == ALL_OF_IT
    answer = runs.opsctl("data", "hold", "olt")
    assert (answer.exit_code, answer.stderr.splitlines()[0]) == (2, "error: no data of a run 'olt'")


def test_the_champion_stays(runs: Bench) -> None:
    runs.world.s3.put_object(Bucket=BUCKET, Key="champions/training.json", Body=b'{"run": "old"}')
    assert planned(runs, "--older-than", "1d") == {"old": "champion", "middle": ALL_OF_IT, "failed": "redrivable"}
    runs.world.s3.put_object(Bucket=BUCKET, Key="champions/training.json", Body=b"{")
    answer = runs.opsctl("cleanup", "--older-than", "1d", "--yes")
    assert (answer.exit_code, len(below(runs, "middle"))) == (3, 14)
    assert answer.stderr.splitlines() == [
        f"error: s3://{BUCKET}/champions/training.json does not say which run the champion comes from",
        "hint: bring back the version before, or mend it: without it nothing keeps the champion",
    ]


def test_the_champion_before_stays_for_a_rollback_and_older_ones_do_not(runs: Bench) -> None:
    promotion = {"run": "failed", "previous": {"run": "middle", "previous": None}}
    runs.world.s3.put_object(Bucket=BUCKET, Key="champions/training.json", Body=json.dumps(promotion).encode())
    earlier = json.dumps({"run": "old", "previous": None}).encode()
    runs.world.s3.put_object(Bucket=BUCKET, Key="champions/training/old-deployment.json", Body=earlier)
    assert planned(runs, "--older-than", "1d") == {"old": ALL_OF_IT, "middle": "champion", "failed": "champion"}


def test_what_another_run_reads_stays_at_any_remove(runs: Bench) -> None:
    record = {"reads": [f"s3://{BUCKET}/runs/old/train-text-model/"]}
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/middle/code.json", Body=json.dumps(record).encode())
    assert planned(runs, "--older-than", "30d") == {"old": "read", "middle": "young", "failed": "redrivable"}
    assert planned(runs, "--older-than", "1d") == {"old": ALL_OF_IT, "middle": ALL_OF_IT, "failed": "redrivable"}


def test_leftovers_of_a_rerun_that_never_started_are_orphans(runs: Bench) -> None:
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/left/plan.json", Body=b'{"of": "old"}')
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/left/train-text-model/x/output/model.tar.gz", Body=b"x")
    assert planned(runs, "--orphans") == {
        "left": ". train-text-model", "old": "known", "middle": "known", "failed": "redrivable",
    }  # fmt: skip
    version(runs)
    assert runs.opsctl("cleanup", "--orphans", "--yes").exit_code == 0
    assert (below(runs, "left"), len(below(runs, "old"))) == ([], 14)
    again = runs.opsctl("cleanup", "--run", "left", "--run", "old", "--yes")  # as after a cleanup that was cut off
    assert (again.exit_code, below(runs, "old")) == (0, []), again.output


def test_objects_that_changed_or_vanished_since_the_plan_are_left_alone(
    runs: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed, vanished = (f"runs/old/{below(runs, 'old')[number]}" for number in (3, 4))
    upload = Bulk.upload

    def upload_and_change(self: Bulk, place: Place, file: Any) -> None:
        upload(self, place, file)
        runs.world.s3.put_object(Bucket=BUCKET, Key=changed, Body=b"another")
        runs.world.s3.delete_object(Bucket=BUCKET, Key=vanished)

    monkeypatch.setattr(Bulk, "upload", upload_and_change)
    answer = runs.opsctl("cleanup", "--run", "old", "--yes")
    assert answer.stdout.endswith("deleted: 12 objects\nleft alone, not what was on record: 2 objects\n")
    assert [f"runs/old/{key}" for key in below(runs, "old")] == [changed]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "error: say which runs' data may go"),
        (("--older-than", "yesterday"), 2, "'yesterday' is not an age such as 12h, 30d or 8w"),
        (("--older-than", "30"), 2, "'30' has no unit: write 30d for days, 30h for hours"),
        (("--older-than", "30d", "--grace", "1.5"), 2, "'1.5' has no unit: write 1.5d for days, 1.5h for hours"),
        (("--run", "../datasets"), 2, "error: no data of a run '../datasets'"),
        (("--run", "runs/old"), 2, "error: no data of a run 'runs/old'"),
        (("--run", ""), 2, "error: no data of a run ''"),
        (("--run", "old\n"), 2, "error: no data of a run 'old\\n'"),
        (("--run", "midle"), 2, "hint: did you mean 'middle'?"),
        (("--older-than", "-5d"), 2, "'-5d' is not an age"),
        (("--keep-last", "-1"), 2, "-1 is not in the range"),
        (("--status", "running"), 2, "'running' is not one of"),
        (("--undo", "--engine", "map"), 2, "error: an undo works from this machine, for the machine bulk may not"),
        (("--max-bytes-to-keep", "9" * 400), 2, "error: Invalid value for '--max-bytes-to-keep': '9999"),
        (("--undo", "--older-than", "3d"), 2, "error: --undo goes with --run and --dry-run only"),
        (("--older-than", "1d"), 3, "error: nothing was deleted: there is no terminal to ask on"),
        (("--max-bytes-to-keep", "lots"), 2, "'lots' is not a size"),
    ],
)
def test_bad_requests_delete_nothing(runs: Bench, words: tuple[str, ...], code: int, message: str) -> None:
    answer = runs.opsctl("cleanup", *words)
    assert (answer.exit_code, message in answer.stderr) == (code, True), answer.stderr
    assert runs.world.keys("audit/") == []
    assert len(below(runs, "old")) == 14


def test_data_list_shows_what_runs_keep_and_who_reads_it(runs: Bench) -> None:
    record = {"reads": [f"s3://{BUCKET}/runs/old/train-text-model/"]}
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/middle/code.json", Body=json.dumps(record).encode())
    runs.opsctl("data", "hold", "old")
    answer = runs.opsctl("data", "list")
    assert (answer.exit_code, answer.stdout) == (0, HOLDINGS)
    answer = runs.opsctl("data", "list", "failed", "--query", "folders[].[folder, kind, objects]")
    assert json.loads(answer.stdout) == [
        ["fetch-preprocessed-data", "data", 3], ["", "other", 1], ["train-image-model", "model", 2],
        ["train-text-model", "model", 2], ["code", "other", 2],
    ]  # fmt: skip
    answer = runs.opsctl("data", "list", "faild")
    assert (answer.exit_code, answer.stderr) == (2, "error: no data of a run 'faild'\nhint: did you mean 'failed'?\n")


def test_what_an_endpoint_serves_stays(runs: Bench) -> None:
    sagemaker = runs.connection.aws.client("sagemaker")
    role = "arn:aws:iam::123456789012:role/x"
    container = {"Image": "x", "ModelDataUrl": f"s3://{BUCKET}/runs/old/train-text-model/x/output/model.tar.gz"}
    sagemaker.create_model(ModelName="model", PrimaryContainer=container, ExecutionRoleArn=role)
    variant = {"VariantName": "all", "ModelName": "model", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
    sagemaker.create_endpoint_config(EndpointConfigName="configuration", ProductionVariants=[variant])
    assert planned(runs, "--run", "old")["old"] == ALL_OF_IT
    sagemaker.create_endpoint(EndpointName="documents", EndpointConfigName="configuration")
    assert planned(runs, "--run", "old")["old"] == "endpoint"
    listed = runs.opsctl("data", "list", "--query", "[?endpoint].[run, champion]")
    assert json.loads(listed.stdout) == [["old", False]]
    assert "  endpoint\n" in runs.opsctl("data", "list").stdout
    sagemaker.delete_model(ModelName="model")
    sagemaker.delete_endpoint_config(EndpointConfigName="configuration")
    assert planned(runs, "--run", "old")["old"] == ALL_OF_IT


ODD = [  # all but a line break, which moto's router does not take
    "tab\there", "uni/ünï/码", "sp ace", " ", "plus+", "per%cent", "per%2Fcent", "back\\slash", "amp&lt;<>\"'",
    "x" * 1015, "emoji-\N{ROCKET}", "trailing/", "a//b", "/leading", "../x", "a/../b", "a/./b",
]  # fmt: skip


def test_keys_of_any_kind_go_and_come_back(runs: Bench) -> None:
    version(runs)
    for key in ODD:
        runs.world.s3.put_object(Bucket=BUCKET, Key=f"runs/old/{key}", Body=b"")
    before = below(runs, "old")
    assert len(before) == 14 + len(ODD)
    assert f"deleted: {len(before)} objects\n" in runs.opsctl("cleanup", "--run", "old", "--yes").stdout
    assert (below(runs, "old"), len(below(runs, "middle"))) == ([], 14)
    assert runs.opsctl("cleanup", "--undo").stdout == f"brought back: {len(before)} objects\n"
    assert below(runs, "old") == before


def test_a_key_does_not_steer_the_terminal(runs: Bench) -> None:
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/old/\x1b[31mred/x", Body=b"")
    listed = runs.opsctl("data", "list", "old").stdout
    assert "\n\\x1b[31mred " in listed
    assert "\x1b" not in listed


def test_an_inference_that_aws_has_forgotten_is_no_orphan_and_its_answers_are_no_copy_of_data(runs: Bench) -> None:
    for key in ("documents.json", "documents/stack-0.json", "score-documents/stack-0.json.out"):
        runs.world.s3.put_object(Bucket=BUCKET, Key=f"runs/inbox/{key}", Body=b"{}")
    assert planned(runs, "--orphans")["inbox"] == "known"
    assert planned(runs, "--run", "inbox", "--steps", "data")["inbox"] == "documents"
    assert planned(runs, "--run", "inbox")["inbox"] == ". documents score-documents"


def test_prefixes_that_are_no_runs_names_are_orphans_and_what_lies_beside_them_stays(runs: Bench) -> None:
    for key in ("/../x", "/./x", "/we\tird/x", "/+%41/x", f"/{'n' * 300}/x", "//x", "/plain", "x/y/z"):
        runs.world.s3.put_object(Bucket=BUCKET, Key=f"runs{key}", Body=b"")
    answer = runs.opsctl("cleanup", "--orphans", "--yes")
    assert (answer.exit_code, answer.stdout.splitlines()[-1]) == (0, "deleted: 5 objects")
    assert [key for key in runs.world.keys("run") if key.split("/")[1] not in ("old", "middle", "failed")] == [
        "runs//x", "runs/plain", "runsx/y/z",
    ]  # fmt: skip


def test_a_clock_that_is_behind_makes_nothing_old(runs: Bench) -> None:
    runs.world.s3.put_object(Bucket=BUCKET, Key="runs/new/x", Body=b"")
    runs.world.now = 0.0
    assert planned(runs, "--older-than", "1s") == {
        "new": "fresh",
        "old": "young",
        "middle": "young",
        "failed": "redrivable",
    }
    assert "0 s" in runs.opsctl("data", "list").stdout
