"""What clients ask about machine and server, and what the editor asks for itself."""

import os
import sys

from bridge.comfy.internal import MAX_LOG_BYTES


def test_the_machine_is_described_as_comfyui_does(site):
    answer = site.http.get("/system_stats").json()
    assert set(answer["system"]) == {
        "os", "ram_total", "ram_free", "comfyui_version", "required_frontend_version",
        "installed_templates_version", "required_templates_version", "python_version", "pytorch_version",
        "embedded_python", "argv",
    }  # fmt: skip
    assert answer["system"]["comfyui_version"] == "0.3.64"
    assert answer["system"]["python_version"] == sys.version
    (device,) = answer["devices"]
    assert set(device) == {
        "name", "type", "index", "vram_total", "vram_free", "torch_vram_total", "torch_vram_free",
    }  # fmt: skip
    assert device["vram_total"] >= device["vram_free"] > 0


def test_features_are_what_clients_count_on(site):
    assert site.http.get("/api/features").json() == {
        "supports_preview_metadata": True,
        "max_upload_size": 104857600,
    }


def test_the_end_of_the_log_is_shown(site):
    log = site.home / "daemon.log"
    before = log.read_bytes() if log.exists() else b""
    log.write_bytes(b"first\n" + b"x" * MAX_LOG_BYTES + b"\nlast\n")
    try:
        assert site.http.get("/internal/logs").json() == "last\n"
        raw = site.http.get("/internal/logs/raw").json()
        assert raw["entries"] == [{"t": "", "m": "last\n"}]
        assert set(raw["size"]) == {"cols", "rows"}
        log.unlink()
        assert site.http.get("/internal/logs").json() == ""
    finally:
        log.write_bytes(before)
    assert site.http.patch("/internal/logs/subscribe", json={"enabled": True}).status_code == 200


def test_the_newest_files_come_first(site):

    folder = site.home / "temp"
    for age, name in enumerate(("new.png", "old.png", ".hidden.part")):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    listed = site.http.get("/internal/files/temp").json()
    assert [name for name in listed if name in ("new.png", "old.png", ".hidden.part")] == [
        "new.png",
        "old.png",
    ]
    assert site.http.get("/internal/files/models").status_code == 400
