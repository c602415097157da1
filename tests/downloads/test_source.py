"""What users paste, and what Hugging Face and Civitai say about it."""

from pathlib import Path
from typing import Any

import pytest

from bridge.downloads import Choices, credentials
from bridge.downloads.source import CivitaiVersion, HubFile, PlainFile, read_source
from bridge.errors import BridgeError
from bridge.models import curated_models

from .conftest import Kit, Site, always, as_json, leads_to, lora, sha256, whole

DATA = lora()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("hf:a/b/c.safetensors", HubFile("a/b", "c.safetensors")),
        ("hf://a/b@v2/sub/c.safetensors", HubFile("a/b", "sub/c.safetensors", "v2")),
        ("https://huggingface.co/a/b/blob/main/c.safetensors", HubFile("a/b", "c.safetensors")),
        (" <https://huggingface.co/a/b/resolve/refs%2Fpr%2F1/s/c.safetensors?download=true> ",
         HubFile("a/b", "s/c.safetensors", "refs/pr/1")),
        ("https://hf.co/a/b", HubFile("a/b", "")),
        ("https://huggingface.co/a/b/tree/v2", HubFile("a/b", "", "v2")),
        ("civitai:55", CivitaiVersion(55)),
        ("urn:air:sdxl:lora:civitai:33@55", CivitaiVersion(55, 33)),
        ("https://civitai.com/models/33/some-name?modelVersionId=55", CivitaiVersion(55, 33)),
        ("https://civitai.com/models/33", CivitaiVersion(0, 33)),
        ("https://civitai.com/api/download/models/55?type=Model&format=SafeTensor",
         CivitaiVersion(55, 0, (("format", "SafeTensor"), ("type", "Model")))),
        ("https://x.example/a.safetensors?sig=1#part", PlainFile("https://x.example/a.safetensors?sig=1")),
    ],
)  # fmt: skip
def test_what_is_pasted_is_understood(text: str, place: Any) -> None:
    assert read_source(text).place == place


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_source"),
        ("something", "bad_source"),
        ("hf:a", "bad_source"),
        ("hf:a/b/../c", "bad_source"),
        ("https://huggingface.co/docs/x/y/z", "bad_source"),
        ("https://huggingface.co/", "bad_source"),
        ("https://civitai.com/user/me", "bad_source"),
        ("https://civitai.com/models/3?modelVersionId=x", "bad_source"),
        ("http://x.example/a.safetensors", "not_https"),
        ("ftp://x.example/a.safetensors", "not_https"),
        ("file:///etc/passwd", "bad_source"),
        ("https://user:password@x.example/a", "bad_source"),
        ("https://x.example:99999/a", "bad_source"),
        ("https://[::1/a", "bad_source"),
        ("https://x example/a", "bad_source"),
        ("https://x.example/" + "a" * 9000, "bad_source"),
    ],
)
def test_what_makes_no_sense_is_refused_with_examples(text: str, code: str) -> None:
    with pytest.raises(BridgeError) as failure:
        read_source(text)
    assert failure.value.code == code
    assert failure.value.hint


def test_every_name_of_the_list_is_understood() -> None:
    for each in curated_models().values():
        wanted = read_source(each.id)
        assert (wanted.file, wanted.folder) == (each.file, each.folder)


def test_secrets_of_an_address_are_never_shown() -> None:
    plain = read_source("https://x.example/a.safetensors?token=secret").place
    civitai = read_source("https://civitai.com/api/download/models/5?token=secret").place
    assert "secret" not in repr(plain) + plain.shown + repr(civitai) + civitai.shown
    assert isinstance(civitai, CivitaiVersion)
    assert civitai.token == "secret"
    assert "secret" not in repr(credentials({"civitai.com": "secret"}))


# ---- Hugging Face ----------------------------------------------------------------------------


def hub(site: Site, path: str = "style.safetensors", **headers: str) -> None:
    about = {"cardData": {"license": "openrail++"}, "siblings": [{"rfilename": "a.safetensors"}, 3]}
    site.put("https://huggingface.co/api/models/a/b-lora", as_json(about))
    linked = {"X_Linked_Etag": f'"{sha256(DATA)}"', "X_Linked_Size": len(DATA), **headers}
    file = f"https://huggingface.co/a/b-lora/resolve/main/{path}"
    site.put(file, leads_to("https://cdn.huggingface.co/blob", **linked))
    site.put("https://cdn.huggingface.co/blob", whole(DATA))


