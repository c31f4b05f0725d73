"""Measures how many days ago a machine's last run succeeded, for alarms on more days than CloudWatch looks back.

A rule calls it every hour with `{"namespace": …, "machines": [ARN, …]}`; it publishes one value of
`DaysWithoutSuccess` for each machine. Step Functions forgets runs 90 days after their end: a machine without any
success that it remembers counts from its own beginning, 90 days at most.
"""

from datetime import UTC, datetime, timedelta

import boto3

REMEMBERED = timedelta(days=90)
LISTED = 100  # of the runs that began last; one that began long before may have ended last
DAY = timedelta(days=1)


def handler(event, _context):
    states, now = boto3.client("stepfunctions"), datetime.now(UTC)
    days = {machine: (now - _last_success(states, machine, now)) / DAY for machine in event["machines"]}
    boto3.client("cloudwatch").put_metric_data(
        Namespace=event["namespace"],
        MetricData=[
            {
                "MetricName": "DaysWithoutSuccess",
                "Dimensions": [{"Name": "StateMachineArn", "Value": machine}],
                "Timestamp": now,
                "Value": value,
            }
            for machine, value in days.items()
        ],
    )
    return days


def _last_success(states, machine, now):
    listed = states.list_executions(stateMachineArn=machine, statusFilter="SUCCEEDED", maxResults=LISTED)["executions"]
    if listed:
        return max(run["stopDate"] for run in listed)
    made = states.describe_state_machine(stateMachineArn=machine)["creationDate"]
    return max(made, now - REMEMBERED)
