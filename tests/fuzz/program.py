"""Fuzzes one target: ``program.py TARGET SECONDS FOLDER``.

An input that is a fault is left in the folder, and named at the end of what is printed.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(
    include=["bridge.protocol", "bridge.graph", "bridge.imaging.png_text", "json"]
):
    import targets
from json_mutation import mutator


def as_bytes(data: bytes, most: int) -> bytes:
    """Change an input as libFuzzer does; there is no such function before fuzzing has begun."""
    return bytes(atheris.Mutate(data, most))


def main() -> None:
    """Fuzz."""
    name, seconds, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(targets.seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-artifact_prefix={folder}/",
        f"-dict={Path(__file__).parent / 'words.txt'}",
        "-max_len=16384",
        "-timeout=10",
        "-rss_limit_mb=0",  # the kernel counts what the process that started this one once held
        "-malloc_limit_mb=512",
        "-print_final_stats=1",
    ]
    ways = {} if name == "picture" else {"custom_mutator": mutator(as_bytes)}
    atheris.Setup([sys.argv[0], *options, str(corpus)], targets.TARGETS[name], **ways)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
