"""What `terraform test -json` says, by file."""

import json
import re


def hear(text):
    """What each file of tests said, by its name: those that came to an end."""
    files = {}
    for line in text.splitlines():
        file = re.search(r'"@testfile":"[^"]*?(\w+)\.tftest\.hcl"', line)
        if file:
            files.setdefault(file[1], Told()).hear(line)
    return {name: told for name, told in files.items() if told.status}


class Told:
    """What one file of tests said: how it and its runs ended, what was wrong, and its plans."""

    def __init__(self):
        self.status, self.runs, self.errors = None, {}, []
        self.plans = Plans()

    def hear(self, line):
        if line.endswith('"type":"test_plan"}'):
            self.plans.keep(line)
            return
        said = json.loads(line)
        if said["type"] == "test_run" and said["test_run"]["progress"] == "complete":
            self.runs[said["test_run"]["run"]] = said["test_run"]["status"]
        if said["type"] == "test_file" and said["test_file"]["progress"] == "complete":
            self.status = said["test_file"]["status"]
        if said["type"] == "diagnostic" and said["diagnostic"]["severity"] == "error":
            self.errors.append(f"{said['diagnostic']['summary']}: {said['diagnostic']['detail']}")


class Plans:
    """The plans of a file's runs by the runs' names, read when they are asked for: each is megabytes of JSON."""

    def __init__(self):
        self._lines = {}

    def keep(self, line):
        self._lines[re.search(r'"@testrun":"(\w+)"', line)[1]] = line

    def __getitem__(self, run):
        return json.loads(self._lines[run])["test_plan"]
