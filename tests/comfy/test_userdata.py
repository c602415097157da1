"""``/userdata`` and ``/users``: the user's own files, all verbs."""

import os

import pytest

from bridge.comfy.userdata import _move


@pytest.fixture
def user(site):
    """The folder of the user's files, holding ``workflows/a.json`` and ``workflows/deep/b.json``."""
    folder = site.home / "user" / "default"
    for name in ("workflows/a.json", "workflows/deep/b.json", "workflows/.hidden"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return folder


def test_files_are_kept_on_the_server_for_one_user(site, user):
    assert site.http.get("/users").json() == {"storage": "server", "migrated": True}
    assert site.http.post("/users", json={"username": "x"}).status_code == 400


def test_a_folder_is_listed_in_the_ways_the_editor_asks(site, user):
    def ask(query):
        return site.http.get(f"/api/userdata?dir=workflows{query}").json()

    assert ask("") == ["a.json"]
    assert sorted(ask("&recurse=true")) == ["a.json", "deep/b.json"]
    assert ask("&recurse=true&split=true")[-1] == ["deep/b.json", "deep", "b.json"]
    (info,) = ask("&full_info=true")
    assert (info["path"], info["size"]) == ("a.json", 2)
    assert info["modified"] == (user / "workflows" / "a.json").stat().st_mtime
    assert info["created"]


@pytest.mark.parametrize(("query", "status"), [("", 400), ("?dir=none", 404), ("?dir=..", 403)])
def test_a_folder_that_is_not_there_is_not_listed(site, user, query, status):
    assert site.http.get(f"/userdata{query}").status_code == status


def test_everything_below_a_folder_is_listed_folders_first(site, user):
    entries = site.http.get("/v2/userdata?path=workflows").json()
    assert [(entry["path"], entry["type"]) for entry in entries] == [
        ("workflows/deep", "directory"),
        ("workflows/a.json", "file"),
        ("workflows/deep/b.json", "file"),
    ]
    assert entries[1]["size"] == 2
    assert "workflows" in [entry["name"] for entry in site.http.get("/v2/userdata").json()]
    for path, status in (("none", 404), ("..", 400), ("workflows/a.json", 400)):
        assert site.http.get(f"/v2/userdata?path={path}").status_code == status


def test_a_file_is_written_read_and_removed(site, user):
    path = "/api/userdata/workflows%2Fnew%2Fmine.json"
    answer = site.http.post(f"{path}?full_info=true", content=b'{"nodes": []}')
    assert answer.json()["path"] == "workflows/new/mine.json"
    assert site.http.get(path).content == b'{"nodes": []}'
    assert site.http.delete(path).status_code == 204
    assert site.http.get(path).status_code == 404
    assert site.http.delete(path).status_code == 404


def test_a_file_is_not_overwritten_against_the_users_will(site, user):
    assert site.http.post("/userdata/workflows%2Fa.json?overwrite=false", content=b"x").status_code == 409
    assert site.http.post("/userdata/workflows%2Fa.json", content=b"x").json() == "workflows/a.json"
    assert (user / "workflows" / "a.json").read_bytes() == b"x"


def test_a_file_is_moved(site, user):
    (user / "workflows" / "old.json").write_text("old")
    answer = site.http.post("/userdata/workflows%2Fold.json/move/workflows%2Fkept%2Fnew.json")
    assert answer.json() == "workflows/kept/new.json"
    assert (user / "workflows" / "kept" / "new.json").read_text() == "old"
    move = "/userdata/workflows%2Fa.json/move/workflows%2Fkept%2Fnew.json"
    assert site.http.post(f"{move}?overwrite=false").status_code == 409
    assert site.http.post("/userdata/none.json/move/x.json").status_code == 404
    assert site.http.post("/userdata/workflows%2Fdeep%2Fb.json/move/..%2Fx.json").status_code == 403


@pytest.mark.parametrize("name", ["..%2F..%2Fdaemon.json", "%2Fetc%2Fpasswd", "C%3A%5Cx", "con", "a%00b"])
def test_no_name_leads_out_of_the_folder(site, user, name):
    for method in ("GET", "POST", "DELETE"):
        assert site.http.request(method, f"/userdata/{name}").status_code == 403
    assert (site.home / "daemon.json").is_file()


def test_a_place_that_cannot_be_written_is_told(site, user):
    assert site.http.post("/userdata/workflows%2Fa.json%2Fx.json", content=b"x").status_code == 400


def test_a_page_among_the_users_files_is_a_download(site, user):
    (user / "page.html").write_text("<script>alert(1)</script>")
    answer = site.http.get("/userdata/page.html")
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_file_that_appears_while_another_arrives_stays(site, user):
    def body():
        yield b"late"
        (user / "workflows" / "new.json").write_text("first")

    answer = site.http.post("/userdata/workflows%2Fnew.json?overwrite=false", content=body())
    assert answer.status_code == 409
    assert (user / "workflows" / "new.json").read_text() == "first"


def test_a_name_that_is_taken_meanwhile_is_not_moved_to(user):
    (user / "taken.json").write_text("first")
    assert not _move(user / "workflows" / "a.json", user / "taken.json", replaces=False)
    assert (user / "taken.json").read_text() == "first"
    assert (user / "workflows" / "a.json").is_file()
    assert _move(user / "workflows" / "a.json", user / "free.json", replaces=False)
    assert not (user / "workflows" / "a.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_that_leads_nowhere_is_not_listed(site, user):
    (user / "workflows" / "dangling.json").symlink_to(user / "nothing.json")
    listed = site.http.get("/userdata?dir=workflows&full_info=true").json()
    names = [entry["name"] for entry in site.http.get("/v2/userdata?path=workflows").json()]
    for found in ([info["path"] for info in listed], names):
        assert "a.json" in found
        assert "dangling.json" not in found


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE"])
def test_a_path_longer_than_systems_take_is_refused(site, user, verb):
    for parts in (20, 21, 25):
        told = site.http.request(verb, f"/userdata/{'%2F'.join(['d' * 199] * parts)}", content=b"")
        assert told.status_code == 403
        assert str(user) not in told.text


def test_no_more_is_looked_at_than_is_listed(site, user, monkeypatch):
    monkeypatch.setattr("bridge.comfy.userdata.MAX_LISTED", 3)
    walked = []

    def walk(folder):
        for number in range(100):
            walked.append(number)
            yield str(folder), [], [f"{number}.json"]
            (folder / f"{number + 1}.json").write_text("{}")

    (user / "0.json").write_text("{}")
    monkeypatch.setattr("bridge.comfy.userdata.os.walk", walk)
    assert len(site.http.get("/v2/userdata").json()) == 3
    assert len(walked) <= 4
    assert len(site.http.get("/userdata?dir=workflows&recurse=true").json()) == 3
    assert len(walked) <= 8


def test_large_files_leave_room_on_the_disk_and_small_ones_are_kept(site, user, monkeypatch):
    monkeypatch.setattr("bridge.comfy.places.MIN_FREE_BYTES", 2**80)
    told = site.http.post("/userdata/large.bin", content=bytes(2**20 + 1))
    assert (told.status_code, told.json()["code"]) == (400, "disk_full")
    assert not (user / "large.bin").exists()
    assert site.http.post("/userdata/small.bin", content=bytes(2**20)).status_code == 200
    picture = {"image": ("a.bin", bytes(2**20 + 1))}
    assert site.http.post("/upload/image", files=picture).json()["code"] == "disk_full"
