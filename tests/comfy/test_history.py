"""The history: what ended jobs left behind, oldest first."""

import pytest
from workflows import picture, through


def test_entry_has_comfyuis_form(site, listener):
    workflow = picture()
    job = site.prompt(workflow, client_id=listener.client_id)["prompt_id"]
    listener.until_over(job)
    entry = site.http.get(f"/history/{job}").json()[job]  # at the last word it is there
    assert entry["prompt"][1:3] == [job, workflow]
    assert entry["prompt"][4] == ["2"]
    [shown] = entry["outputs"]["2"]["images"]
    assert set(shown) == {"filename", "subfolder", "type"}
    status = entry["status"]
    assert (status["status_str"], status["completed"]) == ("success", True)
    assert [kind for kind, _ in status["messages"]] == [
        *("execution_start", "execution_cached", "execution_success")
    ]
    assert all(data["prompt_id"] == job for _, data in status["messages"])
    meta = {"node_id": "2", "display_node": "2", "parent_node": None, "real_node_id": "2"}
    assert entry["meta"] == {"2": meta}


def test_failed_job_keeps_its_error(site):
    job = site.prompt(through("Fail", images=["3", 0], text="") | {"3": picture()["1"]})["prompt_id"]
    status = site.finished(job)["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    kind, data = status["messages"][-1]
    assert (kind, data["node_id"], data["exception_type"]) == ("execution_error", "1", "RuntimeError")


def test_job_that_failed_or_was_cancelled_keeps_what_it_had_shown(site):
    for last in (
        {"class_type": "Forever", "inputs": {}},
        {"class_type": "Fail", "inputs": {"images": ["1", 0], "text": ""}},
    ):
        workflow = picture() | {
            "3": last,
            "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
        }
        listener = site.listen("shown")
        job = site.prompt(workflow, client_id=listener.client_id)["prompt_id"]
        listener.until("executed")
        site.http.post("/interrupt")
        entry = site.finished(job)
        assert entry["status"]["status_str"] == "error"
        assert list(entry["outputs"]) == list(entry["meta"]) == ["2"]
        assert site.http.get(f"/api/jobs/{job}").json()["outputs_count"] == 1


def test_pages(site):
    site.post("/history", {"clear": True})
    jobs = [site.prompt(picture())["prompt_id"] for _ in range(4)]
    site.finished(jobs[-1])
    assert list(site.http.get("/history").json()) == jobs
    assert list(site.http.get("/history?max_items=2").json()) == jobs[2:]
    assert list(site.http.get("/history?max_items=2&offset=1").json()) == jobs[1:3]
    assert list(site.http.get("/api/history?offset=3").json()) == jobs[3:]


def test_large_jobs_make_shorter_pages(site, monkeypatch):
    site.post("/history", {"clear": True})
    jobs = [site.prompt(picture())["prompt_id"] for _ in range(3)]
    site.finished(jobs[-1])
    monkeypatch.setattr("bridge.jobs.history.PAGE_CHARACTERS", 1)
    assert list(site.http.get("/history").json()) == jobs[2:]
    assert list(site.http.get("/history?offset=1").json()) == jobs[1:2]


def test_unknown_or_unfinished_job_is_nothing(site):
    job = site.prompt(through("Forever"))["prompt_id"]
    assert site.http.get(f"/history/{job}").json() == {}
    assert site.http.get("/history/nope").json() == {}


def test_jobs_are_forgotten_by_name_and_all(site):
    jobs = [site.prompt(picture())["prompt_id"] for _ in range(3)]
    site.finished(jobs[-1])
    assert site.post("/history", {"delete": [jobs[0], 5]}).status_code == 200
    assert list(site.http.get("/history").json())[-2:] == jobs[1:]
    site.post("/history", {"clear": True})
    assert site.http.get("/history").json() == {}


@pytest.mark.parametrize("query", ["max_items=x", "offset=1.5"])
def test_number_that_is_none_is_told(site, query):
    told = site.http.get(f"/history?{query}")
    assert (told.status_code, told.json()["code"]) == (400, "bad_value")
    assert told.json()["hint"]


def test_history_is_not_kept_by_browsers(site):
    for path in ("/history", "/queue", "/jobs", "/prompt"):
        assert site.http.get(path).headers["cache-control"] == "no-store"
