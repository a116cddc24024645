"""Holds the drivers' unified suites to the list of expected failures.

A pytest plugin. A test that is not listed must pass or be skipped by its own requirements; a listed test
must fail. A listed test that passes, or that no longer exists, fails the run: the list only shrinks.
"""

import os
import pathlib

import pytest

LIST = pathlib.Path(__file__).with_name("expected_failures.txt")


def name_of(item):
    """`test_file::Class::test` without the folders before it."""
    return item.nodeid.rsplit("/", 1)[-1]


def expected():
    """Names and reasons. A line is a name, a tab, and a reason; `#` begins a comment."""
    found = {}
    for number, line in enumerate(LIST.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, _, reason = line.partition("\t")
        if not reason.strip():
            raise pytest.UsageError(f"{LIST.name}:{number}: a reason is missing")
        found[name] = reason.strip()
    return found


def pytest_collection_modifyitems(config, items):
    listed = expected()
    for item in items:
        reason = listed.pop(name_of(item), None)
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
    if listed and not os.environ.get("PORTOLAN_UNIFIED_PART"):
        raise pytest.UsageError(f"listed, but no such tests: {', '.join(sorted(listed))}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and name_of(item) in expected():
        report.outcome = "failed"
        report.longrepr = f"{name_of(item)} is listed as an expected failure, but was skipped"
    return report
