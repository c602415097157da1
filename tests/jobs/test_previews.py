from bridge.jobs.previews import sweep_previews


def test_previews_live_as_long_as_the_history_that_shows_them(tmp_path):
    names = ["shown.png", "lost.png", "grids/shown.png", "grids/lost.png", "empty/lost.png", "output.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    shown = {
        "1": {
            "images": [
                {"filename": "shown.png", "subfolder": "", "type": "temp"},
                {"filename": "shown.png", "subfolder": "grids", "type": "temp"},
                {"filename": "output.png", "subfolder": "", "type": "output"},
                {"filename": "../../etc/passwd", "type": "temp"},
                "text",
            ],
            "animated": True,
        }
    }
    sweep_previews(tmp_path, [{}, shown])
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert left == {"shown.png", "grids", "grids/shown.png"}


def test_a_folder_that_is_not_there_has_no_previews(tmp_path):
    sweep_previews(tmp_path / "temp", [])


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "picture.png").touch()
    (tmp_path / "temp").mkdir()
    (tmp_path / "temp" / "link").symlink_to(outside)
    sweep_previews(tmp_path / "temp", [])
    assert (outside / "picture.png").exists()
    assert list((tmp_path / "temp").iterdir()) == []
