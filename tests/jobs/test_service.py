"""Jobs through a real worker process."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from fake_client import ECHO, SHOW, WAIT, Client, frame_of, steps, workflow_of

from bridge import __version__
from bridge.errors import BridgeError, WorkflowError
from bridge.jobs import StoreSettings
from bridge.jobs.journal import Journal
from bridge.protocol import (
    Finished,
    Preview,
    Progress,
    Result,
    Started,
    State,
    Submit,
)

# ---- jobs ----------------------------------------------------------------------------------------


async def test_a_job_is_accepted_started_and_done(client):
    accepted = await client.service.submit("session", Submit("r1", workflow_of(**SHOW)))
    assert (accepted.request, accepted.position, accepted.warnings) == ("r1", 0, ())
    finished = await client.finished(accepted.job)
    assert (finished.state, finished.outputs) == ("done", {"2": {"values": [3]}})
    assert {"queue", "run"} <= set(finished.timings)
    assert client.of(Started, job=accepted.job)


async def test_values_replace_inputs(client):
    job = await client.submit(values={"1.value": 8}, **SHOW)
    assert (await client.finished(job)).outputs == {"2": {"values": [8]}}


async def test_a_preset_becomes_a_workflow(service_of):
    def presets(name, values):
        return workflow_of(n1=("Constant", {"value": values["number"]}), n2=("Show", {"value": ["1", 0]}))

    client = Client(await service_of(presets=presets), "session")
    accepted = await client.service.submit("session", Submit("r", preset="any", values={"number": 5}))
    assert (await client.finished(accepted.job)).outputs == {"2": {"values": [5]}}


async def test_an_unknown_preset_is_refused(client):
    with pytest.raises(BridgeError) as caught:
        await client.service.submit("session", Submit("r", preset="nothing"))
    assert caught.value.code == "unknown_preset"


async def test_a_faulty_workflow_is_refused_with_every_fault(client):
    with pytest.raises(WorkflowError) as caught:
        await client.submit(n1=("Nonsense", {}), n2=("Show", {"value": ["1", 0]}), n3=("Show", {}))
    assert {problem.code for problem in caught.value.problems} >= {"unknown_node"}
    assert len(caught.value.problems) == 2


async def test_valid_outputs_run_and_the_faults_of_others_are_warnings(client):
    workflow = workflow_of(**SHOW, n3=("Show", {}))
    accepted = await client.service.submit("session", Submit("r", workflow))
    assert [warning.node_id for warning in accepted.warnings] == ["3"]
    assert all(warning.is_warning for warning in accepted.warnings)
    assert (await client.finished(accepted.job)).outputs == {"2": {"values": [3]}}


async def test_a_failed_job_says_why_and_the_next_one_runs(client):
    bad = await client.submit(n1=("Fail", {"how": "ours"}), n2=("Show", {"value": ["1", 0]}))
    good = await client.submit(**SHOW)
    finished = await client.finished(bad)
    assert (finished.state, finished.problems[0].code, finished.problems[0].node_id) == (
        "failed",
        "bad_input",
        "1",
    )
    assert (await client.finished(good)).state == "done"


async def test_a_picture_keeps_the_workflow_as_it_was_submitted(client):
    nodes = {"n1": ("Hidden", {}), "n2": ("Show", {"value": ["1", 0]}), "n3": ("Constant", {"surplus": 1})}
    job = await client.submit(**nodes)
    assert (await client.finished(job)).outputs["2"]["values"][0]["prompt"] == ["1", "2", "3"]


async def test_jobs_run_one_after_the_other_in_order(client):
    jobs = [await client.submit(**steps(3, 0, label=str(index))) for index in range(5)]
    await client.finished(jobs[-1])
    assert [message.job for message in client.of(Started)] == jobs
    assert [message.job for message in client.of(Finished)] == jobs


async def test_a_job_is_told_how_many_are_ahead(client):
    await client.submit(**WAIT)
    await client.until(Progress)
    positions = [
        (await client.service.submit("session", Submit("r", workflow_of(**SHOW)))).position for _ in "ab"
    ]
    assert positions == [1, 2]


async def test_a_session_may_not_flood_the_queue_but_others_still_may_submit(client, service, monkeypatch):
    monkeypatch.setattr("bridge.jobs.queue.MAX_WAITING", 3)
    await client.submit(**WAIT)
    await client.until(Progress)
    for _ in range(3):
        await client.submit(**SHOW)
    with pytest.raises(BridgeError) as caught:
        await client.submit(**SHOW)
    assert caught.value.code == "queue_full"
    await Client(service, "other").submit(**SHOW)


@pytest.mark.parametrize(
    ("limit", "value", "job"),
    [
        ("MAX_WAITING_IN_ALL", 1, SHOW),
        ("MAX_WAITING_BYTES", 2000, ECHO | {"frame": frame_of(1, side=32)}),
        ("MAX_WAITING_BYTES", 2000, {"n1": ("Show", {"value": "v" * 2000})}),
    ],
)
async def test_sessions_together_may_not_fill_the_memory_with_waiting_jobs(
    client, service, monkeypatch, limit, value, job
):
    monkeypatch.setattr(f"bridge.jobs.queue.{limit}", value)
    await client.submit(**WAIT)
    await client.until(Progress)
    await client.submit(**job)
    with pytest.raises(BridgeError) as caught:
        await Client(service, "other").submit(**SHOW)
    assert caught.value.code == "queue_full"


async def test_a_job_that_hands_back_too_much_fails_and_the_next_one_runs(client, monkeypatch):
    monkeypatch.setattr("bridge.jobs.queued.MAX_RESULT_BYTES", 40)
    job = await client.submit(frame=frame_of(1), **ECHO)
    finished = await client.finished(job)
    assert (finished.state, finished.problems[0].code) == ("failed", "too_much_output")
    assert not client.of(Result)
    assert (await client.finished(await client.submit(**SHOW))).state == "done"


async def test_a_session_may_not_open_streams_without_end(client):
    for number in range(8):
        await client.set_stream(f"view{number}", **ECHO)
    with pytest.raises(BridgeError) as caught:
        await client.set_stream("one too many", **ECHO)
    assert caught.value.code == "too_many_streams"
    await client.set_stream("view0", **SHOW)


async def test_a_submission_that_was_overtaken_while_it_was_prepared_is_refused_too(client, monkeypatch):
    monkeypatch.setattr("bridge.jobs.queue.MAX_WAITING", 4)
    await client.submit(**WAIT)
    await client.until(Progress)
    outcomes = await asyncio.gather(*(client.submit(**SHOW) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(outcome, BridgeError) for outcome in outcomes) == 6


async def test_previews_come_to_those_who_want_them(client):
    accepted = await client.service.submit(
        "session", Submit("r", workflow_of(**steps(2, 0)), wants_preview=True)
    )
    await client.finished(accepted.job)
    assert len(client.of(Preview, job=accepted.job)) == 2


# ---- records -------------------------------------------------------------------------------------


async def test_jobs_are_listed_as_they_run_and_found_in_any_state(client, service):
    before = time.time()
    done = await client.submit(**SHOW)
    await client.finished(done)
    running = await client.submit(**WAIT)
    await client.until(Progress)
    waiting = await client.submit(**SHOW)
    submit = Submit("r", workflow_of(**SHOW), front=True, extra={"workflow": {"nodes": []}})
    first = (await service.submit("other", submit)).job
    assert [(job.id, job.state) for job in service.jobs()] == [
        (running, "running"),
        (first, "waiting"),
        (waiting, "waiting"),
    ]
    record = service.record(first)
    assert (record.session, record.number, record.outputs) == ("other", -4, ("2",))
    assert (record.prompt, record.extra) == (workflow_of(**SHOW), {"workflow": {"nodes": []}})
    assert (record.began_at, record.ended_at, record.attempts) == (0, 0, 0)
    record = service.record(done)
    assert (record.state, record.shown, record.attempts) == ("done", {"2": {"values": [3]}}, 1)
    assert before <= record.queued_at <= record.began_at <= record.ended_at <= time.time()
    assert record.timings == client.of(Finished, job=done)[0].timings
    assert service.record("no such job") is None


async def test_history_lists_what_has_ended(client, service):
    other = Client(service, "comfy:other")
    jobs = []
    for asker in (client, other, client):
        jobs.append(await asker.submit(**SHOW))
        await asker.finished(jobs[-1])
    assert [record.id for record in service.history.page(9)] == jobs
    assert [record.id for record in service.history.page(1, 1, newest_first=True)] == [jobs[1]]
    assert [record.id for record in service.history.page(9, session_prefix="comfy:")] == [jobs[1]]
    assert (service.history.size(), service.history.size("comfy:")) == (3, 1)
    await service.forget({jobs[1], jobs[2]})
    assert [record.id for record in service.history.page(9)] == [jobs[0]]
    with pytest.raises(BridgeError, match="there is no job"):
        await service.attach("session", jobs[2])


async def test_large_answers_about_the_history_are_made_one_at_a_time(service):
    at_work, most = [], []

    def read(history):
        at_work.append(history)
        most.append(len(at_work))
        time.sleep(0.01)
        at_work.pop()
        return history.size()

    assert await asyncio.gather(*(service.read_history(read) for _ in range(3))) == [0, 0, 0]
    assert most == [1, 1, 1]


async def test_a_client_may_name_its_job_but_not_like_another(client, service):
    submit = Submit("r", workflow_of(**WAIT))
    assert (await service.submit("session", submit, job_id="mine")).job == "mine"
    with pytest.raises(BridgeError) as caught:
        await service.submit("session", submit, job_id="mine")
    assert caught.value.code == "job_exists"
    await service.cancel("session", "mine")
    await client.finished("mine")
    with pytest.raises(BridgeError):
        await service.submit("other", submit, job_id="mine")


async def test_whoever_may_see_all_jobs_may_cancel_them(client, service):
    running, waiting = await client.submit(**WAIT), await client.submit(**SHOW)
    assert await service.cancel("", waiting)
    assert await service.cancel("", running)
    assert (await client.finished(running)).state == "cancelled"
    assert not await service.cancel("", running)


# ---- cancellation --------------------------------------------------------------------------------


async def test_a_waiting_job_is_cancelled_at_once_and_never_begins(client):
    running = await client.submit(**WAIT)
    waiting = await client.submit(**SHOW)
    assert await client.service.cancel("session", waiting)
    assert client.of(Finished, job=waiting, state="cancelled")
    assert await client.service.cancel("session", running)
    await client.finished(running)
    assert not client.of(Started, job=waiting)


async def test_a_job_is_cancelled_within_one_step(client):
    job = await client.submit(**steps(count=1000, seconds=0.02))
    await client.until(Progress, 3)
    assert await client.service.cancel("session", job)
    assert await client.service.cancel("session", job)
    done = len(client.of(Progress))
    finished = await client.finished(job)
    assert (finished.state, finished.problems) == ("cancelled", ())
    assert len(client.of(Progress)) == done


@pytest.mark.parametrize("nodes", [WAIT, steps(1000, 0.005)], ids=["waiting", "sampling"])
async def test_after_a_cancellation_the_worker_is_free_at_once(client, nodes):
    job = await client.submit(**nodes)
    await client.until(Progress)
    await client.service.cancel("session", job)
    assert (await client.finished(await client.submit(**SHOW))).state == "done"


async def test_a_finished_job_cannot_be_cancelled(client):
    job = await client.submit(**SHOW)
    await client.finished(job)
    assert not await client.service.cancel("session", job)


async def test_a_job_cancelled_as_the_worker_dies_is_cancelled(client, service):
    job = await client.submit(n1=("Hang", {}), n2=("Show", {"value": ["1", 0]}))
    await client.until(Progress)
    await service.cancel("session", job)
    os.kill(service.status()["worker_pid"], signal.SIGKILL)
    assert (await client.finished(job)).state == "cancelled"


# ---- sessions ------------------------------------------------------------------------------------


async def test_a_job_goes_on_without_its_client_whose_results_wait(client, service):
    job = await client.submit(n1=("Steps", {"count": 3, "seconds": 0.01}), n2=("Echo", {"value": ["1", 0]}))
    service.disconnect("session")
    client.messages.clear()
    other = Client(service, "other")
    await other.finished(await other.submit(**SHOW))
    assert not client.messages
    client.connect()
    kinds = [type(message) for message in client.messages]
    assert kinds == [Result, Finished]
    assert all(message.job == job for message in client.messages)
    client.messages.clear()
    client.connect()
    assert not client.messages


async def test_a_finished_job_can_be_fetched_again(client, service):
    job = await client.submit(frame=frame_of(1, value=9), **ECHO)
    await client.finished(job)
    first = list(client.of(Result, job=job)) + list(client.of(Finished, job=job))
    client.messages.clear()
    await service.attach("session", job)
    again = [message for message in client.messages if not isinstance(message, State)]
    assert again == first
    assert bytes(again[0].planes[0].data) == bytes([9]) * 48


async def test_results_of_anybodys_job_can_be_looked_at_but_not_by_another_session(client, service):
    job = await client.submit(frame=frame_of(1, value=9), **ECHO)
    await client.finished(job)
    (result,) = await service.results("", job)
    assert bytes(result.planes[0].data) == bytes([9]) * 48
    with pytest.raises(BridgeError) as caught:
        await service.results("other", job)
    assert caught.value.code == "job_not_found"


async def test_a_running_job_can_be_attached_to(client, service):
    nodes = {"n1": ("Echo", {}), "n2": ("Wait", {"gate": "never"}), "n3": ("Show", {"value": ["2", 0]})}
    job = await client.submit(frame=frame_of(1), **nodes)
    await client.until(Result)
    await service.attach("session", job)
    assert len(client.of(Result, job=job)) == 2


@pytest.mark.parametrize("nodes", [WAIT, SHOW], ids=["running", "ended"])
async def test_a_job_that_is_submitted_again_under_its_name_is_one_job(client, service, nodes, monkeypatch):
    submit = Submit("r1", workflow_of(**nodes), job="aB-1")
    accept, is_writing = Journal.accept, asyncio.Event()

    async def slow_accept(journal, job):
        is_writing.set()
        await asyncio.sleep(0.05)
        return await accept(journal, job)

    monkeypatch.setattr(Journal, "accept", slow_accept)
    first = asyncio.ensure_future(service.submit("session", submit))
    await is_writing.wait()
    first.cancel()  # its connection broke while the job was written down
    answers = [await service.submit("session", submit)]
    await client.until(Finished if nodes is SHOW else Progress, job="aB-1")
    answers += [await service.submit("session", submit)]
    assert [(answer.request, answer.job) for answer in answers] == [("r1", "aB-1")] * 2
    assert len([*service.jobs(), *service.history.page(10)]) == 1


async def test_the_name_of_somebody_elses_job_is_taken(client, service):
    job = await client.submit(**WAIT)
    with pytest.raises(BridgeError) as caught:
        await service.submit("other", Submit("r1", workflow_of(**SHOW), job=job))
    assert caught.value.code == "job_exists"


async def test_jobs_of_others_do_not_exist(client, service):
    done = await client.submit(**SHOW)
    await client.finished(done)
    running, waiting = await client.submit(**WAIT), await client.submit(**SHOW)
    await client.until(Progress, job=running)
    for job in (done, running, waiting, "no such job"):
        for ask in (service.attach, service.cancel):
            with pytest.raises(BridgeError) as caught:
                await ask("other", job)
            assert caught.value.code == "job_not_found"


async def test_everyone_is_told_the_state(client, service):
    other = Client(service, "other")
    job = await client.submit(**steps(2, 0))
    await client.finished(job)
    await other.until(State, worker="busy", device="fake")
    await other.until(State, worker="ready", queue_remaining=0, count=2)
    assert other.of(State)[-1] == service.state == State("ready", "", "fake", 0)
    assert max(message.queue_remaining for message in other.of(State)) == 1


async def test_status_has_the_details(client, service):
    await service.definitions()
    await client.state("ready")
    status = service.status()
    assert status["worker"] == "ready"
    assert status["environment"]["device"] == "fake"
    assert psutil.pid_exists(status["worker_pid"])
    json.dumps(status)


# ---- the worker's deaths -------------------------------------------------------------------------


async def test_jobs_survive_the_death_of_the_worker(client, service):
    running = await client.submit(**steps(20, 0.02))
    waiting = [await client.submit(**SHOW) for _ in range(3)]
    await client.until(Progress)
    os.kill(service.status()["worker_pid"], signal.SIGKILL)
    state = await client.until(State, worker="restarting")
    assert "SIGKILL" in state.detail
    for job in (running, *waiting):
        assert (await client.finished(job)).state == "done"
    assert len(client.of(Started, job=running)) == 2
    assert [message.job for message in client.of(Finished)] == [running, *waiting]


async def test_results_of_a_run_that_is_repeated_are_kept_once(client, service, tmp_path):
    marker = str(tmp_path / "marker")
    nodes = {
        "n1": ("Echo", {}),
        "n2": ("AbortOnce", {"marker": marker, "value": ["3", 0]}),
        "n3": ("Steps", {"count": 1}),
    }
    job = await client.submit(**nodes, n4=("Show", {"value": ["2", 0]}), frame=frame_of(1))
    assert (await client.finished(job)).state == "done"
    client.messages.clear()
    await service.attach("session", job)
    assert len(client.of(Result)) == 1


async def test_a_job_that_kills_the_worker_fails_after_three_attempts_and_the_next_one_runs(client):
    poison = await client.submit(n1=("Abort", {}))
    good = await client.submit(**SHOW)
    finished = await client.finished(poison)
    assert (finished.state, finished.problems[0].code) == ("failed", "worker_crashed")
    assert "SIGABRT" in finished.problems[0].message
    assert (await client.finished(good)).state == "done"


async def test_a_hung_run_is_killed_and_given_up(service_of):
    client = Client(await service_of(hang_timeout_s=0.4), "session")
    job = await client.submit(n1=("Hang", {}), n2=("Show", {"value": ["1", 0]}))
    finished = await client.finished(job)
    assert finished.problems[0].code == "job_hung"
    assert "did nothing for 0.4 s" in finished.problems[0].message
    assert (await client.finished(await client.submit(**SHOW))).state == "done"


async def test_a_run_that_does_not_stop_is_killed(service_of):
    client = Client(await service_of(cancel_timeout_s=0.2), "session")
    job = await client.submit(n1=("Hang", {}), n2=("Show", {"value": ["1", 0]}))
    await client.until(Progress)
    await client.service.cancel("session", job)
    assert (await client.finished(job)).state == "cancelled"
    assert (await client.finished(await client.submit(**SHOW))).state == "done"


async def test_a_run_that_shows_life_is_not_taken_for_hung(service_of):
    client = Client(await service_of(hang_timeout_s=0.4), "session")
    job = await client.submit(**steps(count=10, seconds=0.1))
    assert (await client.finished(job)).state == "done"
    assert len(client.of(Started)) == 1


async def test_an_innocent_job_does_not_fail_because_of_a_poisonous_stream(client, service):
    artist = Client(service, "artist")
    job = await client.submit(**steps(60, 0.02))
    await client.until(Progress)
    await artist.set_stream(n1=("Abort", {}))
    for number in range(5):
        artist.push(frame_of(number))
    last_word = await artist.until(Finished)
    assert (last_word.state, last_word.problems[0].code) == ("failed", "worker_crashed")
    assert (await client.finished(job)).state == "done"
    with pytest.raises(BridgeError) as caught:
        artist.push(frame_of(9))
    assert caught.value.code == "worker_crashed"
    await artist.set_stream(**ECHO)
    assert (await artist.until(Finished, 2)).frame == 9


async def test_a_frame_is_tried_again_after_the_worker_died(client, service, tmp_path):
    await client.set_stream(
        n1=("AbortOnce", {"marker": str(tmp_path / "marker")}), n2=("Echo", {"value": ["1", 0]})
    )
    client.push(frame_of(3))
    assert (await client.until(Finished)).frame == 3
    assert client.of(Finished)[0].state == "done"


# ---- starting and stopping -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bootstrap", "code"),
    [("fake_nodes:load_badly", "worker_failed"), ("fake_nodes:load_and_die", "worker_failed")],
)
async def test_when_there_are_no_nodes_requests_say_why(service_of, bootstrap, code):
    client = Client(await service_of(bootstrap), "session")
    with pytest.raises(BridgeError) as caught:
        await client.submit(**SHOW)
    assert caught.value.code == code
    assert client.service.state.worker == "failed"


async def test_a_worker_that_failed_for_good_is_tried_again_by_the_next_request(service_of, tmp_path):
    how = tmp_path / "how"
    how.write_text("fail")
    client = Client(await service_of("fake_nodes:load_or_die", settings={"input": str(how)}), "session")
    await client.state("failed")
    with pytest.raises(BridgeError, match="No module named 'torch'"):
        await client.submit(**SHOW)
    with pytest.raises(BridgeError, match="No module named 'torch'"):
        client.push(frame_of(1))
    how.write_text("load")
    assert (await client.finished(await client.submit(**SHOW))).state == "done"


async def test_what_waits_when_the_worker_fails_for_good_is_told(service_of, tmp_path):
    how = tmp_path / "how"
    how.write_text("load")
    client = Client(await service_of("fake_nodes:load_or_die", settings={"input": str(how)}), "session")
    await client.set_stream(**ECHO)
    how.write_text("die")
    os.kill(client.service.status()["worker_pid"], signal.SIGKILL)
    await client.state("restarting")
    job = await client.submit(**SHOW)
    client.push(frame_of(6))
    for finished in (await client.finished(job), await client.until(Finished, stream="view", frame=6)):
        assert (finished.state, finished.problems[0].code) == ("failed", "worker_failed")
        assert "status 7 3 times while starting" in finished.problems[0].message


async def test_definitions_are_kept_so_that_workflows_are_judged_before_the_worker_is_up(
    service_of, tmp_path
):
    file = tmp_path / "cache" / "definitions.json"
    first = await service_of(definitions_file=file)
    definitions = await first.definitions()
    assert json.loads(file.read_bytes())["version"] == __version__
    written = file.stat().st_mtime_ns
    second = await service_of("fake_nodes:load_and_die", definitions_file=file)
    assert await second.definitions() == definitions
    client = Client(second, "session")
    with pytest.raises(WorkflowError):
        await client.submit(n1=("Nonsense", {}))
    third = await service_of(definitions_file=file)
    await Client(third, "session").state("ready")
    assert file.stat().st_mtime_ns == written or json.loads(file.read_bytes())["definitions"]


async def test_memory_is_given_back_and_what_waits_begins_afterwards(client, service):
    job = await client.submit(**steps(10, 0.02))
    await client.until(Progress)
    freeing = [asyncio.create_task(service.free()) for _ in range(2)]
    await asyncio.sleep(0)
    later = await client.submit(n1=("Freed", {}), n2=("Show", {"value": ["1", 0]}))
    await asyncio.gather(*freeing)
    assert (await client.finished(job)).state == "done"
    assert (await client.finished(later)).outputs == {"2": {"values": [1]}}


async def test_each_worker_is_prepared_for_pictures_once_when_somebody_may_want_one(service_of):
    service = await service_of("fake_nodes:load_warming")
    client = Client(service, "session")
    count = {"n1": ("Freed", {}), "n2": ("Show", {"value": ["1", 0]})}
    assert (await client.finished(await client.submit(**count))).outputs == {"2": {"values": [0]}}
    service.warm_up()
    service.warm_up()
    assert (await client.finished(await client.submit(**count))).outputs == {"2": {"values": [1]}}
    os.kill(service.status()["worker_pid"], signal.SIGKILL)
    assert (await client.finished(await client.submit(**count))).outputs == {"2": {"values": [1]}}


async def test_nothing_begins_while_the_worker_is_prepared_and_nothing_is_taken_for_hung(service_of):
    service = await service_of("fake_nodes:load_slowly_warming", hang_timeout_s=0.5)
    client = Client(service, "session")
    await client.state("ready")
    service.warm_up()
    jobs = [await client.submit(**SHOW) for _ in range(2)]
    assert service.state.worker == "starting"
    assert [record.state for record in service.jobs()] == ["waiting", "waiting"]
    await service.cancel("session", jobs[1])
    assert service.record(jobs[1]).state == "cancelled", "at once"
    assert (await client.finished(jobs[0])).state == "done"
    assert service.record(jobs[0]).attempts == 1


async def test_all_clients_are_told_that_the_worker_is_prepared_and_that_it_is_ready_again(service_of):
    service = await service_of("fake_nodes:load_slowly_warming")
    client = Client(service, "session")
    await client.state("ready")
    service.warm_up()
    async with asyncio.timeout(30):
        while [state.detail for state in client.of(State)][-2:] != ["preparing for pictures", ""]:
            await asyncio.sleep(0.05)
    assert client.of(State)[-1].worker == "ready"


async def test_worker_that_dies_of_being_prepared_takes_no_job_with_it_and_is_left_alone(service_of):
    service = await service_of("fake_nodes:load_deadly_warming")
    client = Client(service, "session")
    await client.state("ready")
    pid = service.worker_pid
    service.warm_up()
    job = await client.submit(**SHOW)
    assert (await client.finished(job)).state == "done"
    assert service.record(job).attempts == 1
    assert service.worker_pid not in (0, pid)


async def test_a_worker_that_is_not_up_has_no_memory_to_give_back(service_of):
    service = await service_of("fake_nodes:load_badly")
    async with asyncio.timeout(5):
        await service.free()


async def test_a_worker_that_dies_gives_its_memory_back_too(client, service):
    await client.submit(n1=("Hang", {}), n2=("Show", {"value": ["1", 0]}))
    await client.until(Progress)
    freeing = asyncio.create_task(service.free())
    await asyncio.sleep(0)
    os.kill(service.status()["worker_pid"], signal.SIGKILL)
    async with asyncio.timeout(10):
        await freeing


async def test_frames_go_on_while_a_job_is_waited_for_to_give_memory_back(client, service):
    job = await client.submit(**WAIT)
    await client.until(Progress)
    freeing = asyncio.create_task(service.free())
    later = await client.submit(**SHOW)
    await client.set_stream(**ECHO)
    client.push(frame_of(1))
    assert (await client.until(Finished, stream="view")).state == "done"
    assert not freeing.done()
    assert service.record(later).state == "waiting"
    await service.cancel("session", job)
    await freeing
    assert (await client.finished(later)).state == "done"


async def test_a_worker_that_does_not_give_memory_back_is_killed(service_of):
    service = await service_of(hang_timeout_s=0.5)
    client = Client(service, "session")
    await client.state("ready")
    pid = service.worker_pid
    os.kill(pid, signal.SIGSTOP)
    async with asyncio.timeout(10):
        await service.free()
    assert (await client.finished(await client.submit(**SHOW))).state == "done"
    assert service.worker_pid != pid


async def test_close_gives_every_job_its_last_word_and_leaves_no_process(client, service):
    running, waiting = await client.submit(**WAIT), await client.submit(**SHOW)
    await client.until(Progress)
    pid = service.status()["worker_pid"]
    await service.close()
    assert client.of(Finished, job=running, state="cancelled")
    assert client.of(Finished, job=waiting, state="cancelled")[0].problems[0].code == "daemon_stopped"
    assert not psutil.pid_exists(pid)


async def test_close_kills_a_worker_that_hangs(client, service, monkeypatch):
    monkeypatch.setattr("bridge.jobs.supervisor.STOP_S", 0.2)
    job = await client.submit(n1=("Hang", {}), n2=("Show", {"value": ["1", 0]}))
    await client.until(Progress)
    pid = service.status()["worker_pid"]
    await service.close()
    assert client.of(Finished, job=job, state="cancelled")
    assert not psutil.pid_exists(pid)


async def test_close_while_a_restart_is_due(client, service, monkeypatch):
    monkeypatch.setattr("bridge.jobs.supervisor.FIRST_PAUSE_S", 60)
    await service.definitions()
    os.kill(service.status()["worker_pid"], signal.SIGKILL)
    await client.state("restarting")
    async with asyncio.timeout(5):
        await service.close()


def test_the_daemons_side_imports_nothing_heavy():
    heavy = "{'torch', 'numpy', 'cv2', 'PIL', 'diffusers', 'transformers'}"
    code = f"import sys, bridge.jobs; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.split() == []


async def test_a_service_with_a_folder_leaves_its_jobs_to_the_next_one(service_of, tmp_path):
    temp = tmp_path / "temp"
    temp.mkdir()
    (temp / "old.png").touch()
    lasting = {"store": StoreSettings(tmp_path / "jobs"), "settings": {"temp": str(temp)}}
    service = await service_of(**lasting)
    client = Client(service, "session")
    running = await client.submit(**WAIT)
    waiting = await client.submit(**SHOW)
    await client.until(Progress)
    await service.close()
    assert client.of(State)[-1].detail == "the daemon is leaving; 2 jobs wait for its next start"
    assert not client.of(Finished)
    service = await service_of(**lasting)
    assert service.owns_jobs("session")
    assert not service.owns_jobs("other")
    assert not list(temp.iterdir()), "nothing in the history shows it"
    client = Client(service, "session")
    await client.until(Progress, job=running)
    await service.cancel("session", running)
    assert (await client.finished(waiting)).state == "done"
