"""What cases that archive something share: waiting, and an archive that is made and paused."""

import time

import pytest


def wait_for(what, condition, seconds=90):
    """Polls until the condition gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.5)
    pytest.fail(f"{what} did not happen within {seconds} s")


def create_archive(api, archives, rule):
    """An online archive: its path in the API."""
    status, archive = api.call("POST", archives, rule)
    assert status == 200, archive
    return f"{archives}/{archive['_id']}"


def pause(api, path):
    """Pauses an archive, and waits until it is."""

    def paused():
        status, _ = api.call("PATCH", path, {"paused": True})
        return status == 200 and api.call("GET", path)[1]["state"] == "PAUSED"

    wait_for("the pause", paused)
