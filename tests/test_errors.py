"""What users are told of errors that nobody raised on purpose."""

from bridge.errors import InputError, problem_of, shown


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_bug_is_told_by_its_class_and_number_and_the_log_has_both_and_the_rest(caplog):
    error = raised(FileNotFoundError(2, "No such file", "/home/somebody/secret.png"))
    problem = problem_of(error)
    assert problem.code == "internal_error"
    assert "somebody" not in str(problem)
    assert problem.message.startswith("FileNotFoundError, ")
    number = problem.message.rpartition("(error ")[2].removesuffix(")")
    assert f"error {number}" in caplog.text
    assert "Traceback" in caplog.text
    assert "/home/somebody/secret.png" in caplog.text


def test_each_bug_has_its_own_number(caplog):
    assert problem_of(ValueError("a")).message != problem_of(ValueError("a")).message


def test_what_was_raised_on_purpose_is_told_as_it_is_and_not_logged(caplog):
    error = InputError("the picture is broken", hint="Send another.")
    assert problem_of(error) == error.problem
    assert not caplog.records


def test_what_would_command_a_terminal_is_shown_instead():
    assert shown("a\x1b[31m\x07\x9b1m\r\x7f\0") == "a\ufffd[31m\ufffd\ufffd1m\ufffd\ufffd\ufffd"
    assert shown("two\nlines,\ta tab, é, 猫 and \xa0") == "two\nlines,\ta tab, é, 猫 and \xa0"
