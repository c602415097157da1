"""What an artist has: models, and a place to send workflows to."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from exhausted import SWITCH
from wiring import Node, Wiring

from bridge.cli.local import LocalJobs, LocalOutcome
from bridge.errors import BridgeError, Problem
from bridge.protocol import Submit

TXT2IMG: Mapping[str, Node] = {
    "1": ("CheckpointLoaderSimple", {"ckpt_name": "tiny.safetensors"}),
    "2": ("CLIPTextEncode", {"clip": ["1", 1]}),
    "3": ("CLIPTextEncode", {"clip": ["1", 1], "text": ""}),
    "4": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
    "5": (
        "KSampler",
        {
            "model": ["1", 0],
            "positive": ["2", 0],
            "negative": ["3", 0],
            "latent_image": ["4", 0],
            "steps": 1,
            "cfg": 2.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    ),
    "6": ("VAEDecode", {"samples": ["5", 0], "vae": ["1", 2]}),
    "7": ("PreviewImage", {"images": ["6", 0]}),
}
UNTOUCHED: Wiring = ({}, {})


class Studio:
    """One worker process, and models in a folder of its own."""

    def __init__(self, jobs: LocalJobs, home: Path) -> None:
        self.models = home / "models"
        self._jobs = jobs
        self._switch = home / "temp" / SWITCH
        self._seed = 0

    def copy(self, source: str, target: str, change: Callable[[bytes], bytes] = bytes) -> None:
        """Put a model under another name, or in another folder, perhaps damaged."""
        data = (self.models / f"{source}.safetensors").read_bytes()
        (self.models / f"{target}.safetensors").write_bytes(change(data))

    async def paint(self, made: Wiring = UNTOUCHED) -> LocalOutcome:
        """Run txt2img, changed by some wiring, with another prompt and seed each time.

        Raises:
            BridgeError: Why it fails.
        """
        self._seed += 1
        more, changes = made
        nodes = {key: (kind, dict(inputs)) for key, (kind, inputs) in {**TXT2IMG, **more}.items()}
        text = f"a cat, take {' '.join(str(self._seed))}"  # tokens that a small vocabulary has
        news = {"n2_text": text, "n5_seed": self._seed}
        for place, value in {**news, **changes}.items():
            node_id, _, name = place.removeprefix("n").partition("_")
            nodes[node_id][1][name] = value
        workflow = {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}
        return await self._jobs.run(Submit("r", workflow), lambda message: None)

    async def refusal(self, made: Wiring) -> Problem:
        """Return why a workflow fails; the untouched one must succeed right behind it."""
        with pytest.raises(BridgeError) as caught:
            await self.paint(made)
        self._switch.unlink(missing_ok=True)
        await self.paint()
        [problem] = caught.value.problems
        return problem

    async def refuses(self, made: Wiring, code: str, node_id: str, message: str, hint: str) -> None:
        """Assert why a workflow fails; message and hint are patterns."""
        problem = await self.refusal(made)
        assert (problem.code, problem.node_id) == (code, node_id), problem
        assert re.search(message, problem.message), problem
        assert re.search(hint, problem.hint), problem

    async def warning(self, made: Wiring) -> Problem:
        """Return the one warning of a workflow that succeeds."""
        [problem] = (await self.paint(made)).finished.problems
        assert problem.is_warning
        return problem

    async def run_out_of_memory(self, stage: str) -> None:
        """Load what the untouched workflow needs, and nothing else; then run out of memory once at a stage.

        See ``exhausted``.
        """
        await self._jobs.service.free()
        await self.paint()
        self._switch.write_text(stage)
