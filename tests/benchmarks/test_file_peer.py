"""The peer's server: what goes up as a file comes down again."""

import json
import threading
from http.client import HTTPConnection
from http.server import ThreadingHTTPServer

import pytest

from benchmarks.file_peer import FilePeer, file_of

PICTURE = bytes(range(256)) + b"\r\n\r\n--other\r\n"
BODY = b'--line\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + PICTURE + b"\r\n--line--\r\n"


@pytest.fixture
def connection():
    with ThreadingHTTPServer(("127.0.0.1", 0), FilePeer) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        connection = HTTPConnection("127.0.0.1", server.server_port)
        yield connection
        connection.close()
        server.shutdown()
        thread.join()


def ask(connection, method, path, body=b"", headers=None):
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    assert response.status == 200
    return response.read()


def test_file_is_taken_out_of_its_form():
    assert file_of(BODY, "multipart/form-data; boundary=line") == PICTURE


def test_upload_comes_back_as_the_picture_of_its_job(connection):
    headers = {"Content-Type": "multipart/form-data; boundary=line"}
    name = json.loads(ask(connection, "POST", "/upload/image", BODY, headers))["name"]
    job = json.loads(ask(connection, "POST", "/prompt", json.dumps({"image": name}).encode()))["prompt_id"]
    result = json.loads(ask(connection, "GET", f"/history/{job}"))[job]["image"]
    assert ask(connection, "GET", f"/view?filename={result}") == PICTURE
