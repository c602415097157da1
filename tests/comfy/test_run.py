"""POST /run: the result in the answer, or sent to a webhook."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from workflows import changed, picture, through


def test_result_is_the_answer(site):
    told = site.post("/run", {"prompt": picture()}).json()
    assert told["status"] == "completed"
    assert told["outputs"]["2"]["images"][0]["type"] == "temp"
    assert told["prompt_id"] in site.http.get("/history").json()
    assert "run" in told["timings"]


def test_result_is_the_answer_to_more_clients_than_are_remembered(site, monkeypatch):
    monkeypatch.setattr("bridge.comfy.hub.ABSENT_CLIENTS", 1)
    nodes = {str(number): picture()["1"] for number in range(10, 110)}  # so many are read on a thread
    with ThreadPoolExecutor(16) as threads:
        bodies = [
            {"prompt": picture() | nodes, "client_id": f"many-{number}", "timeout_s": 20}
            for number in range(32)
        ]
        answers = list(threads.map(lambda body: site.post("/run", body), bodies))
    assert {answer.json()["status"] for answer in answers if answer.status_code == 200} == {"completed"}
    assert {answer.status_code for answer in answers} == {200}


def test_failure_is_the_answer(site):
    workflow = through("Fail", images=["3", 0], text="") | {"3": picture()["1"]}
    told = site.post("/run", {"prompt": workflow}).json()
    assert told["status"] == "failed"
    assert told["problems"][0]["node_id"] == "1"


def test_what_cannot_run_is_refused_as_by_prompt(site):
    told = site.post("/run", {"prompt": changed(width=0)})
    assert told.status_code == 400
    assert told.json()["node_errors"]["1"]["errors"][0]["type"] == "value_smaller_than_min"


def test_time_that_is_over_is_told_and_the_job_goes_on(site):
    told = site.post("/run", {"prompt": through("Forever"), "timeout_s": 0.05})
    assert (told.status_code, told.json()["code"]) == (504, "still_running")
    assert site.http.get("/queue").json()["queue_running"][0][1] == told.json()["prompt_id"]


@pytest.mark.parametrize("timeout_s", [0, -1, "1", 1e9])
def test_time_that_cannot_be_waited_is_told(site, timeout_s):
    told = site.post("/run", {"prompt": picture(), "timeout_s": timeout_s})
    assert (told.status_code, told.json()["code"]) == (400, "bad_value")


def test_webhook_gets_the_result_and_the_answer_comes_at_once(site, hook):
    told = site.post("/run", {"prompt": picture(), "webhook": hook.url})
    assert told.status_code == 202
    path, kind, result = hook.got.get(timeout=60)
    assert (path, kind) == ("/done?key=1", "application/json")
    assert (result["prompt_id"], result["status"]) == (told.json()["prompt_id"], "completed")
    assert result["outputs"]["2"]


def test_webhook_elsewhere_is_refused_before_anything_runs(site):
    told = site.post("/run", {"prompt": picture(), "webhook": "http://example.org/"})
    assert (told.status_code, told.json()["code"]) == (400, "webhook_refused")
    assert site.http.get("/prompt").json()["exec_info"]["queue_remaining"] == 0


def test_webhook_that_answers_nothing_is_given_up_and_the_job_is_done(site, hook, caplog, monkeypatch):
    hook.statuses = [500]
    monkeypatch.setattr("bridge.comfy.webhook.PAUSES_S", ())
    job = site.post("/run", {"prompt": picture(), "webhook": hook.url, "timeout_s": 30}).json()["prompt_id"]
    assert site.finished(job)["status"]["completed"]
    hook.got.get(timeout=60)


def test_webhook_is_called_however_long_the_job_takes(site, hook):
    body = {"prompt": through("Forever"), "webhook": hook.url, "timeout_s": 0.05}
    job = site.post("/run", body).json()["prompt_id"]
    site.eventually(lambda: site.http.get("/queue").json()["queue_running"])
    time.sleep(0.1)
    assert hook.got.empty()
    site.post("/interrupt")
    _, _, result = hook.got.get(timeout=60)
    assert (result["prompt_id"], result["status"]) == (job, "cancelled")


def test_reason_why_a_webhook_was_not_called_is_logged(site, hook, caplog):
    caplog.set_level("WARNING")
    hook.statuses = [500]
    job = site.post("/run", {"prompt": picture(), "webhook": hook.url}).json()["prompt_id"]
    reason = f"the webhook of job {job} was not called: the webhook on 127.0.0.1 did not take the result: "
    site.eventually(lambda: reason + "it answered 500" in caplog.text)
