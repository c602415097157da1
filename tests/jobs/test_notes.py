import pytest

from bridge.engine import Run
from bridge.jobs import notes as notes_module
from bridge.jobs.notes import HIDDEN, KEPT_RUNS, MAX_CHARACTERS, MAX_LINES, RunNotes


def notes_of(extra=None, **inputs):
    notes = RunNotes()
    notes.add(Run("job", {"1": {"class_type": "Any", "inputs": inputs}}, (), extra=extra or {}), "session", 3)
    return notes


def test_a_note_says_whose_a_run_is_and_which_try():
    note = notes_of().find("job")
    assert (note.session, note.attempt) == ("session", 3)
    assert RunNotes().find("job") is None


@pytest.mark.parametrize(
    ("inputs", "told", "hidden"),
    [
        ({"text": "heron-at-dawn"}, "no heron-at-dawn here", "no ‹hidden› here"),
        ({"anything": "a heron at dawn"}, "ValueError: a heron at dawn", "ValueError: ‹hidden›"),
        ({"text": "heron one\n  heron two"}, "heron two, heron one", "‹hidden›, ‹hidden›"),
        ({"text": "a heron\nat dawn"}, r"'a heron\nat dawn'", "'‹hidden›'"),
        ({"api_key": "0123456"}, "key=0123456", "key=‹hidden›"),
        ({"ckpt_name": "sd15.safetensors"}, "sd15.safetensors is missing", "sd15.safetensors is missing"),
        ({"text": "cat"}, "concatenate", "concatenate"),
        ({"seed": 5, "model": ["1", 0]}, "5", "5"),
    ],
)
def test_prompts_and_keys_are_hidden_and_names_are_not(inputs, told, hidden):
    assert notes_of(**inputs).redact(told) == hidden


def test_keys_beside_a_workflow_are_hidden():
    assert notes_of({"auth_token": "abcdef0", "workflow": {}}).redact("got abcdef0") == "got ‹hidden›"


@pytest.mark.parametrize(
    ("told", "hidden"),
    [
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ‹hidden›"),
        ("GET /ws?token=abc&clientId=1", "GET /ws?token=‹hidden›&clientId=1"),
        ('{"api_key_comfy_org": "comfyui-12345678"}', '{"api_key_comfy_org": "‹hidden›"}'),
        ("with hf_abcdefghijkl", "with ‹hidden›"),
        ("the tokenizer splits tokens: 77", "the tokenizer splits tokens: 77"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(told, hidden):
    assert RunNotes().redact(told) == hidden


def test_a_secret_stays_one():
    notes = RunNotes()
    notes.keep_secret("abcdefgh")
    assert notes.redact("x abcdefgh") == "x ‹hidden›"


def test_only_the_last_runs_are_remembered():
    notes = notes_of(text="a heron at dawn")
    for number in range(KEPT_RUNS):
        notes.add(Run(f"other-{number}", {}, ()), "session", 1)
    assert notes.redact("a heron at dawn") == "a heron at dawn"
    assert notes.find("job") is None


class Text(str):
    """Counts what is looked for in it."""

    looks = 0

    def __contains__(self, words):
        Text.looks += 1
        return super().__contains__(words)


def test_however_long_texts_are_little_is_looked_for_and_nothing_is_shown(monkeypatch):
    lines = [f"heron {number:06}" for number in range(5_000)]
    notes = RunNotes()
    for job in range(3):
        notes.add(Run(f"job-{job}", {"1": {"inputs": {"text": "\n".join(lines)}}}, ()), "session", 1)
    monkeypatch.setattr(notes_module, "_cut", Text)
    shown = notes.redact(f"1: {lines[0]}, 2: {lines[4_999]}\nnothing\n{lines[2_000]}")
    assert Text.looks <= 3 * MAX_LINES
    assert shown == f"1: {HIDDEN}\nnothing\n{HIDDEN}"


def test_beginnings_are_forgotten_with_their_runs():
    lines = [f"heron {number:06}" for number in range(5_000)]
    notes = notes_of(text="\n".join(lines))
    assert notes.redact(lines[7]) == HIDDEN
    for number in range(KEPT_RUNS):
        notes.add(Run(f"other-{number}", {}, ()), "session", 1)
    assert notes.redact(lines[7]) == lines[7]


@pytest.mark.parametrize(
    ("text", "kept"), [("x" * MAX_CHARACTERS * 2, ""), ("first\n" + "y" * MAX_CHARACTERS, "first")]
)
def test_what_is_too_long_to_be_looked_through_is_cut_behind_a_line(text, kept):
    assert notes_of(text="a heron").redact(text) == f"{kept}\n‹{len(text):,} characters in all›"
    assert RunNotes().redact(text) == text