def test_the_hub_says_checksum_and_licence(kit: Kit, site: Site) -> None:
    hub(site)
    plan = kit.planner.plan("hf:a/b-lora/style.safetensors")
    assert plan.sha256 == sha256(DATA)
    assert plan.notes.licence == "openrail++"
    assert plan.notes.source == "https://huggingface.co/a/b-lora"
    assert plan.source == "hf:a/b-lora/style.safetensors"
    assert kit.puller().pull(plan).name == "style.safetensors"


def test_a_file_of_another_checksum_than_the_hub_says_is_not_kept(kit: Kit, site: Site) -> None:
    hub(site, X_Linked_Etag=f'"{"0" * 64}"')
    with pytest.raises(BridgeError) as failure:
        kit.puller().pull(kit.planner.plan("hf:a/b-lora/style.safetensors"))
    assert failure.value.code == "checksum_differs"
    assert kit.files() == set()


def test_names_that_say_nothing_become_the_repositorys(kit: Kit, site: Site) -> None:
    hub(site, "pytorch_lora_weights.safetensors")
    assert kit.planner.plan("hf:a/b-lora/pytorch_lora_weights.safetensors").name == "b-lora.safetensors"
    assert (
        kit.planner.plan("hf:a/b-lora/pytorch_lora_weights.safetensors", Choices(name="x/y")).target
        == kit.root / "loras" / "x" / "y.safetensors"
    )


def test_a_repository_without_a_file_names_its_files(kit: Kit, site: Site) -> None:
    hub(site)
    with pytest.raises(BridgeError) as failure:
        kit.planner.plan("https://huggingface.co/a/b-lora")
    assert failure.value.code == "no_file_named"
    assert "hf:a/b-lora/a.safetensors" in failure.value.hint


def test_a_gated_file_says_what_to_do(kit: Kit, site: Site) -> None:
    site.put("https://huggingface.co/api/models/a/b", always("401 Unauthorized"))
    site.put("https://huggingface.co/a/b/resolve/main/x.safetensors", always("401 Unauthorized"))
    with pytest.raises(BridgeError) as failure:
        kit.planner.plan("hf:a/b/x.safetensors")
    assert failure.value.code == "source_forbidden"
    assert "HF_TOKEN" in failure.value.hint


def test_keys_are_found_in_files(kit: Kit, site: Site, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "token").write_text("hf_of_the_hub\n")
    assert credentials().headers("huggingface.co", 443) == {"Authorization": "Bearer hf_of_the_hub"}
    (tmp_path / "home" / "huggingface.token").write_text("hf_own")
    assert credentials().headers("huggingface.co", 443) == {"Authorization": "Bearer hf_own"}
    assert credentials().headers("huggingface.co", 8443) == {}
    assert credentials().headers("cdn.huggingface.co", 443) == {}
    (tmp_path / "home" / "civitai.token").write_bytes(b"two words\r\nX-Evil: 1")
    assert credentials().headers("civitai.com", 443) == {}


# ---- Civitai ---------------------------------------------------------------------------------


def civitai(site: Site, **changed: Any) -> None:
    file = {
        "name": "style.safetensors",
        "type": "Model",
        "primary": True,
        "metadata": {"format": "SafeTensor", "fp": "fp16", "size": "pruned"},
        "hashes": {"SHA256": sha256(DATA).upper()},
        "downloadUrl": "https://civitai.com/api/download/models/55",
    }
    pickled = {**file, "name": "style.ckpt", "metadata": {"format": "PickleTensor"}, "primary": True}
    version = {
        "id": 55,
        "modelId": 33,
        "name": "v2",
        "baseModel": "SD 1.5",
        "trainedWords": ["chalk"],
        "files": [pickled, {**file, **changed}],
    }
    model = {"name": "Chalk", "allowCommercialUse": [], "modelVersions": [{"id": 55}]}
    site.put("https://civitai.com/api/v1/model-versions/55", as_json(version))
    site.put("https://civitai.com/api/v1/models/33", as_json({**model, "creator": {"username": "me"}}))
    site.put("https://civitai.com/api/download/models/55", whole(DATA))


