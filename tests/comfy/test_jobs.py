"""The newer list of jobs in any state, and cancelling by id."""

import pytest
from workflows import picture, through


def listed(site, query=""):
    answer = site.http.get(f"/api/jobs{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def three(site):
    """A job that has ended, one that runs and one that waits; nothing else."""
    site.post("/history", {"clear": True})
    done = site.prompt(picture(), extra_data={"extra_pnginfo": {"workflow": {"id": "w1"}}})["prompt_id"]
    site.finished(done)
    run = site.prompt(through("Forever"))["prompt_id"]
    wait = site.prompt(picture())["prompt_id"]
    site.eventually(lambda: site.http.get("/queue").json()["queue_running"])
    return done, run, wait


def test_jobs_of_all_states_are_listed_newest_first(site, three):
    told = listed(site)
    assert [job["id"] for job in told["jobs"]] == [*reversed(three)]
    assert [job["status"] for job in told["jobs"]] == ["pending", "in_progress", "completed"]
    assert told["pagination"] == {"offset": 0, "limit": 3, "total": 3, "has_more": False}


def test_all_jobs_are_listed_however_large(site, monkeypatch):
    monkeypatch.setattr("bridge.jobs.history.PAGE_CHARACTERS", 1)
    site.post("/history", {"clear": True})
    jobs = [site.prompt(picture())["prompt_id"] for _ in range(3)]
    site.finished(jobs[-1])
    assert {job["id"] for job in listed(site)["jobs"]} == set(jobs)


def test_summary_of_an_ended_job(site, three):
    [job] = listed(site, "?status=completed")["jobs"]
    assert job["outputs_count"] == 1
    assert job["workflow_id"] == "w1"
    assert job["preview_output"]["nodeId"] == "2"
    assert job["preview_output"]["mediaType"] == "images"
    assert job["create_time"] <= job["execution_start_time"] <= job["execution_end_time"]


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ("?status=pending,in_progress", [2, 1]),
        ("?workflow_id=w1", [0]),
        ("?sort_order=asc", [0, 1, 2]),
        ("?limit=1&offset=1", [1]),
        ("?status=failed", []),
    ],
)
def test_list_is_filtered_and_paged(site, three, query, which):
    assert [job["id"] for job in listed(site, query)["jobs"]] == [three[place] for place in which]


def test_jobs_are_sorted_by_how_long_they_took(site):
    site.post("/history", {"clear": True})
    slow, quick = (
        site.prompt(through("Steps", count=1, seconds=seconds))["prompt_id"] for seconds in (0.1, 0.0)
    )
    site.finished(quick)
    ids = [job["id"] for job in listed(site, "?sort_by=execution_duration")["jobs"]]
    assert ids == [slow, quick]


def test_there_is_more_beyond_the_page(site, three):
    assert listed(site, "?limit=2")["pagination"] == {"offset": 0, "limit": 2, "total": 3, "has_more": True}


@pytest.mark.parametrize(
    "query", ["?status=gone", "?limit=0", "?limit=x", "?offset=-1", "?sort_by=size", "?sort_order=up"]
)
def test_question_that_makes_no_sense_is_told(site, query):
    told = site.http.get(f"/api/jobs{query}")
    assert (told.status_code, told.json()["code"]) == (400, "bad_value")
    assert told.json()["hint"]


def test_one_job_is_shown_with_its_workflow_and_outputs(site, three):
    job = site.http.get(f"/api/jobs/{three[0]}").json()
    assert job["workflow"]["prompt"]["2"]["class_type"] == "PreviewImage"
    assert job["workflow"]["extra_data"]["extra_pnginfo"] == {"workflow": {"id": "w1"}}
    assert job["outputs"]["2"]["images"]
    assert site.http.get(f"/api/jobs/{three[2]}").json()["status"] == "pending"


def test_failed_job_says_why(site):
    job = site.prompt(through("Fail", images=["3", 0], text="") | {"3": picture()["1"]})["prompt_id"]
    site.finished(job)
    told = site.http.get(f"/jobs/{job}").json()
    assert told["status"] == "failed"
    assert told["execution_error"]["exception_message"] == "Intentional"


def test_unknown_job_is_not_found(site):
    told = site.http.get("/api/jobs/unknown")
    assert (told.status_code, told.json()["code"]) == (404, "job_not_found")


def test_cancelling_is_by_id_and_twice_is_once(site, three):
    _, run, wait = three
    assert site.post(f"/api/jobs/{wait}/cancel").json() == {"cancelled": True}
    assert site.post(f"/api/jobs/{wait}/cancel").json() == {"cancelled": False}
    assert site.post(f"/api/jobs/{run}/cancel").json() == {"cancelled": True}
    assert site.post("/api/jobs/unknown/cancel").json() == {"cancelled": False}
    site.finished(run)
    assert {job["status"] for job in listed(site, "?status=cancelled")["jobs"]} == {"cancelled"}


def test_job_that_was_cancelled_before_it_began_is_not_listed(site, three):
    done, run, wait = three
    site.post("/queue", {"clear": True})
    site.post("/interrupt")
    site.finished(run)
    assert [job["id"] for job in listed(site)["jobs"]] == [run, done]
    assert site.http.get(f"/api/jobs/{wait}").json()["status"] == "cancelled"


def test_several_are_cancelled_at_once(site, three):
    done, run, wait = three
    told = site.post("/api/jobs/cancel", {"job_ids": [done, run, wait]}).json()
    assert told == {"cancelled": True, "job_ids": [run, wait]}


@pytest.mark.parametrize("body", [{}, {"job_ids": "x"}, {"job_ids": [1]}])
def test_ids_that_are_none_are_told(site, body):
    assert site.post("/api/jobs/cancel", body).status_code == 400
