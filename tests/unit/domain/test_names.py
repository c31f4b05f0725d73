import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from opsctl.domain.names import (
    EXECUTION_NAME_LIMIT,
    JOB_PREFIX_LIMIT,
    SLUG_LIMIT,
    check_execution_name,
    job_prefix,
    rerun_name,
    skip_key,
    slug,
)
from opsctl.errors import UsageError

SAGEMAKER_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
EXECUTION_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=80)


def test_a_step_has_one_slug_and_one_skip_key():
    assert slug("Train Text Model") == "train-text-model"
    assert skip_key("Train Text Model") == skip_key("train-text-model") == "train_text_model"
    assert slug("Fetch Preprocessed Data") == "fetch-preprocessed-data"


@given(EXECUTION_NAMES)
@example("-")
@example("_" * 80)
@example("ends-with-a-hyphen-")
def test_every_job_of_every_execution_has_a_name_that_sagemaker_takes(name):
    job = f"{job_prefix(name)}-{'s' * SLUG_LIMIT}-d99r99"
    assert SAGEMAKER_NAME.fullmatch(job)
    assert len(job) <= 63


def test_a_name_that_fits_is_the_job_prefix_itself():
    assert job_prefix("nightly-7") == "nightly-7"
    assert job_prefix("a" * JOB_PREFIX_LIMIT) == "a" * JOB_PREFIX_LIMIT


def test_names_that_do_not_fit_stay_apart():
    rule_names = [f"2d0c1a4e-7f6b-4f6e-9d5c-0123456789ab_{n:036d}" for n in range(200)]
    prefixes = {job_prefix(name) for name in rule_names}
    assert len(prefixes) == len(rule_names)
    assert all(prefix.startswith("2d0c1a4e-7f6b-4-") for prefix in prefixes)
    assert job_prefix("a_b") != job_prefix("a.b")


@given(EXECUTION_NAMES, st.integers(1, 10**6))
def test_a_rerun_has_a_name_of_ours(root, number):
    name = rerun_name(root, number)
    check_execution_name(name)
    assert name.endswith(f"-r{number}")
    assert len(name) <= EXECUTION_NAME_LIMIT


def test_a_rerun_keeps_its_roots_name_where_it_fits():
    assert rerun_name("nightly-7", 2) == "nightly-7-r2"
    assert rerun_name("r" * 36 + "a", 1) != rerun_name("r" * 36 + "b", 1)


@pytest.mark.parametrize("name", ["a", "nightly-7", "A1-b2", "x" * 40])
def test_good_execution_names_pass(name):
    check_execution_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a.b", "ä", "x" * 41, "a\n", "a b"])
def test_bad_execution_names_are_refused_with_the_rule(name):
    with pytest.raises(UsageError) as caught:
        check_execution_name(name)
    assert caught.value.message == f"{name!r} cannot be a run's name"
    assert caught.value.hint == "use 1 to 40 letters, digits and hyphens, with a letter or digit at both ends"
