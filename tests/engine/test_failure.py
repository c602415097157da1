import asyncio

import fake_nodes
import pytest

from bridge.engine.failure import blamed_on
from bridge.errors import ExecutionError, InputError, OutOfMemory


def fail(error):
    with blamed_on("3", "KSampler"):
        raise error


def test_a_foreign_exception_names_the_node_and_keeps_its_first_line():
    cause = ValueError("shapes do not match\nTraceback of something")
    with pytest.raises(ExecutionError) as caught:
        fail(cause)
    error = caught.value
    assert error.message == "KSampler failed: ValueError: shapes do not match"
    assert (error.code, error.node_id, error.__cause__) == ("node_failed", "3", cause)
    assert error.hint


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        (ValueError(), "KSampler failed: ValueError"),
        (SystemExit(3), "KSampler failed: SystemExit: 3"),
        (ValueError("x" * 5000), "KSampler failed: ValueError: " + "x" * 300),
        (OSError("no file \udcff"), "KSampler failed: OSError: no file ?"),
    ],
    ids=["silent", "exit", "long", "half a character"],
)
def test_the_message_can_always_be_sent_and_read(cause, message):
    with pytest.raises(ExecutionError) as caught:
        fail(cause)
    assert caught.value.message == message


@pytest.mark.parametrize(
    "cause",
    [
        MemoryError(),
        fake_nodes.OutOfMemoryError(),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
    ids=repr,
)
def test_lack_of_memory_is_recognised_whatever_library_says_it(cause):
    with pytest.raises(OutOfMemory) as caught:
        fail(cause)
    assert (caught.value.node_id, caught.value.code) == ("3", "out_of_memory")
    assert caught.value.hint


def test_words_about_memory_in_another_kind_of_error_mean_nothing():
    with pytest.raises(ExecutionError) as caught:
        fail(ValueError("out of memory lane"))
    assert caught.value.code == "node_failed"


def test_an_error_of_ours_gets_the_node_unless_it_names_one():
    with pytest.raises(InputError) as caught:
        fail(InputError("no frame"))
    assert caught.value.node_id == "3"
    with pytest.raises(InputError) as caught:
        fail(InputError("no frame", node_id="2"))
    assert caught.value.node_id == "2"


async def test_the_cancellation_of_the_running_task_passes():
    async def node():
        with blamed_on("3", "KSampler"):
            await asyncio.Event().wait()

    task = asyncio.create_task(node())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_nobody_asked_of_the_task_is_a_failure_of_the_node():
    with pytest.raises(ExecutionError, match="KSampler failed: CancelledError"):
        fail(asyncio.CancelledError())


def test_opencv_says_in_its_own_words_that_memory_ran_out():
    class error(Exception):  # noqa: N801 - OpenCV's own name
        pass

    error.__module__ = "cv2"
    with pytest.raises(OutOfMemory):
        fail(error("OpenCV(5.0.0) error: (-4:Insufficient memory) Failed to allocate 3298534883328 bytes"))
