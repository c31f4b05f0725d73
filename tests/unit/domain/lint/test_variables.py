"""UNASSIGNED_VARIABLE and NOT_DISTRIBUTED."""

import pytest

from opsctl.domain.lint import check
from tests.unit.domain.lint.building import TELLS, TO_NOTIFY, findings, over_items, parallel, scope, task

UNASSIGNED = "UNASSIGNED_VARIABLE"
JSONATA = {"QueryLanguage": "JSONata"}
DISTRIBUTED = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}}


def passing(**fields):
    state = {"Type": "Pass", **fields}
    return state if "Next" in state else {**state, "End": True}


def said(states, **fields):
    return [found.message for found in check({**scope(states), **fields}) if found.code == UNASSIGNED]


@pytest.mark.parametrize(
    ("states", "language", "location"),
    [
        ({"A": passing(Output={"a": ["{% $sum([$x, 1]) %}"]})}, "JSONata", "/States/A/Output/a[0]"),
        (
            {"A": passing(Output="{% $x %}", Assign={"x": 1}, Next="B"), "B": passing(Output="{% $x %}")},
            "JSONata",
            "/States/A/Output",
        ),
        (
            {
                "C": {
                    "Type": "Choice",
                    "Choices": [{"Condition": "{% true %}", "Assign": {"x": 1}, "Next": "A"}],
                    "Default": "B",
                },
                "A": passing(Output="{% $x %}"),
                "B": passing(Output="{% $x %}"),
            },
            "JSONata",
            "/States/B/Output",
        ),
        (
            {"A": passing(Parameters={"b": {"a.$": "States.Format('{}', $x.y)"}})},
            "JSONPath",
            "/States/A/Parameters/b/a.$",
        ),
        ({"A": {"Type": "Wait", "SecondsPath": "$pause", "End": True}}, "JSONPath", "/States/A/SecondsPath"),
        (
            {
                "A": {"Type": "Choice", "Choices": [{"Not": {"Variable": "$x", "IsNull": True}, "Next": "B"}],
                      "Default": "B"},
                "B": passing(),
            },
            "JSONPath",
            "/States/A/Choices[0]/Not/Variable",
        ),
        (  # only the Catch assigns it, and that leads elsewhere
            {
                "A": task(Catch=[{**TO_NOTIFY[0], "Assign": {"why.$": "$.Cause"}}], Next="B"),
                "B": passing(Parameters={"a.$": "$why"}),
                **TELLS,
            },
            "JSONPath",
            "/States/B/Parameters/a.$",
        ),
    ],
)  # fmt: skip
def test_a_variable_that_nothing_has_assigned(states, language, location):
    assert findings(states, UNASSIGNED, QueryLanguage=language) == [location]


@pytest.mark.parametrize(
    "states",
    [
        {"A": passing(Output="{% ($x := 1; $f := function($y) { $x + $y }; $f(2)) %}")},
        {"A": passing(Output="{% $exists($x) ? $x : $map([1], function($v, $i) { $v }) %}")},
        {"A": passing(Output="{% $states.input.items@$i.$i.price & '$x' & \"$y\" /* $z */ %}")},
        {  # a loop: the first round finds nothing, the second does
            "A": passing(Assign={"all": "{% $append($all, 1) %}"}, Next="B"),
            "B": {"Type": "Choice", "Choices": [{"Condition": "{% $count($all) < 3 %}", "Next": "A"}], "Default": "C"},
            "C": passing(),
        },
        {  # on one of two ways
            "C": {"Type": "Choice", "Choices": [{"Condition": "{% true = false %}", "Next": "A"}], "Default": "B"},
            "A": passing(Assign={"x": 1}, Next="B"),
            "B": passing(Output="{% $x %}"),
        },
        {  # what is outside is seen inside
            "S": passing(Assign={"x": 1}, Next="P"),
            "P": parallel({"M": over_items({"I": passing(Output="{% $x %}")})}, Assign={"z": "{% $x %}"}, Next="E"),
            "E": passing(Output="{% $z %}"),
        },
        {  # the Map's own fields are outside of its children
            "S": passing(Assign={"x": 1}, Next="M"),
            "M": {
                "Type": "Map",
                "ItemSelector": {"x": "{% $x %}"},
                "ItemProcessor": {**scope({"I": passing(Output="{% $states.input.x %}")}), **DISTRIBUTED},
                "End": True,
            },
        },
    ],
)
def test_a_variable_that_may_be_there(states):
    assert findings(states, UNASSIGNED, **JSONATA) == []


def test_the_words_say_why_it_is_not_there():
    inside = {"T": passing(Assign={"x": 1})}
    assert said({"P": parallel(inside, Next="B"), "B": passing(Parameters={"a.$": "$x"})}) == [
        "'B' reads $x, which 'T' assigns in a branch or iteration of its own, with which it ends."
    ]
    child = {**scope({"I": passing(Parameters={"a.$": "$x"})}), **DISTRIBUTED}
    states = {"S": passing(Assign={"x": 1}, Next="M"), "M": {"Type": "Map", "ItemProcessor": child, "End": True}}
    assert said(states) == ["'I' reads $x, which the children of the distributed Map 'M' cannot see."]
    assert said({"A": passing(Parameters={"a.$": "$x"})}) == ["'A' reads $x, but no state assigns it."]
    late = {"A": passing(Parameters={"a.$": "$x"}, Next="B"), "B": passing(Assign={"x": 1})}
    assert said(late) == ["'A' reads $x, but no state on the way there assigns it."]


@pytest.mark.parametrize("field", ["ItemReader", "ItemBatcher", "ResultWriter"])
def test_a_map_that_does_not_say_distributed_reads_nothing(field):
    resource = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b"}}
    holder = {"MaxItemsPerBatch": 2} if field == "ItemBatcher" else resource
    inline = over_items({"I": passing()}, **{field: holder})
    assert findings({"M": inline}, "NOT_DISTRIBUTED") == [f"/States/M/{field}"]
    distributed = {**inline, "ItemProcessor": {**inline["ItemProcessor"], **DISTRIBUTED}}
    assert findings({"M": distributed}, "NOT_DISTRIBUTED") == []
    assert findings({"M": over_items({"I": passing()}, ToleratedFailureCount=1)}, "NOT_DISTRIBUTED") == []
