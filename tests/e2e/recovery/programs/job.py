"""Every training job, in a tenth of a second: checks its channels, behaves as its mark says, leaves a model.

It imports nothing but the standard library's: dozens of these run at once on CI.
"""

import hashlib
import json
import os
import re
import time
from pathlib import Path

MARKS = Path("@MARKS@")
BASE = Path(os.environ["SAGEMAKER_BASE_DIR"])
MODELS = {"train-sequence-model": ("image", "text"), "evaluate": ("image", "text", "sequence")}
GOOD = "better"  # the run whose ensemble can be served: the gate hands it over, and no other
# What the model says of a stack: each page is of the class that its text names.
HANDLERS = """
import json
def model_fn(folder):
    model = json.load(open(folder + "/model.json"))
    print("serving the model of", model["run"], flush=True)
    return model
def input_fn(body, kind):
    return json.loads(body)["stacks"]
def predict_fn(stacks, model):
    return {"by": model["run"], "stacks": [read(stack["pages"]) for stack in stacks]}
def output_fn(found, accept):
    return json.dumps(found)
def read(pages):
    sure = {"probability": 1.0, "begins_probability": 1.0}
    found = [{"page": at, "class": page["text"], "begins": at == 1, **sure} for at, page in enumerate(pages, 1)]
    return {"pages": found, "documents": [{"class": found[0]["class"], "first_page": 1, "last_page": len(found)}]}
"""


def main():
    """Refuse to run without the run's data and exactly one artifact of each model that the step reads."""
    run, step = re.fullmatch(r"(.+?)-(train-\w+-model|evaluate)-d\d+r\d+", os.environ["TRAINING_JOB_NAME"]).groups()
    data = sorted((BASE / "input/data/data").glob("*.txt"))
    if [path.read_text() for path in data] != ["a page\n"]:
        raise SystemExit(f"{step}: the run's own copy of the data is not there: {data}")
    for model in MODELS.get(step, ()):
        found = list((BASE / "input/data" / model).rglob("model.tar.gz"))
        if len(found) != 1:
            raise SystemExit(f"{step}: channel {model} holds {len(found)} models")
    (BASE / "checkpoints" / "last.txt").write_text(step)
    print(f"train_loss=0.5 of {step}", flush=True)
    behave(MARKS / f"{run}.{step}")
    made_of = [hashlib.sha256(path.read_bytes()).hexdigest() for path in data]
    if step == "train-sequence-model":
        (BASE / "model" / "code").mkdir()
        (BASE / "model" / "code" / "inference.py").write_text(HANDLERS)
    if step == "evaluate":
        measured = {"page_accuracy": {"sequence": 0.9}, "deployable": run == GOOD}
        manifest = BASE / "input/data/data/manifest.json"
        if manifest.exists():
            measured["held_out"] = {"sha256": hashlib.sha256(manifest.read_bytes()).hexdigest()}
        (BASE / "model" / "metrics.json").write_text(json.dumps(measured))
    (BASE / "model" / "model.json").write_text(json.dumps({"step": step, "run": run, "data": made_of}))


def behave(mark):
    """Once: fail, or hang with our process number in a file, as the mark says; without a mark, do nothing."""
    taken = mark.with_name(f"{mark.name}.taken")
    try:
        mark.rename(taken)
    except FileNotFoundError:
        return
    if taken.read_text() == "fail":
        (BASE / "output" / "failure").write_text("made to fail")
        raise SystemExit(1)
    hangs = mark.with_name(f"{mark.name}.draft")
    hangs.write_text(str(os.getpid()))
    hangs.rename(mark.with_name(f"{mark.name}.hangs"))
    time.sleep(600)


main()