@pytest.mark.parametrize("source", ["civitai:55", "https://civitai.com/models/33", "civitai:33@55"])
def test_civitai_says_words_licence_and_checksum(source: str, kit: Kit, site: Site) -> None:
    civitai(site)
    plan = kit.planner.plan(source)
    assert plan.notes.triggers == ("chalk",)
    assert plan.notes.licence == "Civitai: no commercial use"
    assert (plan.notes.title, plan.notes.author) == ("Chalk v2", "me")
    assert plan.sha256 == sha256(DATA)
    assert plan.name == "style.safetensors"
    assert kit.puller().pull(plan).read_bytes() == DATA


def test_a_token_in_the_address_is_sent_and_not_kept(kit: Kit, site: Site) -> None:
    civitai(site)
    plan = kit.planner.plan("https://civitai.com/api/download/models/55?token=secret")
    assert site.requests[-1].headers["authorization"] == "Bearer secret"
    assert "secret" not in repr(plan) + str(plan.to_json())
    kit.puller(credentials(plan.keys)).pull(plan)
    assert site.requests[-1].headers["authorization"] == "Bearer secret"
    assert not any("secret" in path.read_text("latin-1") for path in kit.root.rglob("*.json"))


def test_a_download_link_chooses_among_the_files(kit: Kit, site: Site) -> None:
    files = [
        {"name": f"{size}.safetensors", "type": "Model", "metadata": {"format": "SafeTensor", "size": size}}
        for size in ("full", "pruned")
    ]
    site.put("https://civitai.com/api/v1/model-versions/55", as_json({"id": 55, "files": files}))
    query = "?format=SafeTensor&size=pruned&type=Model"
    site.put(f"https://civitai.com/api/download/models/55{query}", whole(DATA))
    plan = kit.planner.plan(f"https://civitai.com/api/download/models/55{query}")
    assert plan.name == "pruned.safetensors"
    assert plan.notes.source == "civitai:55", "its page is not known"
    site.put("https://civitai.com/api/download/models/55", whole(DATA))
    assert kit.planner.plan("civitai:55").name == "full.safetensors", "the first, where none is the main one"


def test_a_version_of_pickles_alone_is_refused(kit: Kit, site: Site) -> None:
    civitai(site, metadata={"format": "PickleTensor"})
    with pytest.raises(BridgeError) as failure:
        kit.planner.plan("civitai:55")
    assert failure.value.code == "no_safetensors"


@pytest.mark.parametrize("answer", [[], {"files": 3}, {"files": [{"metadata": 3, "hashes": []}]}, "x", None])
def test_answers_that_make_no_sense_are_told(answer: Any, kit: Kit, site: Site) -> None:
    site.put("https://civitai.com/api/v1/model-versions/55", as_json(answer))
    site.put("https://civitai.com/api/v1/models/33", as_json(answer))
    for source in ("civitai:55", "https://civitai.com/models/33"):
        with pytest.raises(BridgeError) as failure:
            kit.planner.plan(source)
        assert failure.value.code in ("source_not_found", "no_safetensors")
    site.put("https://civitai.com/api/v1/model-versions/55", always(body=b"<html>"))
    with pytest.raises(BridgeError) as failure:
        kit.planner.plan("civitai:55")
    assert failure.value.code == "bad_answer"


# ---- plans -----------------------------------------------------------------------------------


def test_choices_that_make_no_sense_are_refused(kit: Kit, site: Site) -> None:
    site.put("https://files.example/x.safetensors", whole(DATA))
    for choices, code in (
        (Choices(folder="lora"), "unknown_folder"),
        (Choices(folder="vae"), "wrong_model_kind"),
        (Choices(sha256="12"), "bad_checksum"),
    ):
        with pytest.raises(BridgeError) as failure:
            kit.planner.plan("https://files.example/x.safetensors", choices)
        assert failure.value.code == code


def test_a_plan_says_all_there_is_to_agree_to(kit: Kit, site: Site) -> None:
    site.put("https://files.example/x.safetensors", whole(lora(metadata={"modelspec.license": "MIT"})))
    said = kit.planner.plan("https://files.example/x.safetensors").to_json()
    assert said["licence"] == "MIT"
    assert said["bytes"] > 0
    assert said["path"] == str(kit.root / "loras" / "x.safetensors")
    assert said["sha256"] == "", "nobody has said one"
