"""What each variable refuses, with the words of the remedy, and the edges that it takes.

A plan of the variables alone, which needs no provider and takes no time: the rules of `variables*.tf` with the locals
that they refer to. Each case breaks one rule, and no other one of its variable; a test holds that no rule is without a
case. Those of `triggers` are in test_triggers.py. What a rule cannot see is refused by other conditions: *.tftest.hcl.
"""

import json
import re
import shutil

import hcl2
import pytest
from hcl2.utils import SerializationOptions

from tests.terraform import test_triggers
from tests.terraform.test_module import ROOT, terraform

LOCALS = """
locals {
  functions         = toset(["bulk_batch", "prepare_run"])
  job_queues        = length(var.job_queues) > 0 ? var.job_queues : { default = keys(var.compute_environments) }
  machines          = { bulk = "documents-bulk", training = "documents-training" }
  _definition_stems = toset(["bulk", "training"])
  _jobs = merge(local.base_models, {
    evaluate       = merge(var.evaluate, { script = coalesce(var.evaluate.script, "evaluate.py") })
    sequence_model = local.sequence_model
  })
}
"""
PLAIN = SerializationOptions(
    with_comments=False, explicit_blocks=False, preserve_heredocs=False, strip_string_quotes=True
)
# Variables whose rules look at each other: a plan breaks a rule of one of them only.
LINKED = [
    {"batch", "compute_environments", "job_queues"},
    {"base_models", "champion", "code", "evaluate", "sequence_model"},
    {"definitions", "definitions_dir", "name", "triggers"},
    {"deployment", "inference", "network"},
]
ROLE = "arn:aws:iam::123456789012:role/operator"
NETWORK = {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1"], "security_group_ids": ["sg-1"]}


def network(**fields):
    return {"network": NETWORK | fields}


def environment(**fields):
    return {"compute_environments": {"one": fields}}


def subscription(**fields):
    entry = {"protocol": "email", "endpoint": "a@example.com", "topics": ["failures"]} | fields
    return {"notifications": {"subscriptions": {"one": entry}}}


def definition(**fields):
    return {"definitions": {"training": fields}}


def deployment(**fields):
    return {"deployment": fields}


# The variables of a case, and how what is said against it begins.
REFUSED = [
    ({"alarms": {"failure": 1}}, "A key of alarms must be one of days_without_success, dead_letters, failures,"),
    ({"alarms": {"throttles": 0}}, "A threshold in alarms must be above 0; null switches the alarm off."),
    ({"alarms": {"days_without_success": 91}}, "alarms.days_without_success must be a whole number from 1 to 90"),
    ({"alarms": {"days_without_success": 1.5}}, "alarms.days_without_success must be a whole number from 1 to 90"),
    ({"base_models": {"image": None, "text": None}}, "base_models must leave 1 to 16 models"),
    ({"base_models": {f"m{n}": {"script": "text.py"} for n in range(15)}}, "base_models must leave 1 to 16 models"),
    ({"base_models": {"layout": None}}, "null in base_models removes a model that ships with the module"),
    ({"base_models": {"Layout": {"script": "text.py"}}}, "A key of base_models becomes a state's name"),
    ({"base_models": {"page-layout": {"script": "text.py"}}}, "A key of base_models becomes a state's name"),
    ({"base_models": {"": {"script": "text.py"}}}, "A key of base_models becomes a state's name"),
    ({"base_models": {"a_model_of_19_chars": {"script": "text.py"}}}, "A key of base_models may have at most 18"),
    ({"base_models": {"sequence": {"script": "text.py"}}}, "average, champion, code, data, evaluate, sequence and"),
    ({"base_models": {"champion": {"script": "text.py"}}}, "average, champion, code, data, evaluate, sequence and"),
    ({"base_models": {"text": {"instance": {"type": "m5.large"}}}}, "An instance type in base_models must be one of"),
    ({"base_models": {"text": {"max_runtime": 59}}}, "max_runtime in base_models is in seconds"),
    ({"base_models": {"text": {"max_runtime": 90.5}}}, "max_runtime in base_models is in seconds"),
    ({"base_models": {"text": {"max_runtime": 2419201}}}, "max_runtime in base_models is in seconds"),
    ({"base_models": {"text": {"compute": "kubernetes"}}}, "compute in base_models must be sagemaker, or activity"),
    ({"base_models": {"text": {"compute": "activity", "spot": True}}}, 'A base model with compute = "activity" trains'),
    ({"base_models": {"text": {"compute": "activity", "instance": {}}}}, 'A base model with compute = "activity"'),
    ({"base_models": {"text": {"compute": "activity", "image": "x"}}}, 'A base model with compute = "activity" trains'),
    ({"base_models": {"text": {"compute": "activity", "heartbeat": 9}}}, "heartbeat in base_models must be a whole"),
    ({"base_models": {"text": {"compute": "activity", "heartbeat": 3601}}}, "heartbeat in base_models must be a whole"),
    ({"base_models": {"text": {"heartbeat": 60}}}, "heartbeat in base_models must be a whole number of seconds from"),
    ({"batch": {"image": ""}}, "batch.image must name an image"),
    ({"batch": {"source_buckets": ["*"]}}, "batch.source_buckets must hold names of buckets"),
    ({"batch": {"source_buckets": ["s3://incoming"]}}, "batch.source_buckets must hold names of buckets"),
    ({"batch": {"timeout": 59}}, "batch.timeout must be a whole number of seconds, and Batch takes no less than 60."),
    ({"batch": {"timeout": 60.5}}, "batch.timeout must be a whole number of seconds"),
    ({"champion": {"direction": "max"}}, "champion.direction must be maximize, where more is better"),
    ({"champion": {"least_improvement": -0.01}}, "champion.least_improvement must be 0 or more"),
    ({"champion": {"metric": "f1"}}, "champion.metric must be a figure that Evaluate measures"),
    ({"champion": {"metric": "page accuracy"}, "evaluate": {"script": "text.py"}}, "champion.metric must be a figure"),
    ({"batch": {"attempts": 0}}, "batch.attempts must be a whole number from 1 to 10"),
    ({"batch": {"attempts": 11}}, "batch.attempts must be a whole number from 1 to 10"),
    ({"batch": {"vcpus": 1, "memory_mb": 1024}}, "batch.vcpus and batch.memory_mb must be a size that Fargate has"),
    ({"batch": {"vcpus": 8, "memory_mb": 17408}}, "batch.vcpus and batch.memory_mb must be a size that Fargate has"),
    ({"batch": {"vcpus": 3, "memory_mb": 8192}}, "batch.vcpus and batch.memory_mb must be a size that Fargate has"),
    (environment(kind="ec2") | {"batch": {"vcpus": 0.5}}, "On instances, batch.vcpus must be a whole number"),
    (environment(kind="spot") | {"batch": {"memory_mb": 3}}, "On instances, batch.vcpus must be a whole number"),
    ({"batch": {"spot_retries": 10}}, "batch.spot_retries must be a whole number from 0 to 9"),
    ({"batch": {"queue": "gpus"}}, "batch.queue must be one of the job queues: default. Name it in job_queues"),
    ({"batch": {"service_linked_roles": ["ec2.amazonaws.com"]}}, "batch.service_linked_roles may name autoscaling"),
    ({"code": "no/such/folder"}, "code must hold fetch.py and the script of every job"),
    ({"base_models": {"layout": {}}}, "code must hold fetch.py and the script of every job"),
    ({"compute_environments": {}}, "compute_environments must have at least one entry"),
    ({"compute_environments": {"On_Demand": {}}}, "A key of compute_environments becomes part of AWS's names"),
    ({"compute_environments": {"e" * 25: {}}}, "A key of compute_environments becomes part of AWS's names"),
    (environment(kind="gpu"), "kind in compute_environments must be fargate, fargate-spot, ec2 or spot; GPUs are"),
    (environment(instance_types=["m6i.large"]), "Fargate has no instances"),
    (environment(kind="ec2", instance_types=["ml.m5.large"]), "instance_types in compute_environments must be EC2's"),
    (environment(kind="ec2", instance_types=[]), "instance_types in compute_environments must be EC2's"),
    (environment(max_vcpus=0), "max_vcpus in compute_environments must be a whole number"),
    (environment(kind="ec2", min_vcpus=17), "max_vcpus in compute_environments must be a whole number"),
    (environment(kind="ec2", volume_gb=29), "volume_gb in compute_environments must be a whole number from 30"),
    (environment(kind="ec2", volume_gb=16385), "volume_gb in compute_environments must be a whole number from 30"),
    ({"dataset": "runs/sample/"}, "dataset must be a folder below datasets/"),
    ({"dataset": "datasets/sample"}, "dataset must be a folder below datasets/"),
    ({"dataset": "datasets/"}, "dataset must be a folder below datasets/"),
    (
        {"definitions": {"nightly": {}}},
        "A key of definitions must be the stem of a definition's file, which are: bulk,",
    ),
    (definition(alarms={"dead_letters": 1}), "A key of alarms in definitions must be one of days_without_success,"),
    (definition(alarms={"failures": 0}), "A threshold in definitions.….alarms must be above 0"),
    (definition(alarms={"days_without_success": 0.5}), "A threshold in definitions.….alarms must be above 0"),
    ({"definitions": {"training": {"on_failure": "retried"}}}, "on_failure in definitions must be caught or"),
    ({"definitions_dir": "no/such/folder"}, "definitions_dir holds no definition: put a file that ends in .asl.json"),
    ({"definitions_dir": "empty"}, "definitions_dir holds no definition: put a file that ends in .asl.json"),
    ({"definitions_dir": "twice"}, "definitions_dir must have one file for each machine"),
    ({"definitions_dir": "spaces"}, "The name of a file in definitions_dir becomes part of AWS's names"),
    ({"definitions_dir": "taken"}, "The name of a file in definitions_dir becomes a role's name, and batch-execution"),
    ({"definitions_dir": "scheduler"}, "The name of a file in definitions_dir becomes a role's name, and batch-exec"),
    ({"definitions_dir": "capitals"}, "The name of a file in definitions_dir differs from that of another definition"),
    (deployment(approval={"timeout": 59}), "deployment.approval.timeout must be a whole number of seconds from 60"),
    (deployment(approval={"timeout": 31536001}), "deployment.approval.timeout must be a whole number of seconds from"),
    (deployment(instance={"type": "m5.large"}), "deployment.instance.type must be one of SageMaker's"),
    (deployment(instance={"count": 0}), "deployment.instance.count must be a whole number of at least 1."),
    (deployment(instance={"count": 1.5}), "deployment.instance.count must be a whole number of at least 1."),
    (deployment(poll_seconds=0, timeout=60), "deployment.poll_seconds must be a whole number of seconds from 1"),
    (deployment(poll_seconds=61, timeout=60), "deployment.poll_seconds must be a whole number of seconds from 1"),
    (deployment(startup_timeout=59), "deployment.startup_timeout must be a whole number of seconds from 60 to 3600"),
    (deployment(startup_timeout=3601), "deployment.startup_timeout must be a whole number of seconds from 60 to 3600"),
    (deployment(timeout=30001), "deployment.timeout must be a whole number of seconds, and at most 2000 times"),
    (deployment(smoke_test={"least_accuracy": 1.1}), "deployment.smoke_test.least_accuracy must be a share of pages"),
    (deployment(smoke_test={"most_seconds": 61}), "deployment.smoke_test.most_seconds must be more than 0"),
    (deployment(smoke_test={"stacks": 11}), "deployment.smoke_test.stacks must be a whole number from 0"),
    (deployment(vpc=True), "deployment.vpc = true needs the variable network"),
    ({"encryption": {"deletion_window_days": 6}}, "encryption.deletion_window_days must be a whole number from 7"),
    ({"encryption": {"deletion_window_days": 31}}, "encryption.deletion_window_days must be a whole number from 7"),
    (
        {"encryption": {"kms_key_arn": "arn:aws:kms:us-east-1:123456789012:alias/mine"}},
        "encryption.kms_key_arn must be a key's own ARN",
    ),
    ({"evaluate": {"instance": {"type": "m5.large"}}}, "evaluate.instance.type must be one of SageMaker's"),
    ({"evaluate": {"instance": {"type": "ml.banana"}}}, "evaluate.instance.type must be one of SageMaker's"),
    ({"evaluate": {"max_runtime": 1}}, "evaluate.max_runtime is in seconds"),
    ({"evaluate": {"compute": "batch"}}, "evaluate.compute must be sagemaker"),
    ({"inference": {"instance": {"type": "m5.large"}}}, "inference.instance.type must be one of SageMaker's"),
    ({"inference": {"instance": {"count": 0}}}, "inference.instance.count must be a whole number"),
    ({"inference": {"max_payload_mb": 101}}, "inference.max_concurrent and inference.max_payload_mb must be"),
    ({"inference": {"max_concurrent": 6}}, "inference.max_concurrent and inference.max_payload_mb must be"),
    ({"inference": {"max_concurrent": 1.5}}, "inference.max_concurrent and inference.max_payload_mb must be"),
    ({"inference": {"max_runtime": 59}}, "inference.max_runtime must be a whole number of seconds"),
    ({"inference": {"vpc": True}}, "inference.vpc = true needs the variable network"),
    ({"job_queues": {"Fast": ["fargate"]}}, "A key of job_queues becomes part of AWS's names"),
    ({"job_queues": {"default": ["gpus"]}}, "job_queues names environments that are not in compute_environments"),
    ({"job_queues": {"default": []}}, "A job queue takes 1 to 3 environments, each once"),
    ({"job_queues": {"default": ["fargate", "fargate"]}}, "A job queue takes 1 to 3 environments, each once"),
    (
        {"compute_environments": {"a": {}, "b": {"kind": "ec2"}}, "job_queues": {"default": ["a", "b"]}},
        "A job queue cannot have both Fargate and EC2 or Spot environments",
    ),
    ({"logs": {"level": "DEBUG"}}, "logs.level must be ALL, ERROR, FATAL or OFF."),
    ({"logs": {"retention_days": 0}}, "logs.retention_days must be one of CloudWatch's steps: 1, 3, 5, 7, 14, 30"),
    ({"logs": {"retention_days": 31}}, "logs.retention_days must be one of CloudWatch's steps: 1, 3, 5, 7, 14, 30"),
    ({"name": ""}, "name must be 1 to 32 characters"),
    ({"name": "a" * 33}, "name must be 1 to 32 characters"),
    ({"name": "a" * 80}, "name must be 1 to 32 characters"),
    ({"name": "Documents"}, "name must be 1 to 32 characters: lower-case words and digits joined by single hyphens"),
    ({"name": "documents-"}, "name must be 1 to 32 characters"),
    ({"name": "two words"}, "name must be 1 to 32 characters"),
    ({"name": "1st"}, "name must be 1 to 32 characters"),
    (network(vpc_id=None), "network names no VPC: set network.vpc_id to the VPC of network.subnet_ids"),
    (network(vpc_id=""), "network names no VPC: set network.vpc_id to the VPC of network.subnet_ids"),
    (network(vpc_id="production"), "network takes EC2's ids"),
    (network(subnet_ids=["subnet-1", "sg-1"]), "network takes EC2's ids"),
    (network(security_group_ids=["default"]), "network takes EC2's ids"),
    (network(subnet_ids=[]), "network needs at least one of subnet_ids and of security_group_ids"),
    (network(security_group_ids=[]), "network needs at least one of subnet_ids and of security_group_ids"),
    (network(subnet_ids=[f"subnet-{n}" for n in range(17)]), "network takes at most 16 subnet_ids"),
    (network(endpoints=["ec2"]), "network.endpoints knows s3, batch, ecr.api"),
    (network(endpoints=["s3"]), "The S3 endpoint is a gateway"),
    (network(route_table_ids=["rtb-1"]), "The S3 endpoint is a gateway"),
    ({"notifications": {"emails": ["oncall"]}}, "notifications.emails must hold addresses such as oncall@example.com."),
    (
        {"notifications": {"runbooks_url": "https://example.com/runbooks"}},
        "notifications.runbooks_url must end in /, as https://github.com/me/pipeline/blob/main/docs/runbooks/.",
    ),
    ({"notifications": {"emails": [""]}}, "notifications.emails must hold addresses such as oncall@example.com."),
    ({"notifications": {"emails": ["a@example..com"]}}, "notifications.emails must hold addresses such as"),
    ({"notifications": {"emails": ["a,b@example.com"]}}, "notifications.emails must hold addresses such as"),
    (subscription(protocol="sms"), "The protocol of an entry in notifications.subscriptions must be email, https"),
    (subscription(endpoint="oncall"), "An endpoint in notifications.subscriptions must fit its protocol"),
    (
        subscription(protocol="https", endpoint="http://hooks.example.com/x"),
        "An endpoint in notifications.subscriptions must fit its protocol",
    ),
    (
        subscription(protocol="lambda", endpoint="arn:aws:lambda:us-east-1:123456789012:function:page:$LATEST"),
        "An endpoint in notifications.subscriptions must fit its protocol",
    ),
    (subscription(topics=[]), "topics in notifications.subscriptions must name at least one of approvals, failures"),
    (subscription(topics=["alarms"]), "topics in notifications.subscriptions must name at least one of approvals"),
    (subscription(filter_policy="[]"), "A filter_policy in notifications.subscriptions must be a JSON object"),
    (subscription(filter_policy_scope="Body"), "filter_policy_scope in notifications.subscriptions must be"),
    (
        {"notifications": {"emails": ["a@example.com"], **subscription()["notifications"]}},
        "notifications tells an endpoint of one topic twice",
    ),
    ({"permissions_boundary_arn": "boundary"}, "permissions_boundary_arn must be the ARN of an IAM policy"),
    ({"sequence_model": {"instance": {"type": ""}}}, "sequence_model.instance.type must be one of SageMaker's"),
    ({"sequence_model": {"max_runtime": 9999999}}, "sequence_model.max_runtime is in seconds"),
    ({"sequence_model": {"compute": "ec2"}}, "sequence_model.compute must be sagemaker"),
    ({"storage": {"noncurrent_days": 0}}, "storage.noncurrent_days must be a whole number of at least 1"),
    ({"storage": {"noncurrent_days": 1.5}}, "storage.noncurrent_days must be a whole number of at least 1"),
    ({"storage": {"access_log_bucket": "s3://logs"}}, "storage.access_log_bucket must be the name of a bucket"),
    ({"storage": {"bulk_concurrency": 0}}, "storage.bulk_concurrency must be a whole number from 1 to 1000"),
    ({"storage": {"bulk_concurrency": 1001}}, "storage.bulk_concurrency must be a whole number from 1 to 1000"),
    ({"storage": {"admin_role_arns": ["*"]}}, "storage.admin_role_arns and storage.operator_role_arns must hold"),
    (
        {"storage": {"operator_role_arns": ["arn:aws:sts::123456789012:assumed-role/operator/me"]}},
        "storage.admin_role_arns and storage.operator_role_arns must hold ARNs of IAM roles or users",
    ),
    ({"training": {"spot": True, "warm_pool_seconds": 60}}, "SageMaker keeps no Spot instances warm"),
    ({"training": {"spot_wait": -1}}, "training.spot_wait must be a whole number of seconds"),
    ({"versions": {"keep": 0}}, "versions.keep must be a whole number from 1 to 900"),
    ({"versions": {"keep": 901}}, "versions.keep must be a whole number from 1 to 900"),
    ({"versions": {"keep": 2.5}}, "versions.keep must be a whole number from 1 to 900"),
]
SMALLEST = {
    "alarms": {"days_without_success": 1, "dead_letters": 1, "failures": 1, "longer_than_minutes": 0.1},
    "base_models": {"image": None, "text": {"compute": "activity", "max_runtime": 60, "heartbeat": 10}},
    "batch": {
        "timeout": 60,
        "attempts": 1,
        "spot_retries": 0,
        "service_linked_roles": [],
        "vcpus": 1,
        "memory_mb": 4,
    },
    "champion": {"least_improvement": 0},
    "compute_environments": {"e": {"kind": "ec2", "min_vcpus": 0, "max_vcpus": 1, "volume_gb": 30}},
    "dataset": "datasets/x/",
    "definitions": {},
    "encryption": {"deletion_window_days": 7},
    "evaluate": {"max_runtime": 60},
    "inference": {"max_concurrent": 1, "max_payload_mb": 1, "max_runtime": 60, "vpc": False},
    "job_queues": {"default": ["e"]},
    "logs": {"level": "OFF", "retention_days": 1},
    "name": "a",
    "network": None,
    "notifications": {"emails": []},
    "sequence_model": {"max_runtime": 60},
    "storage": {"noncurrent_days": 1, "bulk_concurrency": 1, "operator_role_arns": [], "access_log_bucket": "abc"},
    "deployment": {
        "approval": {"timeout": 60},
        "instance": {"count": 1},
        "poll_seconds": 1,
        "startup_timeout": 60,
        "timeout": 1,
        "smoke_test": {"least_accuracy": 0, "most_seconds": 60, "stacks": 0},
    },
    "training": {"spot_wait": 0},
    "versions": {"keep": 1},
}
LARGEST = {
    "alarms": {"days_without_success": 90, "dead_letters": None, "longer_than_usual": None, "throttles": 1000},
    "base_models": {
        f"a_model_number_o{n}": {"script": "text.py", "max_runtime": 2419200, "instance": {"type": "ml.p5.48xlarge"}}
        for n in range(10, 24)
    },
    "champion": {"direction": "minimize", "least_improvement": 1000, "metric": "log_loss"},
    "batch": {"timeout": 1209600, "attempts": 10, "spot_retries": 9, "queue": "q" * 24},
    "compute_environments": {
        "e" * 24: {"kind": "spot", "instance_types": ["g5", "g5.xlarge", "c6i"], "min_vcpus": 9, "max_vcpus": 9},
        "f": {"kind": "ec2", "instance_types": ["optimal"], "volume_gb": 16384},
        "g": {"kind": "ec2"},
    },
    "dataset": "datasets/a/b/c/",
    "definitions": {"bulk": None, "training": {"on_failure": "redrivable", "alarms": {"failures": None}}},
    "definitions_dir": "longest",
    "encryption": {"deletion_window_days": 30, "kms_key_arn": "arn:aws-cn:kms:cn-north-1:123456789012:key/a-1"},
    "evaluate": {"max_runtime": 2419200},
    "inference": {"max_concurrent": 5, "max_payload_mb": 20, "max_runtime": 31536000, "vpc": True},
    "job_queues": {"q" * 24: ["e" * 24, "f", "g"]},
    "logs": {"level": "FATAL", "retention_days": 3653},
    "name": "a23456789-123456789-123456789-12",
    "network": NETWORK
    | {
        "subnet_ids": [f"subnet-{n}" for n in range(16)],
        "security_group_ids": [f"sg-{n}" for n in range(5)],
        "endpoints": ["s3", "sagemaker.api"],
        "route_table_ids": ["rtb-1"],
    },
    "notifications": {
        "emails": ["a.b+c@mail.example.com"],
        "subscriptions": {
            "hook": {
                "protocol": "https",
                "endpoint": "https://hooks.example.com/x",
                "topics": ["approvals", "successes"],
            },
            "pager": {
                "protocol": "lambda",
                "endpoint": "arn:aws:lambda:us-east-1:123456789012:function:page:live",
                "topics": ["failures"],
                "filter_policy": '{"machine": ["documents-training"]}',
                "filter_policy_scope": "MessageBody",
            },
        },
    },
    "permissions_boundary_arn": "arn:aws:iam::aws:policy/PowerUserAccess",
    "sequence_model": {"max_runtime": 2419200},
    "storage": {
        "noncurrent_days": 3650,
        "bulk_concurrency": 1000,
        "admin_role_arns": ["arn:aws-us-gov:iam::123456789012:user/a/b"],
        "operator_role_arns": [ROLE],
        "access_log_bucket": "a" * 63,
    },
    "training": {"spot": True, "warm_pool_seconds": 0, "spot_wait": 86400},
    "versions": {"keep": 900},
}


def rules():
    """Of each variable, where its rules stand (`variables.tf:12`) and what they say."""
    found = {}
    for path in sorted(ROOT.glob("variables*.tf")):
        for block in hcl2.loads(path.read_text(), serialization_options=PLAIN)["variable"]:
            for name, fields in block.items():
                found[name] = [rule["error_message"] for rule in fields.get("validation", [])]
    return found


@pytest.fixture(scope="module")
def variables(tmp_path_factory):
    """A root module of nothing but the variables, with folders of definitions to choose from."""
    folder = tmp_path_factory.mktemp("variables")
    for path in [*ROOT.glob("variables*.tf"), ROOT / "alarms.tf", ROOT / "models.tf"]:
        shutil.copy(path, folder)
    shutil.copytree(ROOT / "training", folder / "training", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "locals.tf").write_text(LOCALS)
    longest = "l" * (56 - len(LARGEST["name"]))
    for place in (
        "empty/README.md", "twice/one.asl.json", "twice/one.asl.json.tftpl", "spaces/a machine.asl.json",
        "taken/Prepare-Run.asl.json", "scheduler/scheduler.asl.json", f"longest/{longest}.asl.json",
        "definitions/training.asl.json.tftpl", "capitals/Training.asl.json",
    ):  # fmt: skip
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_text("{}")
    result = terraform(folder, "init", "-no-color")
    assert result.returncode == 0, result.stderr
    return folder


def refusals(folder, given):
    """What a plan says, by the variable that it says it against."""
    (folder / "terraform.tfvars.json").write_text(json.dumps(given))
    result = terraform(folder, "plan", "-json", "-input=false")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    found = {}
    for problem in (line["diagnostic"] for line in lines if line["type"] == "diagnostic"):
        message, _, where = problem["detail"].partition("\n\nThis was checked by the validation rule at ")
        file, line, *_ = re.split("[:,]", where)
        above = (folder / file).read_text().splitlines()[: int(line)] if line else pytest.fail(problem["detail"])
        against = next(line for line in reversed(above) if line.startswith('variable "')).split('"')[1]
        found.setdefault(against, []).append(message)
    return found


def group(name):
    """The variables that must not be broken beside this one."""
    return next((linked for linked in LINKED if name in linked), {name})


def packed(cases):
    """The cases in as few plans as there are for any one variable: those that do not look at each other together."""
    plans = []
    for case in cases:
        mine = set().union(*map(group, case[0]))
        free = next((plan for plan in plans if not any(mine & set(given) for given, _ in plan)), None)
        if free is None:
            plans.append([case])
        else:
            free.append(case)
    return plans


def test_what_is_refused_and_the_remedy(variables):
    wrong = []
    for plan in packed(REFUSED):
        found = refusals(variables, {name: value for given, _ in plan for name, value in given.items()})
        for given, said in plan:
            mine = [words for name in set().union(*map(group, given)) for words in found.get(name, ())]
            if len(mine) != 1 or not mine[0].startswith(said):
                wrong.append((given, said, mine))
    assert wrong == []


@pytest.mark.parametrize("given", [{}, SMALLEST, LARGEST], ids=["nothing", "the smallest", "the largest"])
def test_the_edges_are_taken(variables, given):
    assert refusals(variables, given) == {}


def test_no_rule_is_without_a_case():
    said = [words for _, words in [*REFUSED, *test_triggers.REFUSED]]
    without = [
        message
        for messages in rules().values()
        for message in messages
        if not any(message.split("${")[0].startswith(words[: len(message.split("${")[0])]) for words in said)
    ]
    assert without == []
    assert sum(map(len, rules().values())) == sum(
        path.read_text().count("\n  validation {") for path in ROOT.glob("variables*.tf")
    )


def test_terraforms_own_tests_break_each_rule_too():
    text = (ROOT / "tests/terraform/validations.tftest.hcl").read_text()
    broken = re.findall(r"var\.(\w+)", " ".join(re.findall(r"expect_failures = \[(.*?)\]", text)))
    assert {name: broken.count(name) for name, said in rules().items() if broken.count(name) < len(said)} == {}
