"""What an upgrade from the last release keeps: every resource is found again, or is known to be made anew."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RELEASED = (Path(__file__).with_name("released-addresses.txt")).read_text().split()
MOVED = re.compile(r"^moved \{\n  from = (\S+)\n  to   = (\S+)\n\}", re.MULTILINE)
# Their names have changed too, which AWS cannot do in place; none of them holds data.
MADE_ANEW = re.compile(r"aws_sns_topic\.this$|\.(aws_cloudwatch_event_(rule|target)|aws_lambda_permission)\.failed$")


def lost_addresses(planned):
    """Of the last release's resources, those that this configuration would destroy without a successor."""
    moves = MOVED.findall((ROOT / "migrations.tf").read_text())
    return [address for address in RELEASED if moved(address, moves) not in planned and not MADE_ANEW.search(address)]


def moved(address, moves):
    for old, new in moves:
        if address == old or address.startswith((f"{old}.", f"{old}[")):
            return new + address[len(old) :]
    return address
